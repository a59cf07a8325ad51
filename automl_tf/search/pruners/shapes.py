"""How learning curves go on rising: the shipped prior.

BLEU of a Transformer rises by nearly the same share less with each doubling of its steps, so that
one number tells how a curve goes on: what a doubling adds, over what the doubling before it added.
How that number is spread stands in ``shapes.yaml``, which ``benchmarks/derive_shapes.py`` derives.

Shape letters: Q quantiles.
"""

import functools
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ruamel.yaml import YAML

from automl_tf.search.pruners.curve import Array

SLACK = 0.3
"""BLEU that a rise is taken to be larger than it is: less is noise, and from zero nothing grows."""
RISING, RESTING, STALLED = "rising", "resting", "stalled"
LONG = 1 / 3
"""Staleness from which a curve counts as stalled."""


@dataclass(frozen=True)
class Shapes:
    """How the rise of a doubling compares with that of the doubling before.

    Attributes:
        quantiles: Shares of the curves, ascending.
        ratios: The ratio below which such a share of the curves lies, for curves that are rising,
            resting and stalled.
    """

    quantiles: Sequence[float]
    ratios: Mapping[str, Sequence[float]]

    def gains(self, rise: float, staleness: float, doublings: float) -> Array:
        """What a curve may still gain, in BLEU: one value a quantile.

        Args:
            rise: What its last doubling added, in BLEU.
            staleness: Share of its steps since it last improved.
            doublings: Doublings of its steps that are left.
        """
        ratio_Q = np.array(self.ratios[state(staleness)])
        # A geometric series: each doubling adds the ratio times what the one before it added.
        ratio_Q = np.where(np.abs(ratio_Q - 1) < 1e-6, 1 - 1e-6, ratio_Q)  # noqa: PLR2004
        gains_Q: Array = (rise + SLACK) * ratio_Q * (1 - ratio_Q**doublings) / (1 - ratio_Q)
        return gains_Q

    def weights(self) -> Array:
        """How much of the curves each quantile stands for; one in all."""
        ends = (np.array(self.quantiles[1:]) + np.array(self.quantiles[:-1])) / 2
        return np.diff(np.concatenate([[0.0], ends, [1.0]]))


def state(staleness: float) -> str:
    """The name of what a curve does."""
    if staleness == 0:
        return RISING
    return RESTING if staleness < LONG else STALLED


@functools.cache
def shipped_shapes() -> Shapes:
    """The shapes of ``shapes.yaml``."""
    text = importlib.resources.files("automl_tf.search.pruners").joinpath("shapes.yaml").read_text()
    content = YAML(typ="safe").load(text)
    return Shapes(content.pop("quantiles"), content)
