"""What a training tells whoever watches it, and what it is told back. All values."""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

from automl_tf.scoring.scores import Scores
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.training.attention_map import AttentionMap

LARGEST_EXPONENT = 50.0
"""A perplexity beyond its exponential says nothing that infinity would not."""


@dataclass(frozen=True)
class CurvePoint:
    """One point of the training curve.

    Attributes:
        step: Optimizer steps done.
        loss: Label-smoothed cross entropy of the step, in nats a token.
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
        """The point under the names that people see."""
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
        sentences: What that BLEU is made of, in the order of the split.
        loss: Cross entropy without smoothing, in nats a token.
        hypotheses: The translations, in the order of the split.
        curve: Points of the training curve since the validation before.
        seconds: Time of the training so far, in seconds of wall time over all its sessions.
        peak_memory_mb: Largest memory of the process or of the device so far, in MB.
        machine_load: How busy the machine is, by metric.
        is_best: Whether it is the best so far: of more sentences than any before, or of as many as
            the best and with a higher BLEU.
        attention: Where the model looks while it translates some sentences; empty unless it is
            the best so far.
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
        """The validation under the names that people see."""
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


class Outcome(enum.Enum):
    """How a training ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    PAUSED = "paused"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class FitResult:
    """What a training came to.

    Attributes:
        outcome: How it ended.
        step: Optimizer steps done.
        best_step: Step of the weights kept, or None if there was no validation.
        best: Scores of the weights kept, likewise.
        best_sentences: What their BLEU is made of, likewise.
        seconds: Wall time of all sessions, in seconds.
    """

    outcome: Outcome
    step: int
    best_step: int | None
    best: Scores | None
    best_sentences: SentenceStatistics | None
    seconds: float


Observer = Callable[[Validation], Decision]
"""Called after each validation; its answer is carried out before the next step."""

Progress = Callable[[CurvePoint], None]
"""Called some times between validations."""

Pause = Callable[[], bool]
"""Asked after each step whether training should save itself and end."""
