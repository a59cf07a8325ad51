"""Options and arguments that several commands share."""

import getpass
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.config.base import STUDY_NAME_RULE, is_stored_name
from automl_tf.errors import UserError
from automl_tf.home import (
    HOME_VARIABLE,
    STORAGE_VARIABLE,
    TRACKING_VARIABLE,
    absolute_url,
    create_directory,
    expanded,
)

if TYPE_CHECKING:
    import optuna

_CACHES = {"MPLCONFIGDIR": "matplotlib", "TRITON_CACHE_DIR": "triton"}
"""Variables of libraries that would write into the user's own directory, and directories."""


def check_study_name(name: str | None) -> str | None:
    """Returns a study's name, or raises a UserError if no study can have it."""
    if name is not None and not is_stored_name(name):
        raise UserError(
            f"No study can be named {name!r}: {STUDY_NAME_RULE}.",
            "List the studies with `automl-tf studies`.",
        )
    return name


def expand_home(path: Path | None) -> Path | None:
    """Returns a path whose ``~`` no shell has replaced, as in ``--output=~/model``."""
    return None if path is None else expanded(path)


def _usable_home(path: Path) -> Path:
    path = expanded(path)
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        # A container may let nothing be written but its volumes.
        folder = path.absolute() / "tmp"
        create_directory(folder, "--home")
        os.environ["TMPDIR"] = str(folder)
    for variable, name in _CACHES.items():
        os.environ.setdefault(variable, str(path.absolute() / "cache" / name))
    return path


def _absolute(url: str | None) -> str | None:
    return None if url is None else absolute_url(url)


StudyName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the study.", callback=check_study_name)
]
Home = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar=HOME_VARIABLE,
        help="Directory of everything that the program writes.",
        file_okay=False,
        callback=_usable_home,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
        help="URL of the study database. Default: SQLite in the home directory.",
        show_default=False,
        callback=_absolute,
    ),
]
Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        envvar=TRACKING_VARIABLE,
        help="URI of an MLflow server or store; MLFLOW_TRACKING_URI or the home's own without it.",
        show_default=False,
        callback=_absolute,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replaces a value of the file, by dotted path. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]


def silence_libraries() -> None:
    """Keeps progress bars and notices of libraries out of the output.

    Must be called before the libraries are imported: some read these variables only then.
    """
    from automl_tf.tracking.client import configure_mlflow

    configure_mlflow()
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        Path.home()
    except RuntimeError:
        # A container's user may have no name and no HOME, which MLflow fails without.
        os.environ["HOME"] = tempfile.gettempdir()
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())


def open_storage(storage: str | None, home: Path) -> "optuna.storages.RDBStorage":
    """Opens the study database of the options, to look at its studies."""
    from automl_tf.search.storage import default_url, open_for_reading

    return open_for_reading(storage or default_url(home), home.absolute())


def find_study(name: str, storage: str | None, home: Path) -> "optuna.Study":
    """Loads a study from the study database of the options."""
    from automl_tf.search.opening import load_study

    return load_study(open_storage(storage, home), name)
