"""Where Optuna keeps a study: SQLite in the home directory, or PostgreSQL.

Several processes work on one study. Two things keep them from stepping on each other: every
SQLite transaction takes its write lock at once, and a trial is claimed under one lock a study.
"""

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url

from automl_tf.errors import Place, UserError

HEARTBEAT_SECONDS = 30
GRACE_SECONDS = 300
LOCK_WAIT_SECONDS = 120


def default_url(home: Path) -> str:
    """The URL of the study database in a home directory."""
    return f"sqlite:///{home.absolute() / 'studies.db'}"


def open_storage(url: str, home: Path) -> RDBStorage:
    """Opens a storage, creating its tables where they are missing.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://...``; a password may come from ``PGPASSWORD``
            or a pgpass file.
        home: Directory for locks.

    Raises:
        UserError: If the URL is of another kind or the database cannot be reached.
    """
    parsed = _parsed(url)
    home.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    # Workers ask and tell and beat by themselves.
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
    try:
        # Creating the tables is not safe for two processes at once.
        with FileLock(home / "studies.lock", timeout=LOCK_WAIT_SECONDS):
            storage = RDBStorage(
                parsed.render_as_string(hide_password=False),
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                engine_kwargs={"pool_pre_ping": True},
            )
    except ModuleNotFoundError as error:
        raise UserError(
            f"{redacted(url)} needs the package {error.name}.",
            "Install automl-tf[postgresql].",
            Place(key="--storage"),
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError, OSError) as error:
        reason = _without_password(str(error).strip().split("\n")[0], parsed)
        raise UserError(
            f"The study database {redacted(url)} cannot be opened: {reason}.",
            "Check the URL, that the server runs, and the password in PGPASSWORD or ~/.pgpass.",
            Place(key="--storage"),
        ) from None
    if parsed.get_backend_name() == "sqlite":
        _lock_early(storage.engine)
    return storage


def redacted(url: str) -> str:
    """The URL without its user and password."""
    if url.startswith("sqlite:"):
        return url
    # A password may hold any character: all before the last @ goes.
    hidden = re.sub(r"^(.*?://)?.*@", r"\1***@", url)
    return re.sub(r"([?&][^=&]*passw[^=&]*=)[^&]*", r"\1***", hidden)


@contextlib.contextmanager
def claiming(storage: RDBStorage, study_name: str) -> Iterator[None]:
    """Holds the right to add trials to a study, among all its workers on all machines."""
    if storage.engine.dialect.name == "sqlite":
        # Beside the database: its workers may have different homes.
        lock = f"{storage.engine.url.database}.{study_name}.lock"
        with FileLock(lock, timeout=LOCK_WAIT_SECONDS):
            yield
        return
    key = sqlalchemy.text("SELECT pg_advisory_lock(hashtext(:name))")
    unlock = sqlalchemy.text("SELECT pg_advisory_unlock(hashtext(:name))")
    with storage.engine.connect() as connection:
        connection.execute(key, {"name": f"automl_tf:{study_name}"})
        try:
            yield
        finally:
            connection.execute(unlock, {"name": f"automl_tf:{study_name}"})


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # a port that is no number
        parsed = None
    backend = parsed.get_backend_name() if parsed is not None else None
    if parsed is None or backend not in ("sqlite", "postgresql"):
        raise UserError(
            f"{redacted(url)} is not a study database.",
            "Use sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
            Place(key="--storage"),
        )
    if "@" in (parsed.host or ""):
        raise UserError(
            f"{redacted(url)} holds more than one @.",
            "Write %40 for an @ in the password, or put the password into PGPASSWORD.",
            Place(key="--storage"),
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UserError(
            f"{redacted(url)} is a database in memory, which no other worker sees.",
            "Use sqlite:///PATH.",
            Place(key="--storage"),
        )
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def _without_password(text: str, url: URL) -> str:
    for password in (url.password, url.query.get("password")):
        if password:
            for form in (str(password), quote(str(password)), quote_plus(str(password))):
                text = text.replace(form, "***")
    return text


def _lock_early(engine: sqlalchemy.Engine) -> None:
    """Makes each SQLite transaction take the write lock when it begins.

    Two workers that read a waiting trial before either writes would both claim it.
    """

    @sqlalchemy.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's types
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA busy_timeout=60000")

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    engine.dispose()
