"""The one door to MLflow: every module of this package reaches it through here.

MLflow reads its settings from the environment, partly while it is imported. A person's own
settings win over those below.
"""

import contextlib
import logging
import os
import sqlite3
import tempfile
from pathlib import Path

from filelock import FileLock

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A dead server shall be noticed in seconds: the courier tries again by itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402  (it must find the settings above)

# Whoever imported MLflow first in this process did so without the setting above.
logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])
# It prints the traceback of what it raises: a full disk would be told in a hundred lines.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)

__all__ = ["connect", "mlflow"]

SQLITE = "sqlite:///"
LONGEST_CREATION_SECONDS = 120.0
"""Longest wait for another process that creates the same database."""


def connect(tracking_uri: str) -> mlflow.MlflowClient:
    """A client of a tracking server or store.

    For a database this creates or updates its tables and takes up to some seconds; a server is not
    contacted before the first call.

    Args:
        tracking_uri: A server (``http://…``) or a database (``sqlite:///…``).

    Raises:
        Exception: Whatever the database's driver raises when there is none to be had.
    """
    if tracking_uri.startswith(SQLITE) and "?" not in tracking_uri:
        _create_whole(Path(tracking_uri.removeprefix(SQLITE)))
    return mlflow.MlflowClient(tracking_uri=tracking_uri)


def _create_whole(database: Path) -> None:
    """Creates a database that is there with all its tables or not at all.

    MLflow creates tables one by one: a process that is killed meanwhile would leave a database that
    never opens again.
    """
    if database.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(f"{database}.lock", timeout=LONGEST_CREATION_SECONDS),
        tempfile.TemporaryDirectory(prefix=f"{database.name}-", dir=database.parent) as folder,
    ):
        if database.exists():
            return
        made, copied = Path(folder) / "made.db", Path(folder) / "copied.db"
        mlflow.MlflowClient(tracking_uri=f"{SQLITE}{made.absolute()}")
        with contextlib.closing(sqlite3.connect(made)) as connection:
            connection.execute("VACUUM INTO ?", (str(copied),))
        copied.replace(database)
