"""Assumptions on how scores come about, between which the trials of a study decide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Model:
    """One assumption: so much trust in the prior, so much in earlier studies.

    Attributes:
        chance: Probability before any trial.
        trust: Factor of the prior's expectation.
        trust_spread: Standard deviation of that factor.
        deviation: Variance of the smooth deviation from it.
        likeness: Correlation with earlier studies of corpora of the same size; 0 ignores them.
    """

    chance: float
    trust: float
    trust_spread: float
    deviation: float
    likeness: float


MODELS = (
    Model(chance=0.7, trust=1.0, trust_spread=0.5, deviation=0.5, likeness=0.7),
    Model(chance=0.2, trust=1.0, trust_spread=0.5, deviation=0.5, likeness=0.0),
    Model(chance=0.07, trust=0.0, trust_spread=0.0, deviation=1.0, likeness=0.0),
    Model(chance=0.03, trust=0.0, trust_spread=1.0, deviation=0.6, likeness=0.0),
)
"""What ``kind: auto`` holds possible."""
ALONE = (Model(chance=1.0, trust=0.0, trust_spread=0.0, deviation=1.0, likeness=0.0),)
"""A Gaussian process that knows nothing."""


def distinct(models: Sequence[Model], *, has_earlier: bool) -> list[Model]:
    """The models that differ: without earlier studies, likeness makes no difference."""
    if has_earlier:
        return list(models)
    merged: dict[Model, float] = {}
    for model in models:
        key = replace(model, chance=0.0, likeness=0.0)
        merged[key] = merged.get(key, 0.0) + model.chance
    return [replace(model, chance=chance) for model, chance in merged.items()]
