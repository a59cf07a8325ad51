"""The commands ``evaluate`` and ``translate``."""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.cli.options import DEFAULT_HOME, AsJson, Home, silence_libraries
from automl_tf.errors import Place, UserError

if TYPE_CHECKING:
    from automl_tf.scoring.scores import Evaluation

BundleDirectory = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="Directory that `train` wrote.")
]
LINES_AT_ONCE = 1024


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(evaluate)
    app.command()(translate)


def evaluate(
    bundle: BundleDirectory,
    source: Annotated[
        Path | None, typer.Option(help="Text to translate; the corpus's test split by default.")
    ] = None,
    target: Annotated[Path | None, typer.Option(help="Its translation, line by line.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the translations go.")
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
    loaded = load(bundle)
    if source is not None and target is not None:
        evaluated = scoring.evaluate_files(loaded, source.absolute(), target.absolute())
    else:
        evaluated = scoring.evaluate_test(loaded, home.absolute() / "cache")
    if output is not None:
        output.write_text("".join(f"{line}\n" for line in evaluated.hypotheses), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(_json(evaluated.evaluation)))
    else:
        typer.echo("\n".join(evaluation_lines(evaluated.evaluation)))


def translate(
    bundle: BundleDirectory,
    file: Annotated[
        Path | None, typer.Argument(help="Text, one sentence a line; standard input by default.")
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option(min=1, max=64, help="Hypotheses; the bundle's own by default.")
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(min=0.0, max=5.0, help="The bundle's own by default.")
    ] = None,
) -> None:
    """Translates line by line.

    Example: `echo "A man rides a bike." | automl-tf translate model`
    """
    silence_libraries()
    from automl_tf.bundle.bundle import load

    loaded = load(bundle)
    for lines in _blocks(file):
        for translation in loaded.translate(lines, beam_size, length_penalty):
            typer.echo(translation)


def evaluation_lines(evaluation: "Evaluation") -> list[str]:
    """The scores as sacrebleu's own command would sign them."""
    scores = evaluation.scores
    return [
        f"  BLEU {scores.bleu:.2f} ± {evaluation.bleu_interval:.2f}   {evaluation.bleu_signature}",
        f"  chrF {scores.chrf:.2f} ± {evaluation.chrf_interval:.2f}   {evaluation.chrf_signature}",
        f"  {evaluation.num_sentences} sentences",
    ]


def _json(evaluation: "Evaluation") -> dict[str, object]:
    return {
        "bleu": evaluation.scores.bleu,
        "bleu_interval": evaluation.bleu_interval,
        "bleu_signature": evaluation.bleu_signature,
        "chrf": evaluation.scores.chrf,
        "chrf_interval": evaluation.chrf_interval,
        "chrf_signature": evaluation.chrf_signature,
        "num_sentences": evaluation.num_sentences,
    }


def _blocks(file: Path | None) -> Iterator[list[str]]:
    """The lines of a file or of standard input, some at a time; a terminal's one by one."""
    name = "standard input" if file is None else str(file)
    size = 1 if file is None and sys.stdin.isatty() else LINES_AT_ONCE
    try:
        stream = sys.stdin.buffer if file is None else file.open("rb")
        with stream:
            numbered = enumerate(stream, start=1)
            while block := list(itertools.islice(numbered, size)):
                yield [_decoded(line, number, name) for number, line in block]
    except OSError as error:
        raise UserError(
            f"{name} cannot be read: {error.strerror}.", "Check the path.", Place(file)
        ) from None


def _decoded(line: bytes, number: int, name: str) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(
            f"Line {number} of {name} is not UTF-8.", "Convert the text to UTF-8."
        ) from None
