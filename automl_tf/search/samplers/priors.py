"""Features of configurations, and the prior expectations of their BLEU and costs.

Features are coordinates in which nearby configurations have similar BLEU, in units of the length
scale of each setting. In BLEU, each setting has an optimum that moves with the corpus and with the
length of the training: ``prior.yaml``, from ``benchmarks/derive_prior.py``. A cost grows with each
setting by about the same factor a doubling: ``costs.yaml``, from ``benchmarks/derive_costs.py``.
Shape letters: N configurations, D coordinates.
"""

import functools
import importlib.resources
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from ruamel.yaml import YAML

from automl_tf.config.settings import BASE_WIDTH

Array = NDArray[np.float64]
Configuration = dict[str, Any]
"""Values by dotted path."""
Columns = Mapping[str, NDArray[Any]]
"""Settings of N configurations by dotted path, each of shape N: floats, or objects for names."""

LEARNING_RATE, WIDTH = "training.learning_rate", "model.d_model"
RATE_SCALE = "training.learning_rate_scale"

LENGTHSCALE_DOUBLINGS = {
    "data.vocab_size": 2.2,
    WIDTH: 2.5,
    "model.d_ff": 4.5,
    "model.num_heads": 4.5,
    "model.encoder_layers": 3.5,
    "model.decoder_layers": 3.5,
    LEARNING_RATE: 2.5,
}
"""Doublings of a setting over which BLEU stays correlated: long for what matters little, as heads
and the feed-forward width do (Zhang and Duh 2020), short for what decides, as vocabularies do where
there is little text (Ding et al. 2019)."""
PRODUCT_LENGTHSCALE = 2.5
"""The same for the product of learning rate and width, along which training diverges."""
LENGTHSCALE_SHARE = 1.2
"""Reach of every other setting, in lengths of its range."""
LENGTHSCALE_SHARES = {"training.label_smoothing": 2.4}
"""The same of those that differ: label smoothing matters half as much as dropout (Vaswani et al.
2017, Table 3 D)."""
WIDE_RATIO = 8.0
"""Ratio between the ends of a range from which equal ratios count as equal steps."""


def columns(
    configurations: Sequence[Mapping[str, Any]],
    space: Mapping[str, BaseDistribution],
    fixed: Mapping[str, Any],
) -> Columns:
    """Returns the settings of configurations, searched and fixed.

    A setting that a configuration does not tell, as happens in other studies, is taken for the
    middle of its range. A learning rate that goes with the width is told as the one that a model's
    matrices have of it, so that either scale means the same.

    Args:
        configurations: Values by dotted path.
        space: The searched settings.
        fixed: Values of settings that are not searched.
    """
    count = len(configurations)
    found: dict[str, NDArray[Any]] = {
        name: np.full(count, float(value)) for name, value in fixed.items() if _is_number(value)
    }
    for name, distribution in space.items():
        values = [configuration.get(name, fixed.get(name)) for configuration in configurations]
        if _is_numeric(distribution):
            low, high = _ends(distribution)
            middle = math.sqrt(low * high) if _is_wide(low, high) else (low + high) / 2
            found[name] = np.array([v if _is_number(v) else middle for v in values], dtype=float)
        else:
            found[name] = np.array(values, dtype=object)
    if LEARNING_RATE in found and WIDTH in found:
        scales = [told.get(RATE_SCALE, fixed.get(RATE_SCALE)) for told in configurations]
        goes_with_width_N = np.array([scale == "width" for scale in scales], dtype=bool)
        ratios_N = np.where(goes_with_width_N, BASE_WIDTH / found[WIDTH], 1.0)
        found[LEARNING_RATE] = found[LEARNING_RATE] * ratios_N
    return found


def featurize(settings: Columns, space: Mapping[str, BaseDistribution]) -> Array:
    """Returns the coordinates of each configuration, in length scales of each setting.

    Args:
        settings: Settings of N configurations.
        space: The searched settings.

    Returns:
        Coordinates of shape N, D.
    """
    axes: list[Array] = []
    for name, distribution in space.items():
        if _is_numeric(distribution):
            axes.append(_scaled(name, settings[name], *_ends(distribution)))
        else:
            assert isinstance(distribution, CategoricalDistribution)
            # Two different names lie one apart, along two axes.
            axes += [
                np.array([math.sqrt(0.5) * (value == choice) for value in settings[name]])
                for choice in distribution.choices
            ]
    if LEARNING_RATE in space and WIDTH in space:
        axes.append(np.log2(settings[LEARNING_RATE] * settings[WIDTH]) / PRODUCT_LENGTHSCALE)
    return np.stack(axes, axis=1)


def _is_number(value: Any) -> TypeGuard[int | float]:  # noqa: ANN401 - any setting
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_numeric(distribution: BaseDistribution) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return all(_is_number(choice) for choice in distribution.choices)
    return True


def _ends(distribution: Any) -> tuple[float, float]:  # noqa: ANN401 - of three kinds
    """Returns the smallest and the largest value of a numeric setting."""
    if isinstance(distribution, CategoricalDistribution):
        numbers = [float(choice) for choice in distribution.choices if _is_number(choice)]
        return min(numbers), max(numbers)
    return float(distribution.low), float(distribution.high)


def _scaled(name: str, values_N: Array, low: float, high: float) -> Array:
    if name in LENGTHSCALE_DOUBLINGS:
        return np.log2(values_N) / LENGTHSCALE_DOUBLINGS[name]
    if low == high:
        return np.zeros_like(values_N)
    share = LENGTHSCALE_SHARES.get(name, LENGTHSCALE_SHARE)
    if _is_wide(low, high):
        return np.log(np.maximum(values_N, low * low / high) / low) / (share * math.log(high / low))
    return (values_N - low) / (share * (high - low))


def _is_wide(low: float, high: float) -> bool:
    return low > 0 and high / low >= WIDE_RATIO


USUAL_PAIRS = 100_000
"""Sentence pairs that a corpus of unknown size is taken for."""
ENGLISH = ("en", "eng")


@dataclass(frozen=True)
class CorpusInfo:
    """A training corpus, as far as it is known.

    Attributes:
        num_pairs: Sentence pairs.
        languages: Codes of the source and the target language.
    """

    num_pairs: int | None = None
    languages: tuple[str, str] | None = None

    @property
    def decades(self) -> float:
        """Returns the decimal logarithm of its size over the usual one."""
        return math.log10((self.num_pairs or USUAL_PAIRS) / USUAL_PAIRS)

    @property
    def outward(self) -> float:
        """Returns 1/2 out of English, -1/2 into it, 0 between others or unknown ones."""
        if self.languages is None:
            return 0.0
        source, target = (re.split("[-_]", code)[0].lower() in ENGLISH for code in self.languages)
        return (source - target) / 2


PRODUCT = f"{LEARNING_RATE} * {WIDTH}"
LINEAR_IN_TENTHS = ("model.dropout", "training.label_smoothing")
"""Settings whose distances count in tenths; those of all others count in doublings."""
STEPS, BATCH, BATCHES = "training.max_steps", "training.batch_tokens", "training.accumulate"
TOKENS_A_PAIR = 20
"""Subwords of a usual sentence."""
MANY_PASSES = 20
"""Passes over the corpus from which dropout and label smoothing are what the literature wants: a
model that sees each pair once or twice has nothing to overfit to (Komatsuzaki 2019, section 2)."""

LONG_TRAINING = 1.5e8
"""Target tokens from which on the best values stay: what the shortest whole runs of tables took."""
MAX_SHORTNESS = 1.3
"""Decades below a long training over which runs of tables were looked at: the best values of still
shorter trainings are those there."""
EXTRAPOLATED = (PRODUCT,)
"""Settings whose best value follows a law of the literature instead, however short the training is
(Bi et al. 2024, "DeepSeek LLM", section 3.1)."""


@dataclass(frozen=True)
class Optimum:
    """Prior optimum of one setting, with the loss around it.

    Attributes:
        best: Best value for a corpus of 100,000 pairs, into or out of English alike.
        per_tenfold: What ten times the pairs add to it, in doublings or tenths.
        out_of_english: What translating out of English adds to it, over translating into it.
        per_shortness: What a training of a tenth of the tokens adds to it, below a long training.
        loss_below: Loss per squared doubling (tenth) below the best value, near it, in standard
            deviations of BLEU among the configurations of a space; far from it, twice this per
            doubling.
        loss_above: The same above.
    """

    best: float
    per_tenfold: float
    out_of_english: float
    per_shortness: float
    loss_below: float
    loss_above: float

    def loss(self, distance_N: Array) -> Array:
        """Returns the loss at these distances from the best value."""
        slope_N = np.where(distance_N > 0, self.loss_above, self.loss_below)
        # Twice as far is at most twice as bad: the optimum is not known so well.
        loss_N: Array = slope_N * 2 * (np.sqrt(1 + distance_N**2) - 1)
        return loss_N


def expected(optima: Mapping[str, Optimum], settings: Columns, corpus: CorpusInfo) -> Array:
    """Returns the expected BLEU of configurations, in standard deviations, up to a constant.

    Args:
        optima: The prior.
        settings: Numeric settings of N configurations; at least one.
        corpus: The training corpus.
    """
    known = dict(settings)
    if LEARNING_RATE in known and WIDTH in known:
        known[PRODUCT] = known[LEARNING_RATE] * known[WIDTH]
    shortness_N, share_N = _shortness(settings, corpus.num_pairs)
    score_N = np.zeros(len(next(iter(settings.values()))))
    for name, optimum in optima.items():
        if name not in known:
            continue
        moved = optimum.per_tenfold * corpus.decades + optimum.out_of_english * corpus.outward
        if name in LINEAR_IN_TENTHS:
            distance_N = 10 * known[name] - share_N * (10 * optimum.best + moved)
        else:
            most = math.inf if name in EXTRAPOLATED else MAX_SHORTNESS
            moved_N = moved + optimum.per_shortness * np.minimum(shortness_N, most)
            distance_N = np.log2(known[name] / optimum.best) - moved_N
        score_N -= optimum.loss(distance_N)
    return score_N


def _shortness(settings: Columns, num_pairs: int | None) -> tuple[Array, Array]:
    """Returns decades below a long training, and the share of regularisation for its passes."""
    if not {STEPS, BATCH} <= set(settings):
        return np.zeros(1), np.ones(1)
    tokens_N = settings[STEPS] * settings[BATCH] * settings.get(BATCHES, 1.0)
    shortness_N: Array = np.maximum(np.log10(LONG_TRAINING / tokens_N), 0.0)
    if num_pairs is None:
        return shortness_N, np.ones(1)
    return shortness_N, np.minimum(1.0, tokens_N / (TOKENS_A_PAIR * num_pairs) / MANY_PASSES)


Growth = Mapping[str, float]
"""What a doubling of each setting adds to the logarithm of a cost, in standard deviations of that
logarithm among the configurations of a space."""
Costs = Mapping[str, Growth]
"""The growth of each cost by the name of its objective."""


def negative_log_cost(growth: Growth, settings: Columns) -> Array:
    """Returns the negative expected logarithm of a cost, up to a constant.

    Args:
        growth: How the cost grows.
        settings: Numeric settings of N configurations; at least one.
    """
    score_N = np.zeros(len(next(iter(settings.values()))))
    for name, slope in growth.items():
        if name in settings:
            score_N -= slope * np.log2(settings[name])
    return score_N


@functools.cache
def shipped_prior() -> Mapping[str, Optimum]:
    """Returns the prior of ``prior.yaml``, by setting."""
    return {name: Optimum(**figures) for name, figures in _shipped("prior.yaml").items()}


@functools.cache
def shipped_costs() -> Costs:
    """Returns the figures of ``costs.yaml``."""
    return _shipped("costs.yaml")


def _shipped(name: str) -> dict[str, dict[str, float]]:
    text = importlib.resources.files("automl_tf.search.samplers").joinpath(name).read_text()
    content: dict[str, dict[str, float]] = YAML(typ="safe").load(text)
    return content
