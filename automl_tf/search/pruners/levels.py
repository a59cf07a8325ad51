"""BLEU of the first sentences of the validation split, brought to the level of all of them.

Early validations take few sentences, which may be easier than the rest or harder: by a BLEU or so,
alike for all trials. The translations of complete trials say by how much, since BLEU of any part of
them follows from their sentence statistics.
"""

import functools
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.search.pruners.curve import Curve
from automl_tf.search.schema import BEST_SENTENCES, best_bleu, num_validated

MOST_ASKED = 5
"""Complete trials, the best, that are asked: what is hard for one is hard for all."""

Points = tuple[tuple[int, float, int], ...]
"""Step, BLEU and sentences of each validation."""


class Levels:
    """What complete trials say of the first sentences.

    Args:
        trials: All trials of a study.
    """

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        told = (
            trial
            for trial in trials
            if trial.state == TrialState.COMPLETE and BEST_SENTENCES in trial.user_attrs
        )
        best = sorted(told, key=lambda trial: -(best_bleu(trial) or 0.0))[:MOST_ASKED]
        self._texts = tuple(trial.user_attrs[BEST_SENTENCES] for trial in best)

    def curve(self, trial: FrozenTrial) -> Curve:
        """The curve that a trial has reported, on the level of the whole split."""
        return self.curve_of(trial, trial.intermediate_values)

    def curve_of(self, trial: FrozenTrial, bleu: dict[int, float]) -> Curve:
        """The curve of a trial's validations with these BLEUs, by step."""
        sizes = num_validated(trial)
        points = tuple((step, value, sizes.get(step, 0)) for step, value in bleu.items())
        return _curve(points, self._texts)


@functools.lru_cache(maxsize=1024)
def _curve(points: Points, texts: tuple[str, ...]) -> Curve:
    """Curves of ended trials are asked for at each validation of the others."""
    raised = {step: bleu * _ratio(size, texts) for step, bleu, size in points}
    return Curve.of(raised, {step: size for step, _, size in points})


@functools.lru_cache(maxsize=64)
def _ratio(size: int, texts: tuple[str, ...]) -> float:
    """BLEU of all sentences over that of the first, as complete trials have translated them."""
    whole = [SentenceStatistics.from_text(text) for text in texts]
    parts = sum(statistics.first(size).bleu for statistics in whole)
    return sum(statistics.bleu for statistics in whole) / parts if parts > 0 else 1.0
