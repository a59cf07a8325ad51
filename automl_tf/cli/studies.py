"""The commands that run studies, and those that look at them."""

import functools
import os
import sys
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.cli.models import release_best
from automl_tf.cli.options import (
    AsJson,
    Home,
    Overrides,
    Quiet,
    Storage,
    StudyName,
    Tracking,
    check_study_name,
    expand_home,
    find_study,
    open_storage,
    silence_libraries,
)
from automl_tf.cli.terminal import print_error, sign_of_life
from automl_tf.errors import ExitCode, Place, UserError
from automl_tf.formatting import HOUR, format_json
from automl_tf.home import (
    DEFAULT_HOME,
    HOME_VARIABLE,
    STORAGE_VARIABLE,
    TRACKING_VARIABLE,
    check_output_file,
)
from automl_tf.redaction import redact_url

if TYPE_CHECKING:
    import optuna

    from automl_tf.cli.text import PlaceOptions
    from automl_tf.config.study import Study
    from automl_tf.search.launchers.placement import Placement
    from automl_tf.search.pool import SearchOutcome
    from automl_tf.search.run import Locations

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]


def search(
    study: StudyFile,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of the whole study, instead of budget.trials.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.0, help="Hours of this call, instead of budget.hours.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes. Default: one a core or GPU.")
    ] = None,
    workers_per_gpu: Annotated[
        int | None, typer.Option(min=1, help="Workers that share each GPU of this machine.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(metavar="ray[://HOST:PORT]", help="Run the workers on a Ray cluster."),
    ] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(min=0.0, help="GPUs of each worker on a cluster, as in 0.25.")
    ] = None,
    storage: Storage = None,
    tracking: Tracking = None,
    overrides: Overrides = None,
    home: Home = DEFAULT_HOME,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Creates or resumes a study and runs it.

    Ctrl-C saves everything, a third Ctrl-C ends at once; the same command resumes the search.

    Example: `automl-tf search studies/quickstart.yaml`
    """
    silence_libraries()
    from automl_tf.config.files import read_study

    budget = {"budget.trials": trials, "budget.hours": hours}
    limits = [f"{key}={value}" for key, value in budget.items() if value is not None]
    settings = [*(overrides or []), *limits]
    # A mistake in the files is reported before the heavy libraries are imported.
    read = read_study(study, settings)
    from automl_tf.search.launchers.placement import Placement

    places = places_of(home, storage, tracking)
    placement = Placement(on, workers, workers_per_gpu, gpus_per_trial)
    options = place_options(home, storage, tracking)
    opened, outcome = run_search(
        read, study, settings, places, placement, options, quiet=quiet, as_json=as_json
    )
    if read.config.scheduler.kind == "freeze_thaw" and outcome.exit_code == ExitCode.SUCCESS:
        release_best(opened, places.tracking, home, quiet=quiet, as_json=as_json)
    if outcome.error is not None:
        raise outcome.error
    if outcome.exit_code == ExitCode.FAILURE:
        print_error(outcome.reason)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def run_search(
    read: "Study",
    path: Path,
    settings: list[str],
    places: "Locations",
    placement: "Placement",
    options: "PlaceOptions",
    *,
    quiet: bool = False,
    as_json: bool = False,
) -> "tuple[optuna.Study, SearchOutcome]":
    """Runs a study until its budget is spent, and shows it.

    Args:
        read: The study.
        path: Its file, which workers read as well.
        settings: Overrides of the file in the form ``KEY=VALUE``.
        places: Where the study keeps things.
        placement: Where its workers run.
        options: Options that the next commands need to find the study.
        quiet: Shows the result only.
        as_json: Prints JSON.

    Returns:
        The Optuna study, and how the search ended.
    """
    from automl_tf.cli.live import choose_display
    from automl_tf.search import run
    from automl_tf.search.inputs import StudyInputs, keep_inputs
    from automl_tf.search.launchers.local import num_threads
    from automl_tf.search.launchers.placement import create_pool
    from automl_tf.search.plan import LocalWorkers, plan
    from automl_tf.search.study_view import StudyView

    inputs = keep_inputs(StudyInputs(read, path, settings), places.home)
    read = inputs.study
    arguments = _worker_arguments(inputs.file, inputs.overrides, places.home)
    pool = create_pool(arguments, read, places, placement, functools.partial(typer.echo, err=True))
    trains_here = placement.cluster is None
    with sign_of_life("preparing the corpus", quiet=quiet or as_json):
        opened = run.open_search(read, places, trains_here=trains_here)
    for remark in opened.remarks:
        typer.echo(f"note: {remark}", err=True)
    with choose_display(read.config, pool.size, quiet=quiet, as_json=as_json) as display:
        view = StudyView.read(opened.study)
        planned = None
        if trains_here:
            here = LocalWorkers(pool.size, num_threads(run.devices_of_a_trial(read)))
            planned = plan(opened.record, view.trials, here, places.home / "cache")
        display.begin(view, opened.corpus, planned)
        outcome = run.search(opened, places, pool, display.show)
        display.end(StudyView.read(opened.study), options, outcome)
    return opened.study, outcome


def worker(
    study: StudyFile,
    storage: Storage = None,
    tracking: Tracking = None,
    overrides: Overrides = None,
    home: Home = DEFAULT_HOME,
    gpu_share: Annotated[
        float,
        typer.Option(max=1.0, help="Share of the GPU's memory for this worker, between 0 and 1."),
    ] = 1.0,
    events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
    planned_end: Annotated[float | None, typer.Option("--planned-end", hidden=True)] = None,
) -> None:
    """Joins a running study from another process or machine until its budget is spent.

    Example: `automl-tf worker studies/multi30k-en-de.yaml --storage postgresql://me@host/optuna`
    """
    silence_libraries()
    output = None if sys.stdout is None else sys.stdout.fileno()
    descriptor = _own_output() if events else output
    from automl_tf.cli.text import format_event
    from automl_tf.config.files import read_study
    from automl_tf.search import run
    from automl_tf.search.events import EventWriter, WorkerError, worker_line
    from automl_tf.search.join import join

    read = read_study(study, overrides or [])
    places = places_of(home, storage, tracking)
    # The workers of a search are told by the search when its time is over.
    hours = None if events else read.config.budget.hours
    deadline = None if hours is None else time.monotonic() + HOUR * hours

    writer = EventWriter(descriptor, worker_line if events else format_event)
    try:
        opened = run.open_worker(read, places)
        interrupted = join(
            opened,
            places,
            writer,
            deadline,
            gpu_share=gpu_share,
            planned_end=planned_end,
            leaves_with_parent=events,
        )
    except UserError as error:
        if events:
            writer.tell(WorkerError(error.rule, error.remedy))
        raise
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)


def studies(storage: Storage = None, home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Lists the studies.

    Example: `automl-tf studies`
    """
    from automl_tf.cli.text import print_studies
    from automl_tf.search.opening import load_study, study_names
    from automl_tf.search.study_view import StudyView

    database = open_storage(storage, home)
    boards = [StudyView.read(load_study(database, name)) for name in study_names(database)]
    if as_json:
        typer.echo(format_json([board.to_json() for board in boards]))
    else:
        print_studies(boards)


def show(
    name: StudyName, storage: Storage = None, home: Home = DEFAULT_HOME, as_json: AsJson = False
) -> None:
    """Shows a study's leaderboard: states, BLEU, reasons, importances.

    Example: `automl-tf show quickstart`
    """
    from automl_tf.cli.text import print_leaderboard
    from automl_tf.search.study_view import StudyView

    board = StudyView.read(find_study(name, storage, home))
    if as_json:
        typer.echo(format_json(board.to_json()))
    else:
        print_leaderboard(board)


def report(
    name: StudyName,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="File of the page.", dir_okay=False, callback=expand_home
        ),
    ] = Path("report.html"),
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Writes the plots of a study as one self-contained HTML page.

    Example: `automl-tf report quickstart -o report.html`
    """
    silence_libraries()
    from automl_tf.search.report.page import write_report

    check_output_file(output, "--output")
    write_report(find_study(name, storage, home), home.absolute(), output)
    typer.echo(f"written: {output}")


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    name: Annotated[
        str | None,
        typer.Option(
            "--study", help="The study to open. Default: all studies.", callback=check_study_name
        ),
    ] = None,
    tracking: Tracking = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Opens the MLflow UI on the studies of a home directory.

    Example: `automl-tf ui --port 5001`
    """
    silence_libraries()
    from automl_tf.tracking.client import tracking_uri
    from automl_tf.tracking.ui import Address, serve

    def ready(url: str) -> None:
        typer.echo(f"MLflow UI: {url}   (Ctrl-C stops it)")
        if browser:
            webbrowser.open(url)

    serve(home.absolute(), tracking_uri(tracking, home), Address(host, port), name, ready)


def sync(name: StudyName, tracking: Tracking = None, home: Home = DEFAULT_HOME) -> None:
    """Uploads everything that MLflow is missing for a study, for example after an outage.

    Safe to run repeatedly.

    Example: `automl-tf sync quickstart --tracking http://127.0.0.1:5000`
    """
    silence_libraries()
    from automl_tf.tracking.client import find_targets, tracking_uri
    from automl_tf.tracking.outbox import written_keys
    from automl_tf.tracking.sender import deliver

    uri = tracking_uri(tracking, home)
    targets = find_targets(home, name, uri)
    if not targets:
        raise UserError(
            f"This home directory has no logs of a study {name}.",
            "Check the name with `automl-tf studies`, or give the --home of the workers.",
            Place(path=home.absolute()),
        )
    num_runs = sum(len(written_keys(target)) for target in targets)
    with sign_of_life(f"comparing {num_runs} runs with MLflow"):
        results = [deliver(target) for target in targets]
    unsent = sum(len(result.unsent) for result in results)
    where = redact_url(uri)
    for target, result in zip(targets, results, strict=True):
        if result.problem:
            refused = f"{unsent} of {num_runs} runs: {result.problem}"
            raise UserError(
                f"MLflow at {where} did not accept {refused}.",
                "Nothing is lost. Run this command again later, or give another --tracking.",
                Place(path=target.outbox),
            )
        if (lacks := result.describe_lacks()) is not None:
            raise UserError(
                f"MLflow at {where} still lacks {lacks}.",
                "It refuses that, or the file is gone. The rest was sent.",
                Place(path=target.outbox),
            )
    if unsent:
        raise UserError(
            f"{unsent} of {num_runs} runs are being sent by another process.",
            "Run this command again when the search has ended.",
        )
    repaired = sum(len(result.repaired) for result in results)
    again = (
        f"; {repaired} of them were missing or incomplete and were sent again" if repaired else ""
    )
    typer.echo(f"{where} has all {num_runs} runs of {name}{again}")


def places_of(home: Path, storage: str | None, tracking: str | None) -> "Locations":
    """Returns where a study keeps things, by the options or their defaults."""
    from automl_tf.search.run import Locations
    from automl_tf.search.storage import default_url
    from automl_tf.tracking.client import tracking_uri

    home = home.absolute()
    return Locations(home, storage or default_url(home), tracking_uri(tracking, home))


def place_options(home: Path, storage: str | None, tracking: str | None) -> dict[str, str]:
    """Returns the options that the next commands need to find the study, without passwords."""
    typed = (
        ("--home", HOME_VARIABLE, None if home == DEFAULT_HOME else str(home), str),
        ("--storage", STORAGE_VARIABLE, storage, redact_url),
        ("--tracking", TRACKING_VARIABLE, tracking, redact_url),
    )
    return {
        option: shown(value)
        for option, variable, value, shown in typed
        if value and value != os.environ.get(variable)
    }


def _worker_arguments(study: Path, settings: Sequence[str], home: Path) -> list[str]:
    """Returns a worker's command; URLs go by the environment, where no process list shows them."""
    sets = [part for setting in settings for part in ("--set", setting)]
    return ["worker", str(study.absolute()), "--events", "--home", str(home.absolute()), *sets]


def _own_output() -> int:
    """Returns standard output for events only; what libraries print goes to standard error.

    A reader that stands still must not stop a training: a full pipe refuses lines.
    """
    output = os.dup(sys.stdout.fileno())
    os.set_blocking(output, False)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output
