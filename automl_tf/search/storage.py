"""Where Optuna keeps a study: SQLite in the home directory, or PostgreSQL.

Several processes work on one study. Two things keep them from stepping on each other: every
SQLite transaction takes its write lock at once, and a trial is claimed in one transaction under one
lock a study, so that a worker that dies or loses its database meanwhile has claimed nothing.
"""

import contextlib
import re
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url

from automl_tf.errors import Place, UserError, first_line
from automl_tf.search.retrying import RetryingStorage, transaction, with_retries

HEARTBEAT_SECONDS = 30
GRACE_SECONDS = 300
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
            storage = _connected(parsed)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{redacted(url)} needs the package {error.name}.",
            "Install automl-tf[postgresql].",
            Place(key="--storage"),
        ) from None
    except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError, RuntimeError, OSError) as error:
        cause = (error.__cause__ or error) if isinstance(error, StorageInternalError) else error
        reason = _without_password(first_line(cause), parsed)
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
        if storage.engine.dialect.name == "sqlite":
            # Beside the database: its workers may have different homes.
            lock = f"{storage.engine.url.database}.{study_name}.lock"
            attempt.enter_context(FileLock(lock, timeout=LOCK_WAIT_SECONDS))
            connection = attempt.enter_context(storage.engine.begin())
        else:
            connection = attempt.enter_context(storage.engine.begin())
            _lock(connection, f"automl_tf:{study_name}")
        stack.push(attempt.pop_all())
    return connection


def _connected(url: URL) -> RetryingStorage:
    """The storage; a server that says that it is starting or ending is waited for."""
    kwargs: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        options = {name: value for name, value in _LIBPQ.items() if name not in url.query}
        kwargs.update(_POOL, connect_args=options)
    for is_last in [False] * START_SECONDS + [True]:
        try:
            with _creating(url, kwargs):
                return RetryingStorage(
                    url.render_as_string(hide_password=False),
                    heartbeat_interval=HEARTBEAT_SECONDS,
                    grace_period=GRACE_SECONDS,
                    engine_kwargs=kwargs,
                )
        except (StorageInternalError, sqlalchemy.exc.OperationalError) as error:
            # Optuna's own error says nothing but that there was another.
            if is_last or not _PASSING.search(f"{error} {error.__cause__}"):
                raise
        time.sleep(1)
    raise AssertionError("the last attempt returns or raises")


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
    for command in (
        f"SET LOCAL idle_in_transaction_session_timeout = '{CLAIM_SECONDS}s'",
        "SELECT pg_advisory_xact_lock(hashtext(:name))",
    ):
        values = {"name": name} if ":name" in command else {}
        connection.execute(sqlalchemy.text(command), values)


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


def another_view(study: optuna.Study, home: Path) -> optuna.Study:
    """A study through connections and a cache of its own, for another thread.

    A claim holds the database while it waits for the cache that Optuna keeps of the trials. A
    thread that reads through the same cache holds that, and waits for the database.

    Args:
        study: The study.
        home: The home directory.
    """
    backend = study._storage._backend  # type: ignore[attr-defined] # noqa: SLF001
    return optuna.load_study(study_name=study.study_name, storage=open_storage(backend.url, home))


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
