"""The commands ``export`` and ``train``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.cli.browsing import StudyName, opened_study
from automl_tf.cli.options import (
    DEFAULT_HOME,
    AsJson,
    Home,
    Overrides,
    Quiet,
    Storage,
    Tracking,
    silence_libraries,
)

if TYPE_CHECKING:
    from automl_tf.release.train import Trained

INTERRUPTED, MISTAKE = 130, 2


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(export)
    app.command()(train)


def export(
    name: StudyName,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; standard output when not given."),
    ] = None,
    trial: Annotated[int | None, typer.Option(min=0, help="Number of a trial.")] = None,
    rule: Annotated[
        str,
        typer.Option(
            "--pick", help='Which trial: best, best:chrf, knee, or "bleu where latency<20".'
        ),
    ] = "best",
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Writes a trial as a training configuration that explains itself.

    Example: `automl-tf export quickstart -o best.yaml`
    """
    from automl_tf.search.export import export as export_trial

    text = export_trial(opened_study(name, storage, home), rule, trial)
    if output is None:
        typer.echo(text, nl=False)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    typer.echo(f"written: {output}")


def train(
    best: Annotated[Path, typer.Argument(metavar="BEST.yaml", help="An export.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Directory of the bundle; by default in the home directory, by the study's name.",
            file_okay=False,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            "--trainer.devices",
            min=1,
            help="GPUs, or processes on a machine without any; short for --set trainer.devices=N.",
        ),
    ] = None,
    overrides: Overrides = None,
    tracking: Tracking = None,
    home: Home = DEFAULT_HOME,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Trains an export in full, scores it on the test split, and writes a bundle.

    Ctrl-C saves; the same command goes on from there.

    Example: `automl-tf train best.yaml -o model --set training.max_steps=20000`
    """
    silence_libraries()
    from automl_tf.config.files import read_export

    # A mistake in the file is told before the heavy libraries are loaded.
    asked = [] if devices is None else [f"trainer.devices={devices}"]
    read = read_export(best, [*(overrides or []), *asked])
    from automl_tf.cli.training_display import TrainingDisplay
    from automl_tf.release.train import Watching, study_name
    from automl_tf.release.train import train as train_export
    from automl_tf.training.leaving import asked_to_leave
    from automl_tf.training.watching import Outcome

    directory = output or home / "bundles" / study_name(read)
    display = TrainingDisplay(read.training.max_steps, quiet=quiet or as_json)
    with asked_to_leave() as leaving, display:
        trained = train_export(
            read,
            home.absolute(),
            directory,
            tracking,
            Watching(display.validated, display.progress, leaving.is_set),
        )
    if as_json:
        typer.echo(json.dumps(_json(trained)))
    else:
        _print(trained)
    if trained.fitted.outcome is Outcome.PAUSED:
        raise typer.Exit(INTERRUPTED)
    if trained.bundle is None:
        raise typer.Exit(MISTAKE)


def _json(trained: "Trained") -> dict[str, object]:
    fitted, test = trained.fitted, trained.test
    return {
        "outcome": fitted.outcome.value,
        "step": fitted.step,
        "seconds": fitted.seconds,
        "validation": fitted.best and {"bleu": fitted.best.bleu, "chrf": fitted.best.chrf},
        "test": test
        and {
            "bleu": test.scores.bleu,
            "chrf": test.scores.chrf,
            "bleu_signature": test.bleu_signature,
            "chrf_signature": test.chrf_signature,
        },
        "bundle": trained.bundle and str(trained.bundle),
        "model_version": trained.model_version,
    }


def _print(trained: "Trained") -> None:
    from automl_tf.cli.using import evaluation_lines
    from automl_tf.training.watching import Outcome

    fitted = trained.fitted
    if fitted.outcome is Outcome.PAUSED:
        typer.echo(f"paused at step {fitted.step}; the same command goes on from here.")
        return
    if trained.bundle is None or fitted.best is None:
        typer.echo(
            f"error: the training diverged by step {fitted.step}: its loss or gradient is not "
            "finite. Lower training.learning_rate or raise training.warmup_steps.",
            err=True,
        )
        return
    typer.echo(
        f"trained in {fitted.seconds:.0f} s; best validation BLEU {fitted.best.bleu:.2f} at step "
        f"{fitted.best_step}"
    )
    if trained.test is not None:
        typer.echo("\n".join(["test split:", *evaluation_lines(trained.test)]))
    typer.echo(f"bundle: {trained.bundle}")
    if trained.model_version is not None:
        typer.echo(f"registered in MLflow: {trained.model_version}")
    typer.echo(f"next: echo ... | automl-tf translate {trained.bundle}")
