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

if TYPE_CHECKING:
    from automl_tf.search.run import Places

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
    from automl_tf.search import run
    from automl_tf.search.leaderboard import leaderboard

    places = _places(home, storage, tracking)
    opened = run.open_search(read, places)
    size = workers or run.default_workers(run.devices_of_a_trial(read))
    given = _given(home, storage, tracking)
    budget = read.config.budget
    with choose_display(read.config, size, quiet=quiet, as_json=as_json) as display:
        display.begin(leaderboard(opened.study), opened.corpus)
        interrupted = run.search(
            opened, places, _worker_command(study, words, home, budget.hours), size, display.show
        )
        display.end(leaderboard(opened.study), given, interrupted=interrupted)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def worker(
    study: StudyFile,
    storage: Storage = None,
    tracking: Tracking = None,
    overrides: Overrides = None,
    home: Home = DEFAULT_HOME,
    events: Annotated[bool, typer.Option("--events", hidden=True)] = False,
    until: Annotated[float | None, typer.Option("--until", hidden=True)] = None,
) -> None:
    """Joins a running study from another process or machine until its budget is spent.

    Example: `automl-tf worker studies/multi30k-en-de.yaml --storage postgresql://me@host/optuna`
    """
    silence_libraries()
    output = _own_output() if events else sys.stdout
    from automl_tf.cli.summary import plain_line
    from automl_tf.config.files import read_study
    from automl_tf.search import events as told
    from automl_tf.search import run

    read = read_study(study, overrides or [])
    places = _places(home, storage, tracking)
    hours = read.config.budget.hours
    deadline = until or (None if hours is None else time.time() + 3600 * hours)

    def tell(event: told.Event) -> None:
        line = told.encode(event) if events else plain_line(event)
        if line:
            print(line, file=output, flush=True)

    opened = run.open_search(read, places)
    interrupted = run.join(opened, places, tell, deadline, leaves_with_parent=events)
    if interrupted and not events:
        raise typer.Exit(INTERRUPTED)


def _budget_words(trials: int | None, hours: float | None) -> list[str]:
    given = {"budget.trials": trials, "budget.hours": hours}
    return [f"{key}={value}" for key, value in given.items() if value is not None]


def _places(home: Path, storage: str | None, tracking: str | None) -> "Places":
    from automl_tf.search.run import Places
    from automl_tf.search.storage import default_url
    from automl_tf.tracking.home import default_tracking_uri

    home = home.absolute()
    return Places(home, storage or default_url(home), tracking or default_tracking_uri(home))


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


def _worker_command(study: Path, words: list[str], home: Path, hours: float | None) -> list[str]:
    """What starts a worker; URLs go by the environment, where no process list shows them."""
    until = [] if hours is None else ["--until", str(time.time() + 3600 * hours)]
    sets = [part for word in words for part in ("--set", word)]
    program = [sys.executable, "-m", "automl_tf", "worker", str(study), "--events"]
    return [*program, "--home", str(home.absolute()), *until, *sets]


def _own_output() -> TextIO:
    """The standard output for events alone: what libraries print goes to standard error."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return output
