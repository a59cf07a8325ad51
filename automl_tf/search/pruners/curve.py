"""A learning curve: the best BLEU so far by optimizer step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_tf.scoring.scores import Merit

Array = NDArray[np.float64]


COLLAPSE = 0.25
"""Share of its best below which BLEU has collapsed: what comes then is another curve."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The best BLEU so far; after a collapse, the best since then.

    Attributes:
        steps: Optimizer steps of the validations (since the last collapse), ascending, after a
            zero.
        best: Best BLEU up to each of them, after a zero.
        top: BLEU of the best validation of all, which is what the trial is told with in the end.
    """

    steps: Array
    best: Array
    top: float

    @classmethod
    def of(cls, bleu: Mapping[int, float], sentences: Mapping[int, int] | None = None) -> "Curve":
        """The curve of these validations.

        Args:
            bleu: BLEU by step; those that are not numbers say nothing.
            sentences: Sentences of each validation, where they are not all the same.
        """
        points = [(0.0, 0.0)]
        top = Merit(0, 0.0)
        for step, value in sorted(bleu.items()):
            if math.isnan(value):
                continue
            top = max(top, Merit(sentences[step] if sentences else 0, value))
            if value < COLLAPSE * points[-1][1]:
                points = [(0.0, 0.0), (step, value)]
            else:
                points.append((step, max(points[-1][1], value)))
        steps, best = np.array(points, dtype=float).T
        return cls(steps, best, top.bleu)

    @property
    def now(self) -> float:
        """The best BLEU since the last collapse."""
        return float(self.best[-1])

    @property
    def last(self) -> float:
        """Step of the last validation."""
        return float(self.steps[-1])

    def at(self, step: float) -> float:
        """The best BLEU up to a step, between validations in proportion."""
        return float(np.interp(step, self.steps, self.best))

    def rise(self, step: float) -> float:
        """What the last doubling of the steps added to BLEU."""
        return self.at(step) - self.at(step / 2)

    def staleness(self, step: float) -> float:
        """Share of the steps up to this one since BLEU last improved, between 0 and 1."""
        latest = int(np.searchsorted(self.steps, step, side="right")) - 1
        if latest == 0:
            return 0.0
        improved = int(np.searchsorted(self.best, self.best[latest], side="left"))
        return float(1 - self.steps[improved] / self.steps[latest])

    def first_at(self, bleu: float) -> float | None:
        """The first step with such a BLEU, if any."""
        index = int(np.searchsorted(self.best, bleu, side="left"))
        return float(self.steps[index]) if index < len(self.steps) else None
