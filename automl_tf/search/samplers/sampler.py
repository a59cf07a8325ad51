"""The sampler of ``sampler: {kind: auto}``."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from automl_tf.search.samplers.candidates import (
    Configuration,
    drawn,
    listed,
    neighbours,
    unseen,
    value_at,
)
from automl_tf.search.samplers.cost_prior import Costs, shipped_costs
from automl_tf.search.samplers.history import earlier_studies, most_telling, scored
from automl_tf.search.samplers.judge import Effort, Judge
from automl_tf.search.samplers.models import MODELS, Model
from automl_tf.search.samplers.prior import Well, expected, shipped_prior
from automl_tf.search.samplers.several import FrontJudge, sides_of

PROMISING = 10
"""Candidates around which neighbours are looked at."""
ROUNDS = 5
"""Times that neighbours of the most promising ones are looked at."""
MOST_DRAWS = 10
"""Times that candidates are drawn from all over a space until some are feasible."""
FIXED_PARAMS = "fixed_params"
"""Optuna's name for what a queued trial was given."""


class PriorGPSampler(BaseSampler):
    """Proposes the configuration that is expected to improve BLEU most.

    With several objectives, the one that is expected to extend the Pareto front most. A Gaussian
    process over the whole space starts from the shipped prior and from earlier studies, and leaves
    both if the study's own trials speak against them. Trials that still run count with
    the score that is expected of them, so that workers try different things. What has been tried
    is not tried again while there is anything else.

    Where the effort of a trial is told, small models are tried before large ones that promise
    little more.

    Args:
        space: The searched settings.
        seed: Seed of the draws.
        learn_from: Names of earlier studies to learn from; all of the storage if None.
        wells: The prior; the shipped one if None.
        models: How far prior and earlier studies may be trusted.
        choose_from: The configurations that may be proposed; all of the space if None.
        is_feasible: Tells which may be proposed as long as there are any; all if None.
        costs: What is known of objectives that are minimised; what is shipped if None.
        effort: What a trial takes, if time is short rather than trials; with BLEU alone.
    """

    def __init__(  # noqa: PLR0913 - what replays and tests replace
        self,
        space: Mapping[str, BaseDistribution],
        seed: int,
        learn_from: Sequence[str] | None = None,
        wells: Mapping[str, Well] | None = None,
        models: Sequence[Model] = MODELS,
        choose_from: Sequence[Configuration] | None = None,
        is_feasible: Callable[[Configuration], bool] | None = None,
        costs: Costs | None = None,
        effort: Effort | None = None,
    ) -> None:
        self._space = dict(space)
        self._rng = np.random.default_rng(seed)
        self._learn_from = learn_from
        self._wells = shipped_prior() if wells is None else wells
        self._models = models
        self._choose_from = choose_from
        self._is_feasible = is_feasible
        self._costs = costs
        self._effort = effort

    def reseed_rng(self) -> None:
        """Draws other numbers from here on."""
        self._rng = np.random.default_rng()

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 - Optuna's interface
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """The whole space, which is static."""
        return self._space

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002 - Optuna's interface
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,  # noqa: ARG002
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401 - any setting
        """A uniform draw for a setting that is not in the space."""
        return value_at(param_distribution, float(self._rng.random()))

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002 - our own
    ) -> Configuration:
        """The next configuration.

        Raises:
            UserError: If a study that it is to learn from does not exist.
        """
        others = [
            other for other in study.get_trials(deepcopy=False) if other.number != trial.number
        ]
        running = [other.params for other in others if other.state == TrialState.RUNNING]
        seen = [other.params for other in others if other.state != TrialState.WAITING]
        given = trial.system_attrs.get(FIXED_PARAMS, {})
        judge = self._judge(study, others)
        judge.expect([params for params in running if set(params) == set(self._space)])
        return self._best(judge, seen, {n: v for n, v in given.items() if n in self._space})

    def _judge(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> Judge | FrontJudge:
        prior = functools.partial(expected, self._wells)
        earlier = earlier_studies(study, self._learn_from, needs=list(self._space))
        own = most_telling(scored(study, trials))
        judge = Judge(self._space, prior, self._models, own, earlier, self._effort)
        if len(study.directions) == 1:
            return judge
        costs = shipped_costs() if self._costs is None else self._costs
        sides = sides_of(study, trials, judge, self._space, prior, costs)
        complete = [trial.values for trial in trials if trial.state == TrialState.COMPLETE]
        return FrontJudge(sides, complete)

    def _best(
        self, judge: Judge | FrontJudge, seen: Sequence[Mapping[str, Any]], given: Mapping[str, Any]
    ) -> Configuration:
        """The most promising of the candidates that have not been tried."""
        all_there_is = self._choose_from or listed(self._space)
        first = self._first(all_there_is, given)
        candidates = unseen(first, seen)
        if not candidates:
            return first[int(self._rng.integers(len(first)))]
        # Equals are tried in no particular order.
        self._rng.shuffle(candidates)
        worth = judge.worth(candidates)
        if all_there_is:
            return candidates[int(worth.argmax())]
        for _ in range(ROUNDS):
            best = [candidates[index] for index in np.argsort(-worth)[:PROMISING]]
            moved = neighbours(best, self._space, self._rng)
            moved = self._feasible({**candidate, **given} for candidate in moved)
            candidates = [*best, *unseen(moved, [*seen, *best])]
            worth = judge.worth(candidates)
        return candidates[int(worth.argmax())]

    def _first(
        self, all_there_is: Sequence[Configuration] | None, given: Mapping[str, Any]
    ) -> list[Configuration]:
        """The candidates that are not neighbours of others: feasible ones, if any can be found."""
        completed: list[Configuration] = []
        for _ in range(1 if all_there_is else MOST_DRAWS):
            some = all_there_is or drawn(self._space, self._rng)
            completed = [{**candidate, **given} for candidate in some]
            feasible = self._feasible(completed)
            if feasible:
                return feasible
        return completed

    def _feasible(self, candidates: Iterable[Configuration]) -> list[Configuration]:
        if self._is_feasible is None:
            return list(candidates)
        return [candidate for candidate in candidates if self._is_feasible(candidate)]
