"""Events of a search and its workers, one JSON object a line, and the writer of a worker's."""

import dataclasses
import json
import math
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

_HUNG_UP = select.POLLERR | select.POLLHUP
"""State of a pipe without a reader and of a terminal that was closed."""


@dataclass(frozen=True)
class TrialStarted:
    """A worker took up a trial.

    Attributes:
        trial: Its number.
        params: The searched settings by dotted path.
        num_parameters: Size of its model.
        max_steps: Optimizer steps until it ends.
        resumed: Whether it goes on from a checkpoint.
        confirms: The trial that it repeats with another seed, if it does.
    """

    trial: int
    params: dict[str, Any]
    num_parameters: int
    max_steps: int
    resumed: bool
    confirms: int | None = None


@dataclass(frozen=True)
class TrialProgress:
    """A running trial between validations.

    Attributes:
        trial: Its number.
        step: Optimizer steps done.
        loss: Training loss in nats a token; None if it is not finite.
        tokens_per_second: Target tokens trained on a second.
    """

    trial: int
    step: int
    loss: float | None
    tokens_per_second: float
    confirms: int | None = None


@dataclass(frozen=True)
class TrialValidated:
    """A trial was validated, on so many sentences (0 if that is not known)."""

    trial: int
    step: int
    bleu: float
    chrf: float
    sentences: int = 0
    confirms: int | None = None


@dataclass(frozen=True)
class TrialEnded:
    """A trial is complete, pruned, failed, or paused.

    Attributes:
        trial: Its number.
        state: ``complete``, ``pruned``, ``failed`` or ``paused``.
        bleu: Its best validation BLEU, if it had any.
        reason: Why it ended before its time.
        seconds: Seconds of training, all sessions.
    """

    trial: int
    state: str
    bleu: float | None
    reason: str | None
    seconds: float
    confirms: int | None = None


@dataclass(frozen=True)
class LogMessage:
    """A message for the user."""

    text: str


@dataclass(frozen=True)
class WorkerError:
    """An error that only the user can mend, which ends the worker: the rule and the remedy."""

    rule: str
    remedy: str


@dataclass(frozen=True)
class WorkerReady:
    """A worker begins to claim trials, under the name that the storage has for it."""

    name: str


@dataclass(frozen=True)
class StudyProgress:
    """How the study stands in its storage, whoever works on it.

    Attributes:
        counts: Number of trials in each state.
        spent: Trials that have ended and count against the budget.
        running: Numbers of the trials that run.
        lost: Those of them whose worker is gone: they wait for another one to notice.
        best_trial: Number of the trial with the best validation, once there is one: of those over
            the most sentences the one with the highest BLEU.
        best_bleu: That BLEU.
        best_sentences: Sentences that it was computed on, 0 if that is not known.
    """

    counts: dict[str, int]
    spent: int
    running: list[int]
    lost: list[int]
    best_trial: int | None
    best_bleu: float | None
    best_sentences: int = 0


TrialEvent = TrialStarted | TrialProgress | TrialValidated | TrialEnded
"""Derived from the storage, whoever runs the trial."""

WorkerEvent = LogMessage | WorkerError | WorkerReady
"""All that a worker prints for the search that started it."""

Event = TrialEvent | StudyProgress | WorkerEvent

_TYPES: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def encode(event: Event) -> str:
    """Returns one line of JSON. Numbers that are not finite, which JSON lacks, become null."""
    fields = {"event": type(event).__name__, **dataclasses.asdict(event)}
    return json.dumps(_finite(fields), allow_nan=False)


def decode(line: str) -> Event | None:
    """Returns the event of a line, or None for any other text, such as a library's print."""
    try:
        fields = json.loads(line)
        return _TYPES[fields.pop("event")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def worker_line(event: Event) -> str | None:
    """Returns the line of a worker's event. What happened to trials is in the storage alone."""
    return encode(event) if isinstance(event, WorkerEvent) else None


class EventWriter:
    """Line-by-line output of events whose failure harms no training.

    The reader may be a process that was killed, a pager that stands still, or a file on a disk
    that is full. A line that cannot be written is dropped.

    Args:
        descriptor: Open file descriptor, or None if the process was started without an output.
        to_line: Returns an event as one line without its end, or None to omit the event.
    """

    def __init__(self, descriptor: int | None, to_line: Callable[[Event], str | None]) -> None:
        self._descriptor = descriptor
        self._to_line = to_line
        self._reader_left = False

    def tell(self, event: Event) -> None:
        """Writes an event, if it is one that the reader wants and there is a reader."""
        line = self._to_line(event)
        if line is None or self._descriptor is None or self._reader_left:
            return
        rest = f"{line}\n".encode(errors="replace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except (BrokenPipeError, ConnectionResetError):
            self._reader_left = True
        except OSError:
            # No room, in the pipe or on the disk: the line is dropped.
            return

    def listener_gone(self) -> bool:
        """Returns whether nobody can read the output any more. Costs one system call."""
        if self._descriptor is not None and not self._reader_left:
            poll = select.poll()
            poll.register(self._descriptor, 0)
            self._reader_left = any(state & _HUNG_UP for _, state in poll.poll(0))
        return self._reader_left


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
