"""Where everything that the program writes is: variables that say so, and the home directory."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from automl_tf.errors import Place, UserError

HOME_VARIABLE = "AUTOML_TF_HOME"
STORAGE_VARIABLE = "AUTOML_TF_STORAGE"
TRACKING_VARIABLE = "AUTOML_TF_TRACKING"

SHORT_ID = 8
"""Characters of a study's identifier that tell studies of one name apart on disk."""


DEFAULT_HOME = Path("runs")


def home_directory(given: str | Path | None = None) -> Path:
    """Returns a home directory; without one, that of the environment, or ``runs``."""
    return expanded(Path(given or os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)).absolute()


def expanded(path: Path) -> Path:
    """Returns a path whose ``~`` no shell has replaced, as in a file of environment variables.

    Raises:
        UserError: If there is no home directory of that user.
    """
    if not path.parts or not path.parts[0].startswith("~") or Path(path.parts[0]).exists():
        return path
    try:
        return path.expanduser()
    except RuntimeError:
        raise UserError(
            f"{path} begins with a home directory that is not known.",
            "Set HOME, or write the path without ~.",
        ) from None


def create_directory(directory: Path, option: str) -> None:
    """Creates a directory, unless it is there, and makes sure that files can be written in it.

    Args:
        directory: The directory.
        option: Option of the command line that names another one.

    Raises:
        UserError: If a file is in its place, or it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise unwritable(directory, error, option) from None


def check_output_file(file: Path, option: str) -> None:
    """Makes sure that a file can be written; creates the directory that it will be in.

    Args:
        file: The file, which may be there already.
        option: Option of the command line that names another one.

    Raises:
        UserError: If a directory is in its place, or it cannot be written.
    """
    try:
        if not file.exists():
            create_directory(file.absolute().parent, option)
        else:
            with file.open("ab"):
                pass
    except OSError as error:
        raise unwritable(file, error, option) from None


def unwritable(path: Path, error: OSError, option: str) -> UserError:
    """Returns the error that reports what cannot be written."""
    return UserError(
        f"{path} cannot be written: {error.strerror or error}.",
        f"Name another place with {option}.",
        Place(key=option),
    )


def sqlite_url(file: Path) -> str:
    """Returns the URL of an SQLite database, for SQLAlchemy and for MLflow.

    In a URL, ``%`` and ``?`` have a meaning. MLflow reads the name of the folder from a URL without
    a driver and does not decode it.
    """
    path = str(file.absolute())
    encoded = path.replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}" if path == encoded else f"sqlite+pysqlite:///{encoded}"


def sqlite_file(url: str) -> Path | None:
    """Returns the file of an SQLite database, or None if the URL names no file by its path."""
    scheme, separator, rest = url.partition(":///")
    path = rest.partition("?")[0]
    is_file = scheme.partition("+")[0] == "sqlite" and separator
    if not is_file or not path or path.startswith((":memory:", "file:")):
        return None
    return expanded(Path(unquote(path)))


def absolute_url(url: str) -> str:
    """Returns the URL of a database in a form that names the same one from every folder."""
    file = sqlite_file(url)
    if file is None or unquote(url.partition(":///")[2].partition("?")[0]) == str(file.absolute()):
        return url
    _, mark, query = url.partition("?")
    return f"{sqlite_url(file)}{mark}{query}"


@dataclass(frozen=True)
class HomeDirectory:
    """Paths and default URLs below one home directory.

    Attributes:
        path: The home directory, absolute.
    """

    path: Path

    @property
    def cache(self) -> Path:
        """Tokenizers and encoded corpora by content hash."""
        return self.path / "cache"

    @property
    def logs(self) -> Path:
        """Standard error of worker processes."""
        return self.path / "logs"

    @property
    def artifacts(self) -> Path:
        """Artifacts of MLflow runs, where no server keeps them."""
        return self.path / "mlartifacts"

    @property
    def storage_url(self) -> str:
        """URL of the study database."""
        return sqlite_url(self.path / "studies.db")

    @property
    def tracking_uri(self) -> str:
        """URI of the MLflow database."""
        return sqlite_url(self.path / "mlflow.db")

    def study(self, name: str, study_id: str) -> Path:
        """Directory of a study: its trials' checkpoints, its outbox, its summary.

        Args:
            name: Name of the study.
            study_id: Its UUID. Studies of one name in different databases share no directory.
        """
        return self.path / "studies" / f"{name}-{study_id[:SHORT_ID]}"

    def trial(self, name: str, study_id: str, number: int) -> Path:
        """Directory of a trial: its checkpoint and its weights.

        Args:
            name: Name of the study.
            study_id: UUID of the study.
            number: Number of the trial.
        """
        return self.study(name, study_id) / f"trial-{number:04d}"

    def training(self, label: str) -> Path:
        """Directory of the training of an export.

        Args:
            label: Name of the training, which follows from its configuration.
        """
        return self.path / "training" / label

    def bundle(self, label: str) -> Path:
        """Default directory of the bundle that a training ends with."""
        return self.path / "bundles" / label
