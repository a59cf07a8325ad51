"""Access to MLflow: where the runs of a study go, and clients.

MLflow takes seconds to import and reads its settings from the environment, so it is imported when
it is used.
"""

import contextlib
import hashlib
import json
import logging
import os
import sqlite3
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from automl_tf.home import (
    TRACKING_VARIABLE,
    HomeDirectory,
    absolute_url,
    sqlite_file,
    sqlite_url,
)
from automl_tf.redaction import HIDDEN, without_credentials
from automl_tf.tracking.artifact_locations import keep_beside

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLFLOW_VARIABLE = "MLFLOW_TRACKING_URI"

STUDY_ID_TAG = "automl_tf.study_id"
ATTEMPT_TAG = "automl_tf.attempt"

OWNER = "study.json"
"""File of an outbox that names its study."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A dead server must be noticed in seconds: the sender tries again by itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}

MAX_CREATION_SECONDS = 120.0
"""Longest wait for another process that creates the same database."""


def configure_mlflow() -> None:
    """Sets MLflow's environment and loggers for a process of this program, before its import.

    A user's own settings win. Only entry points call this: a process that belongs to someone else
    keeps its settings.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # It prints the traceback of what it raises: a full disk would take a hundred lines.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def tracking_uri(option: str | None, home: Path) -> str:
    """Returns where runs go: the option, else the environment, else the home's own database.

    Args:
        option: Value of ``--tracking``, if given.
        home: Home directory.
    """
    named = option or os.environ.get(TRACKING_VARIABLE) or os.environ.get(MLFLOW_VARIABLE)
    return absolute_url(named) if named else HomeDirectory(home.absolute()).tracking_uri


def is_server(tracking_uri: str) -> bool:
    """Returns True for a tracking server, which has an address for a browser."""
    return tracking_uri.startswith(("http://", "https://"))


@dataclass(frozen=True)
class RunKey:
    """Identity of a run within its study, whether or not MLflow knows the run yet.

    Attributes:
        kind: ``study`` (the parent of the trials), ``trial`` or ``training``.
        label: Number of the trial or name of the training; empty for the study.
        attempt: Attempt at the trial, from 1.
    """

    kind: str
    label: str = ""
    attempt: int = 1

    @property
    def tags(self) -> dict[str, str]:
        """Tags by which the run is found again among those of the study."""
        tags = {"automl_tf.kind": self.kind}
        if self.label:
            tags[f"automl_tf.{self.kind}"] = self.label
        if self.kind == "trial":
            tags[ATTEMPT_TAG] = str(self.attempt)
        return tags

    def __str__(self) -> str:
        label = f"-{self.label}" if self.label else ""
        return f"{self.kind}{label}{'' if self.attempt == 1 else f'.{self.attempt}'}"

    @classmethod
    def parse(cls, text: str) -> "RunKey":
        """Returns the key that was written as ``text``."""
        kind, _, label = text.partition("-")
        if kind != "trial":
            return cls(kind, label)
        number, _, attempt = label.partition(".")
        return cls(kind, number, int(attempt or 1))


PARENT = RunKey("study")
"""Key of the run of the study itself, under which its trials are nested."""


@dataclass(frozen=True)
class TrackingTarget:
    """Destination of the runs of one study.

    Attributes:
        study: Name of the study, which is also the name of its MLflow experiment.
        title: Name of the parent run. That of confirmations is not the name of their experiment.
        study_id: UUID of the study. Runs carry it as a tag: studies of one name may share an
            experiment.
        tracking_uri: MLflow server or database. It may hold a password: show it redacted.
        artifact_root: Directory of the artifacts of all studies; None leaves it to the server.
        outbox: Directory of the outbox.
    """

    study: str
    title: str
    study_id: str
    tracking_uri: str
    artifact_root: Path | None
    outbox: Path

    @classmethod
    def of_study(
        cls,
        home: Path,
        study: str,
        study_id: str,
        tracking_uri: str | None = None,
        title: str | None = None,
    ) -> "TrackingTarget":
        """Returns the target of a search's runs.

        Args:
            home: Home directory.
            study: Name of the study.
            study_id: UUID of the study.
            tracking_uri: MLflow server or database; the home's own when not given.
            title: Name of the parent run; the study's when not given.
        """
        layout = HomeDirectory(home.absolute())
        uri = tracking_uri or layout.tracking_uri
        root = None if is_server(uri) else layout.artifacts
        title = title or study
        return cls(study, title, study_id, uri, root, layout.study(title, study_id) / "outbox")

    @classmethod
    def of_training(
        cls, home: Path, study: str, study_id: str, label: str, tracking_uri: str | None = None
    ) -> "TrackingTarget":
        """Returns the target of the run of a training from an export.

        Args:
            home: Home directory.
            study: Name of the study whose experiment the run joins.
            study_id: UUID of the study.
            label: Name of the training, which is that of its directory.
            tracking_uri: MLflow server or database; the home's own when not given.
        """
        outbox = HomeDirectory(home.absolute()).training(label) / "outbox"
        return replace(cls.of_study(home, study, study_id, tracking_uri), outbox=outbox)

    @property
    def server(self) -> str:
        """Short name of the server; a password, or another one, makes no other server of it."""
        shown = without_credentials(self.tracking_uri)
        identity = self.tracking_uri if HIDDEN in shown else shown
        return hashlib.sha256(identity.encode()).hexdigest()[:8]


def find_targets(home: Path, study: str, tracking_uri: str | None = None) -> list[TrackingTarget]:
    """Returns a target for each outbox of a home that belongs to a study of this name.

    There are several where studies of one name lie in different databases, or were trained.

    Args:
        home: Home directory.
        study: Name of the study.
        tracking_uri: MLflow server or database; the home's own when not given.
    """
    found = []
    for owner in sorted(home.absolute().glob(f"*/*/outbox/{OWNER}")):
        written = json.loads(owner.read_text(encoding="utf-8"))
        if written["study"] == study:
            target = TrackingTarget.of_study(home, study, written["study_id"], tracking_uri)
            found.append(replace(target, outbox=owner.parent))
    return found


def connect(uri: str) -> "MlflowClient":
    """Returns a client of a server (``http://…``) or a database (``sqlite:///…``).

    For a database this creates or updates its tables, takes up to some seconds and raises what the
    driver raises; a server is not contacted before the first call.
    """
    from mlflow import MlflowClient

    database = sqlite_file(uri)
    if database is None:
        return MlflowClient(tracking_uri=uri)
    _create_whole(database)
    keep_beside(database)
    client = MlflowClient(tracking_uri=uri)
    disconnect(client)  # from a file that was in this place before
    return client


def disconnect(client: "MlflowClient") -> None:
    """Closes the connections that MLflow keeps to a database.

    They would go on writing to a file that was deleted, also for another client of its URL.
    """
    engine = getattr(client._tracking_client.store, "engine", None)  # noqa: SLF001 - no other way
    if engine is not None:
        engine.dispose()


def _create_whole(database: Path) -> None:
    """Creates a database with all its tables or not at all.

    MLflow creates tables one by one: a process that is killed meanwhile would leave a database that
    never opens again.
    """
    from mlflow import MlflowClient

    if _is_there(database):
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with (
        FileLock(f"{database}.lock", timeout=MAX_CREATION_SECONDS),
        tempfile.TemporaryDirectory(prefix=f"{database.name}-", dir=database.parent) as folder,
    ):
        if _is_there(database):
            return
        made, copied = Path(folder) / "made.db", Path(folder) / "copied.db"
        MlflowClient(tracking_uri=sqlite_url(made))
        with contextlib.closing(sqlite3.connect(made)) as connection:
            connection.execute("VACUUM INTO ?", (str(copied),))
        copied.replace(database)


def _is_there(database: Path) -> bool:
    """Returns whether a database has been created; opening one that was deleted leaves it empty."""
    return database.exists() and database.stat().st_size > 0
