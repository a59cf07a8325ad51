"""What workers tell while they search: one JSON object a line."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, get_args


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
    """A trial has gone some steps on; loss in nats a token."""

    trial: int
    step: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True)
class TrialValidated:
    """A trial was validated, on so many sentences (0 if that is not known)."""

    trial: int
    step: int
    bleu: float
    chrf: float
    sentences: int = 0


@dataclass(frozen=True)
class TrialEnded:
    """A trial is complete, pruned, failed, or waiting to go on.

    Attributes:
        trial: Its number.
        state: ``complete``, ``pruned``, ``failed`` or ``waiting``.
        bleu: Its best validation BLEU, if it had any.
        reason: Why it ended before its time.
        seconds: Seconds of training, all sessions.
    """

    trial: int
    state: str
    bleu: float | None
    reason: str | None
    seconds: float


@dataclass(frozen=True)
class Notice:
    """Something that the person should know."""

    text: str


@dataclass(frozen=True)
class Refusal:
    """A worker met what only a person can mend, and leaves: the rule and the remedy."""

    rule: str
    remedy: str


@dataclass(frozen=True)
class WorkerJoined:
    """A worker begins to claim trials, under the name that the storage will know it by."""

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


Event = (
    TrialStarted
    | TrialProgress
    | TrialValidated
    | TrialEnded
    | Notice
    | Refusal
    | WorkerJoined
    | StudyProgress
)

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def encode(event: Event) -> str:
    """One line of JSON."""
    return json.dumps({"event": type(event).__name__, **dataclasses.asdict(event)})


def decode(line: str) -> Event | None:
    """The event of a line; None if the line is something else, such as a library's print."""
    try:
        fields = json.loads(line)
        return _KINDS[fields.pop("event")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
