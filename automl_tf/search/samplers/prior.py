"""What is known of a configuration's BLEU before any trial: the shipped prior.

Each setting has a best value that moves with the size of the corpus, the direction of translation
and the length of the training, and a loss on either side of it. The figures stand in
``prior.yaml``, which ``benchmarks/derive_prior.py`` derives. Shape letters: N configurations.
"""

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ruamel.yaml import YAML

from automl_tf.search.samplers.axes import LEARNING_RATE, WIDTH, Array, Columns
from automl_tf.search.samplers.text import Text

PRODUCT = f"{LEARNING_RATE} * {WIDTH}"
TENTHS = ("model.dropout", "training.label_smoothing")
"""Settings whose distances count in tenths; those of all others count in doublings."""
STEPS, BATCH, BATCHES = "training.max_steps", "training.batch_tokens", "training.accumulate"
TOKENS_A_PAIR = 20
"""Subwords of a usual sentence."""
MANY_PASSES = 20
"""Passes over the corpus from which dropout and label smoothing are what the literature wants: a
model that sees each pair once or twice has nothing to overfit to (Komatsuzaki 2019, section 2)."""

LONG_TRAINING = 1.5e8
"""Target tokens from which on the best values stay: what the shortest whole runs of tables took."""
MOST_HASTE = 1.3
"""Decades below a long training over which runs of tables were looked at: the best values of still
shorter trainings are those there."""
LAWFUL = (PRODUCT,)
"""Settings whose best value follows a law of the literature instead, however short the training is
(Bi et al. 2024, "DeepSeek LLM", section 3.1)."""


@dataclass(frozen=True)
class Well:
    """The loss around the best value of one setting.

    Attributes:
        best: Best value for a corpus of 100,000 pairs, into or out of English alike.
        per_tenfold: What ten times the pairs add to it, in doublings or tenths.
        out_of_english: What translating out of English adds to it, over translating into it.
        per_haste: What a training of a tenth of the tokens adds to it, below a long training.
        loss_below: Loss per squared doubling (tenth) below the best value, near it, in standard
            deviations of BLEU among the configurations of a space; far from it, twice this per
            doubling.
        loss_above: The same above.
    """

    best: float
    per_tenfold: float
    out_of_english: float
    per_haste: float
    loss_below: float
    loss_above: float

    def tenths_off(self, values_N: Array, text: Text, share_N: Array) -> Array:
        """Tenths between values and such a share of the best one.

        Args:
            values_N: Values of the setting.
            text: The training corpus.
            share_N: Shares between zero and one.
        """
        distance_N: Array = 10 * values_N - share_N * (10 * self.best + self._moved(text))
        return distance_N

    def doublings_off(self, values_N: Array, text: Text, haste_N: Array) -> Array:
        """Doublings between values and the best one.

        Args:
            values_N: Values of the setting.
            text: The training corpus.
            haste_N: Decimal logarithm of a long training over this one.
        """
        moved_N = self._moved(text) + self.per_haste * haste_N
        distance_N: Array = np.log2(values_N / self.best) - moved_N
        return distance_N

    def loss(self, distance_N: Array) -> Array:
        """The loss at these distances from the best value."""
        slope_N = np.where(distance_N > 0, self.loss_above, self.loss_below)
        # Twice as far is at most twice as bad: the optimum is not known so well.
        loss_N: Array = slope_N * 2 * (np.sqrt(1 + distance_N**2) - 1)
        return loss_N

    def _moved(self, text: Text) -> float:
        """What a corpus adds to the best value, in doublings or tenths."""
        return self.per_tenfold * text.decades + self.out_of_english * text.outward


def expected(wells: Mapping[str, Well], settings: Columns, text: Text) -> Array:
    """The expected BLEU of configurations, in standard deviations, less an unknown constant.

    Args:
        wells: The prior.
        settings: Numeric settings of N configurations; at least one.
        text: The training corpus.
    """
    known = dict(settings)
    if LEARNING_RATE in known and WIDTH in known:
        known[PRODUCT] = known[LEARNING_RATE] * known[WIDTH]
    haste_N, share_N = _haste(settings), _passes_share(settings, text.num_pairs)
    seen_haste_N = np.minimum(haste_N, MOST_HASTE)
    score_N = np.zeros(len(next(iter(settings.values()))))
    for name, well in wells.items():
        if name in known:
            if name in TENTHS:
                distance_N = well.tenths_off(known[name], text, share_N)
            else:
                reached_N = haste_N if name in LAWFUL else seen_haste_N
                distance_N = well.doublings_off(known[name], text, reached_N)
            score_N -= well.loss(distance_N)
    return score_N


def _passes_share(settings: Columns, num_pairs: int | None) -> Array:
    """The share of the full regularisation that so few passes over the corpus ask for."""
    tokens_N = _tokens(settings)
    if num_pairs is None or tokens_N is None:
        return np.ones(1)
    passes_N = tokens_N / (TOKENS_A_PAIR * num_pairs)
    share_N: Array = np.minimum(1.0, passes_N / MANY_PASSES)
    return share_N


def _haste(settings: Columns) -> Array:
    """The decades that trainings are shorter than long ones; none where it is not known."""
    tokens_N = _tokens(settings)
    if tokens_N is None:
        return np.zeros(1)
    haste_N: Array = np.maximum(np.log10(LONG_TRAINING / tokens_N), 0.0)
    return haste_N


def _tokens(settings: Columns) -> Array | None:
    """The target tokens of trainings, if their settings tell."""
    if not {STEPS, BATCH} <= set(settings):
        return None
    tokens_N: Array = settings[STEPS] * settings[BATCH] * settings.get(BATCHES, 1.0)
    return tokens_N


@functools.cache
def shipped_prior() -> Mapping[str, Well]:
    """The prior of ``prior.yaml``, by setting."""
    text = importlib.resources.files("automl_tf.search.samplers").joinpath("prior.yaml").read_text()
    return {name: Well(**figures) for name, figures in YAML(typ="safe").load(text).items()}
