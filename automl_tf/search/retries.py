"""Optuna's storage that retries while the database is unreachable. Its writes are idempotent."""

import functools
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from automl_tf.errors import Place, UserError
from automl_tf.search.optuna_compat import CACHED_READS

PATIENCE_SECONDS = 600.0
"""Longest wait for a database that does not answer."""
SHORTEST_PAUSE_SECONDS = 0.1
"""Between the first two attempts; each pause is twice the one before."""
LONGEST_PAUSE_SECONDS = 10.0
"""Between two attempts while the database is away for long."""

# Classes and codes of SQLSTATE (PostgreSQL manual, appendix A): connection exceptions, too few
# resources such as connections, and a server that is shutting down or starting.
_AWAY_STATES = ("08", "53", "57P01", "57P02", "57P03", "57P05")
# SQLite's primary result codes: busy, input or output error. A full disk is an error at once.
_AWAY_CODES = (5, 10)

_logger = logging.getLogger(__name__)

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class StorageUnreachableError(UserError):
    """The study database has been away for too long."""


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database is gone, and not that it refuses something."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, sqlalchemy.exc.PendingRollbackError):
        return True  # what follows in a session whose connection was lost
    if not isinstance(error, sqlalchemy.exc.DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    code = getattr(error.orig, "sqlite_errorcode", None)
    if state is not None:
        return str(state).startswith(_AWAY_STATES)
    if code is not None:
        return int(code) & 0xFF in _AWAY_CODES
    return error.connection_invalidated or isinstance(error, sqlalchemy.exc.OperationalError)


def with_retries(call: Callable[[], _Result]) -> _Result:
    """Calls until the database answers.

    Args:
        call: What may be done again when it is not known whether it was done.

    Raises:
        UserError: If the database is away for too long.
    """
    started = time.monotonic()
    pause = SHORTEST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
            if not is_away(error):
                raise
            waited = time.monotonic() - started
        if waited > PATIENCE_SECONDS:
            raise StorageUnreachableError(
                f"The study database has not answered for {waited:.0f} seconds.",
                "Start it again, then give the same command: the study resumes.",
                Place(key="--storage"),
            )
        _logger.warning("The study database does not answer; next attempt in %.1f s.", pause)
        # Workers that all lost it at once shall not all come back at once.
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@contextmanager
def transaction(storage: RDBStorage, connection: sqlalchemy.Connection) -> Iterator[None]:
    """Makes what this thread does with a storage a part of a connection's transaction."""
    storage.scoped_session.remove()
    storage.scoped_session(bind=connection, join_transaction_mode="create_savepoint")
    try:
        yield
    finally:
        storage.scoped_session.remove()


def _patient(
    method: Callable[Concatenate[RDBStorage, _Given], _Result],
) -> Callable[Concatenate["RetryingStorage", _Given], _Result]:
    """The method, which may be done twice, with patience."""

    @functools.wraps(method)
    def call(storage: "RetryingStorage", /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        if storage.in_transaction():
            return method(storage, *args, **kwargs)
        return with_retries(lambda: method(storage, *args, **kwargs))

    return call


class RetryingStorage(RDBStorage):
    """Optuna's storage, whose operations on their own wait for a database that is away.

    Within a transaction of several operations nothing waits: with the connection all of it is lost
    and has to be done again from its start. The next heartbeat makes up for one that failed.
    """

    def in_transaction(self) -> bool:
        """Whether this thread's operations belong to a transaction that encloses them."""
        return isinstance(self.scoped_session().bind, sqlalchemy.Connection)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Tells how a trial stands; an answer that was lost with the connection is looked up."""
        if self.in_transaction():
            return super().set_trial_state_values(trial_id, state, values)
        started = self.get_trial(trial_id).datetime_start
        is_first = True

        def change() -> bool:
            nonlocal is_first
            if is_first:
                is_first = False
                return super(RetryingStorage, self).set_trial_state_values(trial_id, state, values)
            with self.engine.begin() as connection, transaction(self, connection):
                self._wait_for_writers(connection, trial_id)
                now = self.get_trial(trial_id)
                # Another worker may have started a trial already that went back to the queue.
                if now.state == state or now.datetime_start != started:
                    return True
                return super(RetryingStorage, self).set_trial_state_values(trial_id, state, values)

        return with_retries(change)

    def _wait_for_writers(self, connection: sqlalchemy.Connection, trial_id: int) -> None:
        """Waits for a commit that was on its way when the connection broke."""
        if self.engine.dialect.name == "postgresql":
            query = "SELECT 1 FROM trials WHERE trial_id = :trial FOR UPDATE"
            connection.execute(sqlalchemy.text(query), {"trial": trial_id})


for _name in (
    *("set_study_user_attr", "set_study_system_attr", "get_study_id_from_name"),
    *("get_study_name_from_id", "get_study_directions", "get_study_user_attrs"),
    *("get_study_system_attrs", "get_all_studies", "set_trial_intermediate_value"),
    *("set_trial_user_attr", "set_trial_system_attr", "get_trial"),
    *("get_trial_id_from_study_id_trial_number", *CACHED_READS),
):
    setattr(RetryingStorage, _name, _patient(getattr(RDBStorage, _name)))
