"""The sessions of a trial: each time that a worker trained it, in all its attempts.

A trial that the scheduler pauses has several. They are kept with the trial, so that a report can
show where the hours went.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial

SESSIONS: Final = "sessions"
"""Attribute of a trial: its sessions, the first at the head."""


@dataclass(frozen=True)
class Session:
    """A time in which a worker trained a trial.

    Attributes:
        worker: Host, process and start of the worker.
        began: When it began, UTC in ISO 8601.
        from_step: Optimizer steps done before.
        ended: When it ended, likewise; None while it lasts, and where the worker was killed.
        to_step: Optimizer steps done afterwards; None where that is not known.
        reason: Why it ended before the end of the trial.
    """

    worker: str
    began: str
    from_step: int
    ended: str | None = None
    to_step: int | None = None
    reason: str | None = None

    @property
    def seconds(self) -> float | None:
        """Its length; None where that is not known."""
        if self.ended is None:
            return None
        span = datetime.fromisoformat(self.ended) - datetime.fromisoformat(self.began)
        return span.total_seconds()


def begin_session(trial: optuna.Trial, worker: str, from_step: int) -> None:
    """Records that a worker begins to train a trial."""
    _record(trial, [*sessions(trial), Session(worker, _now(), from_step)])


def end_session(trial: optuna.Trial, to_step: int, reason: str | None) -> None:
    """Records that the worker of a trial has stopped training it, if it had begun to."""
    known = sessions(trial)
    if known and known[-1].ended is None:
        last = dataclasses.replace(known[-1], ended=_now(), to_step=to_step, reason=reason)
        _record(trial, [*known[:-1], last])


def sessions(trial: optuna.Trial | FrozenTrial) -> list[Session]:
    """Returns the sessions of a trial; none of one that an earlier version has trained."""
    recorded: list[dict[str, Any]] = trial.user_attrs.get(SESSIONS, [])
    return [Session(**values) for values in recorded]


def _record(trial: optuna.Trial, known: Sequence[Session]) -> None:
    trial.set_user_attr(SESSIONS, [dataclasses.asdict(session) for session in known])


def _now() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds")
