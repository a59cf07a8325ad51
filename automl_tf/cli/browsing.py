"""The commands ``studies``, ``show``, ``report``, ``ui`` and ``sync``."""

import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.cli.options import DEFAULT_HOME, AsJson, Home, Storage, Tracking, silence_libraries

if TYPE_CHECKING:
    import optuna

StudyName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the study.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(studies)
    app.command()(show)
    app.command()(report)
    app.command()(ui)
    app.command()(sync)


def studies(storage: Storage = None, home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Lists the studies.

    Example: `automl-tf studies`
    """
    from automl_tf.cli.tables import print_studies
    from automl_tf.search.opening import study_names
    from automl_tf.search.study_view import leaderboard

    names = study_names(opened_storage(storage, home))
    boards = [leaderboard(opened_study(name, storage, home)) for name in names]
    if as_json:
        typer.echo(json.dumps([board.to_json() for board in boards]))
    else:
        print_studies(boards)


def show(
    name: StudyName, storage: Storage = None, home: Home = DEFAULT_HOME, as_json: AsJson = False
) -> None:
    """Shows a study's leaderboard: states, BLEU, reasons, importances.

    Example: `automl-tf show quickstart`
    """
    from automl_tf.cli.tables import print_leaderboard
    from automl_tf.search.study_view import leaderboard

    board = leaderboard(opened_study(name, storage, home))
    if as_json:
        typer.echo(json.dumps(board.to_json()))
    else:
        print_leaderboard(board)


def report(
    name: StudyName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page.", dir_okay=False)
    ] = Path("report.html"),
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Writes one self-contained HTML page with the plots of a study.

    Example: `automl-tf report quickstart -o report.html`
    """
    silence_libraries()
    from automl_tf.search.report.page import write_report

    write_report(opened_study(name, storage, home), home.absolute(), output)
    typer.echo(f"written: {output}")


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    name: Annotated[
        str | None, typer.Option("--study", help="The study to open on; all of them by default.")
    ] = None,
    tracking: Tracking = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Opens the MLflow UI on the studies of a home directory.

    Example: `automl-tf ui --port 5001`
    """
    from automl_tf.tracking.home import default_tracking_uri
    from automl_tf.tracking.ui import Address, serve

    def ready(url: str) -> None:
        typer.echo(f"MLflow UI: {url}   (Ctrl-C stops it)")
        if browser:
            webbrowser.open(url)

    uri = tracking or default_tracking_uri(home)
    serve(home.absolute(), uri, Address(host, port), name, ready)


def sync(name: StudyName, tracking: Tracking = None, home: Home = DEFAULT_HOME) -> None:
    """Sends MLflow all that it lacks of a study, as after it was away. Doubles nothing.

    Example: `automl-tf sync quickstart --tracking http://127.0.0.1:5000`
    """
    from automl_tf.errors import Place, UserError
    from automl_tf.tracking.delivery import deliver
    from automl_tf.tracking.home import destination, redacted
    from automl_tf.tracking.journal import written_keys

    target = destination(home, name, tracking)
    runs = written_keys(target.outbox)
    if not runs:
        raise UserError(
            f"Nothing was ever logged of a study {name!r} here.",
            "Look at the name with `automl-tf studies`, or give the --home that its workers had.",
            Place(path=target.outbox),
        )
    outcome = deliver(target)
    if outcome.problem:
        raise UserError(
            f"MLflow at {redacted(target.tracking_uri)} does not take {len(outcome.left)} of "
            f"{len(runs)} runs: {outcome.problem}.",
            "Nothing is lost: type this again when it is back, or give another --tracking.",
            Place(path=target.outbox),
        )
    typer.echo(f"{redacted(target.tracking_uri)} has all {len(runs)} runs of {name}")


def opened_storage(storage: str | None, home: Path) -> "optuna.storages.RDBStorage":
    """The storage that the options name."""
    from automl_tf.search.storage import default_url, open_storage

    return open_storage(storage or default_url(home), home.absolute())


def opened_study(name: str, storage: str | None, home: Path) -> "optuna.Study":
    """A study of the storage that the options name."""
    from automl_tf.search.opening import load_study

    return load_study(opened_storage(storage, home), name)
