"""What is known of a configuration's BLEU before any trial: the shipped prior.

Each setting has a best value that moves with the size of the corpus, and a loss on either side of
it. The figures stand in ``prior.yaml``, which ``benchmarks/derive_prior.py`` derives. Shape
letters: N configurations.
"""

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ruamel.yaml import YAML

from automl_tf.search.auto.axes import LEARNING_RATE, WIDTH, Array, Columns

PRODUCT = f"{LEARNING_RATE} * {WIDTH}"
USUAL_PAIRS = 100_000
"""Sentence pairs that the figures are given for, and that a corpus of unknown size is taken for."""
DROPOUT = "model.dropout"
TENTHS = (DROPOUT, "training.label_smoothing")
"""Settings whose distances count in tenths; those of all others count in doublings."""
STEPS, BATCH = "training.max_steps", "training.batch_tokens"
TOKENS_A_PAIR = 20
"""Subwords of a usual sentence."""
MANY_PASSES = 20
"""Passes over the corpus from which dropout is what the literature wants: a model that sees each
pair once or twice has nothing to overfit to (Komatsuzaki 2019, section 2)."""

LONG_TRAINING = 1.5e8
"""Target tokens from which on the tables' learning rates serve: what their shortest runs took."""
RATE_POWER = 0.125
"""A training of so many times fewer tokens has its best learning rate higher by that number to this
power (Bi et al. 2024, "DeepSeek LLM", section 3.1, of compute)."""


@dataclass(frozen=True)
class Well:
    """The loss around the best value of one setting.

    Attributes:
        best: Best value for a corpus of 100,000 pairs.
        per_tenfold: What ten times the pairs add to it, in doublings or tenths.
        loss_below: Loss per squared doubling (tenth) below the best value, near it, in standard
            deviations of BLEU among the configurations of a space; far from it, twice this per
            doubling.
        loss_above: The same above.
    """

    best: float
    per_tenfold: float
    loss_below: float
    loss_above: float

    def tenths_off(self, values_N: Array, decades: float, share_N: Array) -> Array:
        """Tenths between values and such a share of the best one.

        Args:
            values_N: Values of the setting.
            decades: Decimal logarithm of the corpus's size over the usual one.
            share_N: Shares between zero and one.
        """
        distance_N: Array = 10 * values_N - share_N * (10 * self.best + self.per_tenfold * decades)
        return distance_N

    def doublings_off(self, values_N: Array, decades: float) -> Array:
        """Doublings between values and the best one, with arguments as above."""
        distance_N: Array = np.log2(values_N / self.best) - self.per_tenfold * decades
        return distance_N

    def loss(self, distance_N: Array) -> Array:
        """The loss at these distances from the best value."""
        slope_N = np.where(distance_N > 0, self.loss_above, self.loss_below)
        # Twice as far is at most twice as bad: the optimum is not known so well.
        loss_N: Array = slope_N * 2 * (np.sqrt(1 + distance_N**2) - 1)
        return loss_N


def expected(wells: Mapping[str, Well], settings: Columns, num_pairs: int | None) -> Array:
    """The expected BLEU of configurations, in standard deviations, less an unknown constant.

    Args:
        wells: The prior.
        settings: Numeric settings of N configurations; at least one.
        num_pairs: Sentence pairs of the training corpus, if known.
    """
    decades = float(np.log10((num_pairs or USUAL_PAIRS) / USUAL_PAIRS))
    known = dict(settings)
    if LEARNING_RATE in known and WIDTH in known:
        known[PRODUCT] = known[LEARNING_RATE] * known[WIDTH]
    score_N = np.zeros(len(next(iter(settings.values()))))
    for name, well in wells.items():
        if name in known:
            if name in TENTHS:
                share_N = _passes_share(settings, num_pairs) if name == DROPOUT else np.ones(1)
                distance_N = well.tenths_off(known[name], decades, share_N)
            else:
                distance_N = well.doublings_off(known[name], decades)
            if name == PRODUCT:
                distance_N = distance_N - _doublings_for_haste(settings)
            score_N -= well.loss(distance_N)
    return score_N


def _passes_share(settings: Columns, num_pairs: int | None) -> Array:
    """The share of the full dropout that so few passes over the corpus ask for."""
    if num_pairs is None or not {STEPS, BATCH} <= set(settings):
        return np.ones(1)
    passes_N = settings[STEPS] * settings[BATCH] / (TOKENS_A_PAIR * num_pairs)
    share_N: Array = np.minimum(1.0, passes_N / MANY_PASSES)
    return share_N


def _doublings_for_haste(settings: Columns) -> Array:
    """The doublings of the learning rate that short trainings ask for."""
    if not {STEPS, BATCH} <= set(settings):
        return np.zeros(1)
    tokens_N = settings[STEPS] * settings[BATCH]
    doublings_N: Array = RATE_POWER * np.log2(np.maximum(LONG_TRAINING / tokens_N, 1.0))
    return doublings_N


@functools.cache
def shipped_prior() -> Mapping[str, Well]:
    """The prior of ``prior.yaml``, by setting."""
    text = importlib.resources.files("automl_tf.search.auto").joinpath("prior.yaml").read_text()
    return {name: Well(**figures) for name, figures in YAML(typ="safe").load(text).items()}
