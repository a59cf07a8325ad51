"""The validation whose weights a training keeps."""

from dataclasses import dataclass
from typing import Any

from automl_tf.scoring.scores import Merit, Scores
from automl_tf.scoring.sentences import SentenceStatistics


@dataclass(frozen=True)
class Best:
    """The best validation so far.

    Attributes:
        step: Optimizer steps done.
        scores: BLEU and chrF.
        sentences: What that BLEU is made of.
    """

    step: int
    scores: Scores
    sentences: SentenceStatistics

    @property
    def merit(self) -> Merit:
        """What it counts for among others."""
        return Merit(len(self.sentences), self.scores.bleu)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {
            "step": self.step,
            "scores": (self.scores.bleu, self.scores.chrf),
            "sentences": self.sentences.to_text(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Best":
        """What ``state_dict`` gave."""
        sentences = SentenceStatistics.from_text(state["sentences"])
        return cls(state["step"], Scores(*state["scores"]), sentences)
