"""The result of a trial, and what an error in it comes to."""

from dataclasses import dataclass

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from automl_tf.device import is_out_of_memory, is_sticky
from automl_tf.errors import UserError, disk_is_full, first_line, is_io_error
from automl_tf.search.retries import StorageUnreachableError
from automl_tf.search.schema import FailureKind


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended, or that it waits or was lost.

    Attributes:
        state: State to tell; RUNNING if another worker has the trial, so that nothing is told.
        values: A value for each objective, if it is complete.
        reason: Why it ended before its time.
        failure: Cause, if it failed.
    """

    state: TrialState
    values: tuple[float, ...] = ()
    reason: str | None = None
    failure: FailureKind | None = None


LOST = TrialResult(TrialState.RUNNING, reason="another worker has taken it over")


def failed(reason: str, failure: FailureKind | None) -> TrialResult:
    """Returns the result of a failed trial."""
    return TrialResult(TrialState.FAIL, reason=reason, failure=failure)


def is_of_machine(error: Exception) -> bool:
    """Returns whether an error is not the trial's: a full disk, or a storage that is away."""
    of_storage = (StorageUnreachableError, StorageInternalError, sqlalchemy.exc.SQLAlchemyError)
    return disk_is_full(error) or isinstance(error, of_storage)


def classified(error: Exception) -> TrialResult:
    """Returns the result of a trial that ended by an error."""
    if is_sticky(error):
        return failed(f"the device failed: {first_line(error)}", FailureKind.WORKER_LOST)
    if is_out_of_memory(error):
        return failed(f"out of memory: {first_line(error)}", FailureKind.OUT_OF_MEMORY)
    if is_io_error(error):
        return failed(f"{type(error).__name__}: {first_line(error)}", FailureKind.IO_ERROR)
    if isinstance(error, UserError):
        return failed(str(error), FailureKind.INVALID)
    return failed(f"{type(error).__name__}: {first_line(error)}", FailureKind.ERROR)
