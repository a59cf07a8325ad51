"""A sampler that does not propose again what is known to fail."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

MOST_ATTEMPTS = 100
"""Proposals that are drawn before one that failed is let through: a space may hold no other."""


class FailureAvoidingSampler(BaseSampler):
    """Draws from another sampler until it proposes what has not failed.

    Args:
        sampler: Where proposals come from.
        space: The whole space, by dotted path.
        failed: The configurations that failed.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        space: Mapping[str, BaseDistribution],
        failed: Sequence[Mapping[str, Any]],
    ) -> None:
        self._sampler = sampler
        self._space = dict(space)
        self._failed = failed

    def infer_relative_search_space(
        self, _study: optuna.Study, _trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The whole space: a configuration is judged as a whole."""
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, _search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A configuration that has not failed, if one is found."""
        for _ in range(MOST_ATTEMPTS):
            params = self._proposal(study, trial)
            if params not in self._failed:
                break
        return params

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401 - Optuna's type
        """The other sampler's, for what is not in the space."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Hands on."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Hands on."""
        self._sampler.after_trial(study, trial, state, values)

    def _proposal(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        together = self._sampler.infer_relative_search_space(study, trial)
        params = self._sampler.sample_relative(study, trial, together)
        return {
            name: params[name]
            if name in params
            else self._sampler.sample_independent(study, trial, name, domain)
            for name, domain in self._space.items()
        }
