"""The commands ``export``, ``train``, ``evaluate`` and ``translate``."""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.cli.lines import read_blocks
from automl_tf.cli.options import (
    AsJson,
    Home,
    Overrides,
    Quiet,
    Storage,
    StudyName,
    Tracking,
    expand_home,
    find_study,
    silence_libraries,
)
from automl_tf.cli.outputs import check_output, write_output
from automl_tf.errors import ExitCode, Place, UserError
from automl_tf.formatting import format_duration, format_json, format_plural, format_score
from automl_tf.home import DEFAULT_HOME

if TYPE_CHECKING:
    import optuna

    from automl_tf.config.files import Export
    from automl_tf.release.train import TrainResult
    from automl_tf.scoring.scores import Evaluation

BundleDirectory = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="Directory that `train` wrote.")
]


def export(
    name: StudyName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: standard output.")
    ] = None,
    trial: Annotated[
        int | None, typer.Option(min=0, help="Number of the trial, instead of --pick.")
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            "--pick", help='Which trial: best, best:chrf, knee, or "bleu where latency<20".'
        ),
    ] = "best",
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Writes a trial as a commented training configuration.

    Example: `automl-tf export quickstart -o best.yaml`
    """
    from automl_tf.search.export import export as export_trial

    if output is not None:
        check_output(output)
    text = export_trial(find_study(name, storage, home), rule, trial)
    if output is None:
        typer.echo(text, nl=False)
        return
    write_output(output, text)
    typer.echo(f"written: {output}")


def train(
    best: Annotated[
        str,
        typer.Argument(
            metavar="BEST.yaml|STUDY",
            help="File that `export` wrote, or the name of a study, whose best trial is meant.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Directory of the bundle. Default: in the home directory, by study and digest.",
            file_okay=False,
            callback=expand_home,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            "--trainer.devices",
            min=1,
            help="GPUs, or processes if there are none. Short for --set trainer.devices=N.",
        ),
    ] = None,
    overrides: Overrides = None,
    storage: Storage = None,
    tracking: Tracking = None,
    home: Home = DEFAULT_HOME,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Trains an export to its end, scores it on the test split and writes a bundle.

    If the search has trained this very configuration to its end in this home directory, its
    weights are used. Ctrl-C saves the training; the same command resumes it, or shows its scores
    after its end.

    Example: `automl-tf train best.yaml -o model --set training.max_steps=20000`
    """
    silence_libraries()
    # A mistake in the file is reported before the heavy libraries are imported.
    asked = [] if devices is None else [f"trainer.devices={devices}"]
    read = _read_training(best, [*(overrides or []), *asked], storage, home)
    _train(read, output, tracking, home, quiet=quiet, as_json=as_json)


def _read_training(best: str, overrides: list[str], storage: str | None, home: Path) -> "Export":
    """Reads an export, or makes that of a study's best trial."""
    from automl_tf.config.files import read_export

    path = Path(best)
    if path.exists() or path.suffix or path.name != best:
        return read_export(path, overrides)
    from automl_tf.search.export import export_of

    return export_of(find_study(best, storage, home), overrides=overrides)


def release_best(
    study: "optuna.Study", tracking: str | None, home: Path, *, quiet: bool, as_json: bool
) -> None:
    """Writes the bundle of a study's best trial, whose training the search has finished.

    Raises:
        typer.Exit: If it was interrupted.
    """
    from automl_tf.release.train import finished_trial
    from automl_tf.search.export import export_of

    try:
        best = export_of(study)
    except UserError:  # no training has ended yet
        return
    if finished_trial(best, home.absolute()) is None:
        return  # its weights are in the home directory of another worker
    _train(best, None, tracking, home, quiet=quiet, as_json=as_json)


def _train(
    export: "Export",
    output: Path | None,
    tracking: str | None,
    home: Path,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Trains an export to its end, unless the search has, and prints what came of it.

    Raises:
        typer.Exit: If the training was interrupted or diverged.
    """
    from automl_tf.cli.display import TrainingDisplay
    from automl_tf.release.train import TrainHooks
    from automl_tf.release.train import train as train_export
    from automl_tf.training.events import Outcome, never

    with TrainingDisplay(export.training.max_steps, quiet=quiet or as_json) as display:
        hooks = TrainHooks(display.validated, display.progress, never, _tell)
        trained = train_export(export, home.absolute(), output, tracking, hooks)
    _tell_of_split(trained.num_split, export.data.max_length)
    if as_json:
        typer.echo(format_json(_trained_json(trained)))
    else:
        _print_trained(trained)
    if trained.fitted.outcome is Outcome.PAUSED:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if trained.bundle is None:
        raise typer.Exit(ExitCode.USER_ERROR)


def _trained_json(trained: "TrainResult") -> dict[str, object]:
    fitted, test = trained.fitted, trained.test
    return {
        "event": "TrainingEnded",
        "outcome": fitted.outcome.value,
        "step": fitted.step,
        "seconds": fitted.seconds,
        "validation": fitted.best and {"bleu": fitted.best.bleu, "chrf": fitted.best.chrf},
        "test": test and _evaluation_json(test),
        "bundle": trained.bundle and str(trained.bundle),
        "repeated": trained.is_repeat,
        "model_version": trained.model_version,
    }


def _print_trained(trained: "TrainResult") -> None:
    from automl_tf.training.events import Outcome

    fitted = trained.fitted
    if fitted.outcome is Outcome.PAUSED:
        typer.echo(f"paused at step {fitted.step}; the same command resumes it.")
        return
    if trained.bundle is None or fitted.best is None:
        typer.echo(
            f"error: the training diverged by step {fitted.step}: its loss or gradient is not "
            "finite. Lower training.learning_rate or raise training.warmup_steps.",
            err=True,
        )
        return
    done = "was trained before" if trained.is_repeat else "trained"
    typer.echo(
        f"{done} in {format_duration(fitted.seconds)}; best validation BLEU "
        f"{format_score(fitted.best.bleu)} at step {fitted.best_step}"
    )
    if trained.test is not None:
        typer.echo("\n".join(["test split:", *evaluation_lines(trained.test)]))
    typer.echo(f"bundle: {trained.bundle}")
    if trained.model_version is not None:
        typer.echo(f"registered in MLflow: {trained.model_version}")
    typer.echo(f"next: echo ... | automl-tf translate {shlex.quote(str(trained.bundle))}")


def evaluate(
    bundle: BundleDirectory,
    source: Annotated[
        Path | None, typer.Option(help="Text to translate. Default: the test split of the corpus.")
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--target", "--reference", help="Reference translation, line by line."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the translations.")
    ] = None,
    tokenize: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Tokenizer of BLEU, as in intl. Default: the bundle's.",
        ),
    ] = None,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Scores a bundle: BLEU and chrF with confidence intervals and signatures.

    Example: `automl-tf evaluate model --source test.en --target test.de`
    """
    silence_libraries()
    from automl_tf.bundle.bundle import load
    from automl_tf.release import evaluate as scoring

    if (source is None) != (target is None):
        raise UserError(
            "Only one of --source and --target is given.", "Give both, or neither.", Place()
        )
    if output is not None:
        check_output(output)
    loaded = load(bundle)
    if tokenize is not None:
        loaded = scoring.with_tokenizer_named(loaded, tokenize)
    if source is not None and target is not None:
        evaluated = scoring.evaluate_files(loaded, source.absolute(), target.absolute())
    else:
        evaluated = scoring.evaluate_test(loaded, home.absolute() / "cache")
    for remark in evaluated.remarks:
        _tell(remark)
    _tell_of_split(evaluated.num_split, loaded.config.data.max_length)
    if output is not None:
        write_output(output, "".join(f"{line}\n" for line in evaluated.hypotheses))
    if as_json:
        typer.echo(format_json(_evaluation_json(evaluated.evaluation)))
    else:
        typer.echo("\n".join(evaluation_lines(evaluated.evaluation)))


def translate(
    bundle: BundleDirectory,
    file: Annotated[
        Path | None, typer.Argument(help="Text, one sentence a line. Default: standard input.")
    ] = None,
    beam_size: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Hypotheses of the search. Default: the bundle's."),
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0.0, max=5.0, help="Length penalty. Default: the bundle's.")
    ] = None,
) -> None:
    """Translates text line by line; a line that is typed or piped is answered at once.

    Example: `echo "A man rides a bike." | automl-tf translate model`
    """
    silence_libraries()
    from automl_tf.bundle.bundle import load

    loaded = load(bundle)
    translator = loaded.translator(beam_size=beam_size, length_penalty=length_penalty)
    invalid: list[int] = []
    try:
        for lines in read_blocks(file, invalid.append):
            # In bytes: the locale of a terminal may have fewer letters than a translation.
            typer.echo("\n".join(translator.translate(lines)).encode())
    finally:
        _tell_of_split(translator.num_split, loaded.config.data.max_length)
        if invalid:
            _tell(
                f"bytes that are not UTF-8 were read as U+FFFD in "
                f"{format_plural(len(invalid), 'line')}, first in line {invalid[0]}."
            )


def evaluation_lines(evaluation: "Evaluation") -> list[str]:
    """Returns the scores with their 95 % confidence intervals and sacrebleu's signatures."""
    bleu, chrf = format_score(evaluation.scores.bleu), format_score(evaluation.scores.chrf)
    return [
        f"  BLEU {bleu} ± {format_score(evaluation.bleu_interval)}   {evaluation.bleu_signature}",
        f"  chrF {chrf} ± {format_score(evaluation.chrf_interval)}   {evaluation.chrf_signature}",
        f"  {format_plural(evaluation.num_sentences, 'sentence')}",
    ]


def _evaluation_json(evaluation: "Evaluation") -> dict[str, object]:
    told = dataclasses.asdict(evaluation)
    return {**told.pop("scores"), **told}


def _tell_of_split(count: int, longest: int) -> None:
    """Says on standard error that input was longer than what the model was trained on."""
    if count:
        verb = "was" if count == 1 else "were"
        lines = f"{format_plural(count, 'line')} of more than {longest} subwords"
        _tell(f"{lines} {verb} translated in parts.")


def _tell(remark: str) -> None:
    """Says on standard error what does not end the command."""
    typer.echo(f"note: {remark}", err=True)
