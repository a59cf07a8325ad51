"""Where Optuna keeps a study: SQLite in the home directory, or PostgreSQL.

Several processes work on one study. Two things keep them from stepping on each other: every
SQLite transaction takes its write lock at once, and a trial is claimed in one transaction under one
lock a study, so that a worker that dies or loses its database meanwhile has claimed nothing.
"""

import atexit
import contextlib
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url

from automl_tf.errors import Place, UserError, first_line
from automl_tf.home import HomeDirectory, create_directory, sqlite_file, sqlite_url
from automl_tf.redaction import redact_message, redact_url
from automl_tf.search.optuna_compat import database_url
from automl_tf.search.retries import RetryingStorage, is_away, transaction, with_retries

GRACE_VARIABLE = "AUTOML_TF_GRACE_SECONDS"
"""Environment variable with the time without a heartbeat after which a worker is suspected."""
GRACE_SECONDS = 300
HEARTBEATS_PER_GRACE = 10
LOCK_WAIT_SECONDS = 120
CLAIM_SECONDS = 120
"""Longest pause within a claim: a worker that is frozen or cut off must not hold the lock."""
START_SECONDS = 60
"""Longest wait for a server that is starting."""

# Each worker keeps one connection, so that many fit into a server; more live for a moment.
_POOL = {"pool_size": 1, "max_overflow": 4}
# A server whose machine is gone says nothing: libpq finds out within a minute.
_LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
# What a server says that is there, but starts or ends; a refusal has no SQLSTATE in psycopg.
_PASSING = re.compile(
    "database system is (starting up|shutting down|in recovery|not yet)"
    "|terminating connection|server closed the connection|connection is (lost|closed)"
)


def default_url(home: Path) -> str:
    """The URL of the study database in a home directory."""
    return HomeDirectory(home.absolute()).storage_url


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
    create_directory(home, "--home")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    # Workers ask and tell and beat by themselves.
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed")
    try:
        # Creating the tables is not safe for two processes at once.
        with FileLock(home / "studies.lock", timeout=LOCK_WAIT_SECONDS):
            storage = _connected(parsed)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{redact_url(url)} needs the package {error.name}.",
            "Install automl-tf[postgresql].",
            Place(key="--storage"),
        ) from None
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError, RuntimeError, OSError) as error:
        cause = (error.__cause__ or error) if isinstance(error, StorageInternalError) else error
        reason = redact_message(first_line(cause), url)
        raise UserError(
            f"The study database {redact_url(url)} cannot be opened: {reason}.",
            "Check the URL, that the server runs, and the password in PGPASSWORD or ~/.pgpass.",
            Place(key="--storage"),
        ) from None
    if parsed.get_backend_name() == "sqlite":
        _lock_early(storage.engine)
        _check_writable(storage.engine, url)
    return storage


def _check_writable(engine: sqlalchemy.Engine, url: str) -> None:
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM studies WHERE study_id < 0")  # there is none
    except sqlalchemy.exc.SQLAlchemyError as error:
        if is_away(error):  # another process holds it for long; who needs it waits
            return
        raise UserError(
            f"The study database {redact_url(url)} cannot be written: {first_line(error)}.",
            "Check who may write there, or name another one with --storage.",
            Place(key="--storage"),
        ) from None


def open_for_reading(url: str, home: Path) -> RDBStorage:
    """Opens a storage whose studies are only looked at.

    Of a database that cannot be written, such as that of an archive, a copy is opened.

    Raises:
        UserError: As `open_storage` does.
    """
    database = sqlite_file(url)
    if database is None or not database.is_file() or _can_be_written(database):
        return open_storage(url, home)
    folder = tempfile.TemporaryDirectory(prefix="automl-tf-studies-")
    atexit.register(folder.cleanup)
    # What was written last may still be in a file of its own.
    for path in (database, database.with_name(f"{database.name}-wal")):
        if path.exists():
            shutil.copyfile(path, Path(folder.name) / path.name)
    return open_storage(sqlite_url(Path(folder.name) / database.name), Path(folder.name))


def _can_be_written(database: Path) -> bool:
    return all(os.access(path, os.W_OK) for path in (database, database.parent))


@contextlib.contextmanager
def claiming(storage: RDBStorage, study_name: str) -> Iterator[None]:
    """Holds the right to add trials to a study, among all its workers on all machines.

    What this thread does with the storage meanwhile is one transaction: all of it holds when the
    context ends, or none of it if it ends by an error, by the end of the process, or by that of
    the database.
    """
    with contextlib.ExitStack() as stack:
        connection = with_retries(lambda: _locked(storage, study_name, stack))
        stack.enter_context(transaction(storage, connection))
        yield


def _locked(
    storage: RDBStorage, study_name: str, stack: contextlib.ExitStack
) -> sqlalchemy.Connection:
    """A connection in a transaction that holds the study's lock until it ends."""
    with contextlib.ExitStack() as attempt:
        is_sqlite = storage.engine.dialect.name == "sqlite"
        if is_sqlite:
            # Beside the database: its workers may have different homes.
            database = str(storage.engine.url.database).removeprefix("file:")
            lock = f"{database}.{study_name}.lock"
            attempt.enter_context(FileLock(lock, timeout=LOCK_WAIT_SECONDS))
        connection = attempt.enter_context(storage.engine.begin())
        if not is_sqlite:
            _lock(connection, f"automl_tf:{study_name}")
        stack.push(attempt.pop_all())
    return connection


def _connected(url: URL) -> RetryingStorage:
    """The storage; a server that says that it is starting or ending is waited for."""
    kwargs: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        options = {name: value for name, value in _LIBPQ.items() if name not in url.query}
        kwargs.update(_POOL, connect_args=options)
    grace = _grace_seconds()
    for is_last in [False] * START_SECONDS + [True]:
        try:
            with _creating(url, kwargs):
                return RetryingStorage(
                    url.render_as_string(hide_password=False),
                    heartbeat_interval=grace // HEARTBEATS_PER_GRACE,
                    grace_period=grace,
                    engine_kwargs=kwargs,
                )
        except (StorageInternalError, sqlalchemy.exc.OperationalError) as error:
            # Optuna's own error says nothing but that there was another.
            if is_last or not _PASSING.search(f"{error} {error.__cause__}"):
                raise
        time.sleep(1)
    raise AssertionError("the last attempt returns or raises")


def _grace_seconds() -> int:
    given = os.environ.get(GRACE_VARIABLE, str(GRACE_SECONDS))
    if not given.isdecimal() or int(given) < HEARTBEATS_PER_GRACE:
        raise UserError(
            f"{GRACE_VARIABLE} = {given} is not a whole number of {HEARTBEATS_PER_GRACE} or more "
            "seconds.",
            "Give all workers of a study the same number, or none.",
            Place(key=GRACE_VARIABLE),
        )
    return int(given)


@contextlib.contextmanager
def _creating(url: URL, kwargs: Mapping[str, Any]) -> Iterator[None]:
    """Holds the right to create a server's tables; homes of other machines have other locks."""
    if url.get_backend_name() == "sqlite":
        yield
        return
    engine = sqlalchemy.create_engine(url, **kwargs)
    try:
        with engine.begin() as connection:
            _lock(connection, "automl_tf")
            yield
    finally:
        engine.dispose()


def _lock(connection: sqlalchemy.Connection, name: str) -> None:
    """Waits for a lock that PostgreSQL gives to one transaction at a time."""
    timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{CLAIM_SECONDS}s'"
    connection.execute(sqlalchemy.text(timeout))
    lock = sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:name))")
    connection.execute(lock, {"name": name})


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # a port that is no number
        parsed = None
    backend = parsed.get_backend_name() if parsed is not None else None
    if parsed is None or backend not in ("sqlite", "postgresql"):
        raise UserError(
            f"{redact_url(url)} is not a study database.",
            "Use sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
            Place(key="--storage"),
        )
    if "@" in (parsed.host or ""):
        raise UserError(
            f"{redact_url(url)} holds more than one @.",
            "Write %40 for an @ in the password, or put the password into PGPASSWORD.",
            Place(key="--storage"),
        )
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UserError(
            f"{redact_url(url)} is a database in memory, which no other worker sees.",
            "Use sqlite:///PATH.",
            Place(key="--storage"),
        )
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def another_view(study: optuna.Study, home: Path) -> optuna.Study:
    """A study through connections and a cache of its own, for another thread.

    A claim holds the database while it waits for the cache that Optuna keeps of the trials. A
    thread that reads through the same cache holds that, and waits for the database.

    Args:
        study: The study.
        home: The home directory.
    """
    storage = open_storage(database_url(study), home)
    return optuna.load_study(study_name=study.study_name, storage=storage)


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
