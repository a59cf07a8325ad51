"""Values that a training exchanges with its caller: points, validations, decisions, results."""

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automl_tf.scoring.scores import Scores
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.training.attention_maps import AttentionMap

LARGEST_EXPONENT = 50.0
"""A perplexity beyond its exponential says nothing that infinity would not."""


@dataclass(frozen=True)
class CurvePoint:
    """One point of the training curve.

    Attributes:
        step: Optimizer steps done.
        loss: Label-smoothed cross entropy in nats, the mean over all target tokens of the step.
        learning_rate: Learning rate of the step.
        grad_norm: Norm of the whole gradient before clipping.
        tokens_per_second: Target tokens trained on since the point before, padding left out.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float

    def metrics(self) -> dict[str, float]:
        """Returns the values by the names of their metrics."""
        return {
            "train_loss": self.loss,
            "learning_rate": self.learning_rate,
            "grad_norm": self.grad_norm,
            "tokens_per_second": self.tokens_per_second,
        }


@dataclass(frozen=True)
class Validation:
    """One validation.

    Attributes:
        step: Optimizer steps done.
        scores: BLEU and chrF of the greedy translations of the first sentences of the validation
            split, or of all.
        sentences: Statistics of each sentence, from which that BLEU is computed, in the order of
            the split.
        loss: Cross entropy without smoothing in nats, the mean over the target tokens.
        hypotheses: The translations, in the order of the split.
        curve: Points of the training curve since the validation before.
        seconds: Time of the training so far, in seconds of wall time over all its sessions.
        peak_memory_mb: Largest memory of the process or of the device so far, in MB.
        machine_load: How busy the machine is, by metric.
        is_best: Whether it is the best so far: of more sentences than any before, or of as many as
            the best and with a higher BLEU.
        attention: Attention maps of some sentences; empty unless it is the best so far.
    """

    step: int
    scores: Scores
    sentences: SentenceStatistics
    loss: float
    hypotheses: tuple[str, ...]
    curve: tuple[CurvePoint, ...]
    seconds: float
    peak_memory_mb: float
    machine_load: dict[str, float]
    is_best: bool
    attention: tuple[AttentionMap, ...]

    def metrics(self) -> dict[str, float]:
        """Returns the values by the names of their metrics."""
        return {
            "val_bleu": self.scores.bleu,
            "val_sentences": float(len(self.sentences)),
            "val_chrf": self.scores.chrf,
            "val_loss": self.loss,
            "val_perplexity": math.exp(min(self.loss, LARGEST_EXPONENT)),
            "peak_memory_mb": self.peak_memory_mb,
            "seconds": self.seconds,
            **self.machine_load,
        }


class Decision(enum.Enum):
    """What an observer wants after a validation."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"
    """The validation could not be recorded: the training ends at its last checkpoint."""


class Outcome(enum.Enum):
    """How a training ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    PAUSED = "paused"
    DIVERGED = "diverged"
    LOST = "lost"
    """Another process owns the training now; nothing was written since that was noticed."""

    @property
    def is_final(self) -> bool:
        """Whether this process has ended the training: it will not resume."""
        return self not in (Outcome.PAUSED, Outcome.LOST)


@dataclass(frozen=True)
class FitResult:
    """The result of a training.

    Attributes:
        outcome: How it ended.
        step: Optimizer steps done; of a paused training, those in its checkpoint.
        best_step: Step of the weights kept, or None if there was no validation.
        best: Scores of the weights kept, likewise.
        best_sentences: Statistics of the sentences, from which their BLEU is computed, likewise.
        seconds: Wall time of all sessions, in seconds.
    """

    outcome: Outcome
    step: int
    best_step: int | None
    best: Scores | None
    best_sentences: SentenceStatistics | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Returns values that ``from_json`` reads."""
        sentences = self.best_sentences
        return {
            **dataclasses.asdict(self),
            "outcome": self.outcome.value,
            "best_sentences": None if sentences is None else sentences.to_text(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FitResult":
        """Restores what ``to_json`` returned."""
        best, sentences = values["best"], values["best_sentences"]
        changed = {
            "outcome": Outcome(values["outcome"]),
            "best": None if best is None else Scores(**best),
            "best_sentences": None
            if sentences is None
            else SentenceStatistics.from_text(sentences),
        }
        return cls(**{**values, **changed})


Observer = Callable[[Validation], Decision]
"""Called after each validation; its answer is carried out before the next step."""

Progress = Callable[[CurvePoint], None]
"""Called several times between two validations."""

Pause = Callable[[], bool]
"""Asked after each step and during validations whether the training should pause."""

Ownership = Callable[[], bool]
"""Asked before files are written whether this process still owns the training."""


def ignore(_point: CurvePoint) -> None:
    """Ignores a point of the curve."""


def never() -> bool:
    """Never asks a training to pause."""
    return False


def always() -> bool:
    """Always owns the training."""
    return True


@dataclass(frozen=True)
class TrainingHooks:
    """The caller's side of a training.

    Attributes:
        observe: Called after each validation; decides whether training continues.
        progress: Called several times between two validations.
        should_pause: Asked after each step and during validations.
        is_owner: Asked before files are written.
    """

    observe: Observer
    progress: Progress = ignore
    should_pause: Pause = never
    is_owner: Ownership = always
