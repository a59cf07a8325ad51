"""The commands ``search`` and ``worker``."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from automl_tf.cli.options import (
    DEFAULT_HOME,
    HOME_VARIABLE,
    STORAGE_VARIABLE,
    TRACKING_VARIABLE,
    AsJson,
    Home,
    Overrides,
    Quiet,
    Storage,
    Tracking,
    silence_libraries,
)
from automl_tf.errors import UserError

if TYPE_CHECKING:
    from automl_tf.search.run import Locations

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]
INTERRUPTED = 130


def register(app: typer.Typer) -> None:
    """Adds the commands to the program."""
    app.command()(search)
    app.command()(worker)


def search(
    study: StudyFile,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of the whole study, instead of the file's.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(min=0.0, help="Hours of this call, instead of the file's.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that try configurations; one a core or GPU by default."
        ),
    ] = None,
    workers_per_gpu: Annotated[
        int | None, typer.Option(min=1, help="Workers that share each GPU of this machine.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="ray[://HOST:PORT]", help="Run the workers on the Ray cluster of this machine."
        ),
    ] = None,
    gpus_per_trial: Annotated[
        float | None, typer.Option(min=0.0, help="GPUs of each worker on a cluster, such as 0.25.")
    ] = None,
    storage: Storage = None,
    tracking: Tracking = None,
    overrides: Overrides = None,
    home: Home = DEFAULT_HOME,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Creates or resumes a study and runs it.

    A second call goes on where the first one ended. Ctrl-C saves everything.

    Example: `automl-tf search studies/quickstart.yaml`
    """
    silence_libraries()
    from automl_tf.config.files import read_study

    words = [*(overrides or []), *_budget_words(trials, hours)]
    # A mistake in the files is told before the heavy libraries are loaded.
    read = read_study(study, words)
    from automl_tf.cli.live_display import choose_display
    from automl_tf.cli.placing import hire
    from automl_tf.search import run
    from automl_tf.search.study_view import leaderboard

    places = _places(home, storage, tracking)
    crew, size = hire(
        _worker_words(study, words, home),
        read,
        places,
        on=on,
        workers=workers,
        workers_per_gpu=workers_per_gpu,
        gpus_per_trial=gpus_per_trial,
    )
    opened = run.open_search(read, places, trains_here=on is None)
    given = _given(home, storage, tracking)
    with choose_display(read.config, size, quiet=quiet, as_json=as_json) as display:
        display.begin(leaderboard(opened.study), opened.corpus)
        interrupted = run.search(opened, places, crew, display.show)
        display.end(leaderboard(opened.study), given, interrupted=interrupted)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def worker(
    study: StudyFile,
    storage: Storage = None,
    tracking: Tracking = None,
    overrides: Overrides = None,
    home: Home = DEFAULT_HOME,
    gpu_share: Annotated[
        float,
        typer.Option(
            max=1.0, help="Part of the GPU's memory for this worker, where some share it."
        ),
    ] = 1.0,
    events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
) -> None:
    """Joins a running study from another process or machine until its budget is spent.

    Example: `automl-tf worker studies/multi30k-en-de.yaml --storage postgresql://me@host/optuna`
    """
    silence_libraries()
    output = _own_output() if events else sys.stdout
    from automl_tf.cli.summary import plain_line
    from automl_tf.config.files import read_study
    from automl_tf.search import events as told
    from automl_tf.search import join, run

    read = read_study(study, overrides or [])
    places = _places(home, storage, tracking)
    # A search asks its workers to leave when its time is over.
    hours = None if events else read.config.budget.hours
    deadline = None if hours is None else time.monotonic() + 3600 * hours

    def tell(event: told.Event) -> None:
        line = told.encode(event) if events else plain_line(event)
        if line:
            print(line, file=output, flush=True)

    try:
        opened = run.open_search(read, places)
        interrupted = join.join(
            opened, places, tell, deadline, gpu_share=gpu_share, leaves_with_parent=events
        )
    except UserError as error:
        tell(told.Refusal(error.rule, error.remedy))
        raise
    if interrupted and not events:
        raise typer.Exit(INTERRUPTED)


def _budget_words(trials: int | None, hours: float | None) -> list[str]:
    given = {"budget.trials": trials, "budget.hours": hours}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _places(home: Path, storage: str | None, tracking: str | None) -> "Locations":
    from automl_tf.search.run import Locations
    from automl_tf.search.storage import default_url
    from automl_tf.tracking.home import default_tracking_uri

    home = home.absolute()
    return Locations(home, storage or default_url(home), tracking or default_tracking_uri(home))


def _given(home: Path, storage: str | None, tracking: str | None) -> dict[str, str]:
    """The places that the next commands will not find by themselves, fit to be shown."""
    from automl_tf.search.storage import redacted as without_password
    from automl_tf.tracking.home import redacted

    typed = (
        ("--home", HOME_VARIABLE, None if home == DEFAULT_HOME else str(home), str),
        ("--storage", STORAGE_VARIABLE, storage, without_password),
        ("--tracking", TRACKING_VARIABLE, tracking, redacted),
    )
    return {
        option: shown(value)
        for option, variable, value, shown in typed
        if value and value != os.environ.get(variable)
    }


def _worker_words(study: Path, words: list[str], home: Path) -> list[str]:
    """What starts a worker; URLs go by the environment, where no process list shows them."""
    sets = [part for word in words for part in ("--set", word)]
    return ["worker", str(study.absolute()), "--events", "--home", str(home.absolute()), *sets]


def _own_output() -> TextIO:
    """The standard output for events alone: what libraries print goes to standard error."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output
