"""The sampler of ``sampler: {kind: auto}``, and the candidates among which it chooses.

A candidate is drawn or moved as a row of numbers between zero and one, one a searched setting.
Shape letters: N configurations, C candidates, S searched settings.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from automl_tf.search.optuna_compat import fixed_params, storage_of
from automl_tf.search.samplers import history
from automl_tf.search.samplers.acquisition import (
    CostAwareLogEI,
    Effort,
    ExpectedHypervolumeImprovement,
    objective_models,
)
from automl_tf.search.samplers.feasibility import FeasibilityModel, Memory
from automl_tf.search.samplers.gp import PRIOR_HYPOTHESES, MixturePosterior, PriorHypothesis
from automl_tf.search.samplers.priors import (
    Array,
    Configuration,
    Costs,
    Optimum,
    expected,
    shipped_costs,
    shipped_prior,
)
from automl_tf.search.schema import forecast_at_stop

NUM_STARTS = 10
"""Candidates whose neighbours are looked at."""
LOCAL_SEARCH_ROUNDS = 5
"""Times that neighbours of the most promising ones are looked at."""
MAX_DRAWS = 10
"""Times that candidates are drawn from all over a space until some are feasible."""
SAMPLE_SIZE = 200
"""Configurations that stand for the whole space."""
RISK_AVERSION = 3.0
"""Power of the probability of feasibility: a failed trial teaches less than a bad one and costs a
second attempt."""
MAX_ENUMERATED = 1500
"""Configurations of a space up to which all of them are looked at."""
NUM_SAMPLED = 1000
"""Configurations that are looked at of a larger one."""
NUM_PERTURBED = 300
"""Neighbours of the most promising ones that are looked at then."""
PERTURBATION_SCALE = 0.15
"""Standard deviation of a neighbour's distance along a changed setting, in lengths of the range."""
MEAN_CHANGED_SETTINGS = 2
"""Settings in which a neighbour differs on average."""


@dataclass(eq=False)
class PriorGPSampler(BaseSampler):
    """Bayesian optimization with a Gaussian process whose prior mean knows Transformers.

    It maximizes the expected improvement in BLEU or, with several objectives, in hypervolume, times
    a power of the probability that the configuration can be trained. The Gaussian process starts
    from the shipped prior and from earlier studies, and drops both if the study's own trials
    contradict them. Running trials count with their expected scores. No configuration is proposed
    twice while there is another.

    Attributes:
        space: The searched settings.
        seed: Seed of the draws.
        learn_from: Names of earlier studies to learn from; all of the storage if None.
        optima: The prior.
        hypotheses: Hypotheses about prior and earlier studies.
        choose_from: The configurations that may be proposed; all of the space if None.
        is_feasible: Tells which may be proposed as long as there are any; all if None.
        costs: Growth of objectives that are minimised.
        effort: Cost of a trial, if time is limited rather than trials; with BLEU alone.
        failed: Configurations that are known to fail, besides the study's failed trials.
        memory: Estimated memory of a training, in any unit; the number of parameters if None.
    """

    space: Mapping[str, BaseDistribution]
    seed: int
    learn_from: Sequence[str] | None = None
    optima: Mapping[str, Optimum] = field(default_factory=shipped_prior)
    hypotheses: Sequence[PriorHypothesis] = PRIOR_HYPOTHESES
    choose_from: Sequence[Configuration] | None = None
    is_feasible: Callable[[Configuration], bool] | None = None
    costs: Costs = field(default_factory=shipped_costs)
    effort: Effort | None = None
    failed: Sequence[Mapping[str, Any]] = ()
    memory: Memory | None = None

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._everything = self.choose_from or enumerate_space(self.space)
        # The same for each trial of a study: what is usual in a space does not change.
        sample = self.choose_from or sample_space(self.space, np.random.default_rng(0))
        self._sample = sample[:SAMPLE_SIZE]

    def infer_relative_search_space(self, *_args: object) -> dict[str, BaseDistribution]:
        """Returns the whole space, which is static."""
        return dict(self.space)

    def sample_independent(
        self, _study: object, _trial: object, _name: object, domain: BaseDistribution
    ) -> Any:  # noqa: ANN401 - any setting
        """Returns a uniform draw for a setting that is not in the space."""
        return from_unit(domain, float(self._rng.random()))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, _space: object
    ) -> Configuration:
        """Returns the next configuration.

        Raises:
            UserError: If a study that it is to learn from does not exist.
        """
        trials = study.get_trials(deepcopy=False)
        others = [other for other in trials if other.number != trial.number]
        given = {n: v for n, v in fixed_params(trial).items() if n in self.space}
        return self.propose(study, others, given)

    def predict(
        self,
        study: optuna.Study,
        trials: Sequence[FrozenTrial],
        configurations: Sequence[Configuration],
    ) -> MixturePosterior:
        """Returns the distributions of the final scores of configurations, given some trials."""
        acquisition = self._acquisition(study, trials)
        assert isinstance(acquisition, CostAwareLogEI), "there is one objective"
        return acquisition.posterior(configurations)

    def propose(
        self,
        study: optuna.Study,
        others: Sequence[FrozenTrial],
        given: Mapping[str, Any] | None = None,
    ) -> Configuration:
        """Returns the most promising configuration that has not been tried.

        Args:
            study: The study.
            others: Its trials.
            given: Values that are given by setting.
        """
        acquisition = self._acquisition(study, others)
        feasibility = FeasibilityModel(
            self.space,
            history.fixed_settings(study),
            history.trained_configurations(others),
            history.failures_of_settings(others, self.failed),
            self._sample,
            self.memory,
        )

        def value(candidates: Sequence[Configuration]) -> Array:
            log_feasible_C = feasibility.log_probability(candidates)
            return acquisition.evaluate(candidates) + RISK_AVERSION * log_feasible_C

        return self._best(value, history.tried(others), given or {})

    def _acquisition(
        self, study: optuna.Study, trials: Sequence[FrozenTrial]
    ) -> CostAwareLogEI | ExpectedHypervolumeImprovement:
        """Returns the acquisition function, given all that is known of scores."""
        names = None if self.learn_from is None else tuple(self.learn_from)
        acquisition: CostAwareLogEI | ExpectedHypervolumeImprovement
        acquisition = first = CostAwareLogEI(
            self.space,
            functools.partial(expected, self.optima),
            self.hypotheses,
            history.most_informative(history.scored_trials(study, trials)),
            history.earlier_studies(storage_of(study), study.study_name, names, tuple(self.space)),
            self._sample,
            self.effort,
        )
        if len(study.directions) > 1:
            models = objective_models(study, trials, first, self.costs)
            complete = [trial.values for trial in trials if trial.state == TrialState.COMPLETE]
            acquisition = ExpectedHypervolumeImprovement(models, complete, self._sample)
        running = [
            trial.params
            for trial in trials
            if trial.state == TrialState.RUNNING and forecast_at_stop(trial) is None
        ]
        acquisition.condition_on_running(
            [params for params in running if set(params) == set(self.space)]
        )
        return acquisition

    def _best(
        self,
        value: Callable[[Sequence[Configuration]], Array],
        seen: Sequence[Mapping[str, Any]],
        given: Mapping[str, Any],
    ) -> Configuration:
        """Returns the best candidate with the given values that has not been tried."""
        first = self._first(given)
        candidates = unseen(first, seen)
        if not candidates:
            return first[int(self._rng.integers(len(first)))]
        # Equals are tried in no particular order.
        self._rng.shuffle(candidates)
        value_C = value(candidates)
        for _ in range(0 if self._everything else LOCAL_SEARCH_ROUNDS):
            best = [candidates[index] for index in np.argsort(-value_C)[:NUM_STARTS]]
            moved = perturb(best, self.space, self._rng)
            moved = self._feasible({**candidate, **given} for candidate in moved)
            candidates = [*best, *unseen(moved, [*seen, *best])]
            value_C = value(candidates)
        return candidates[int(value_C.argmax())]

    def _first(self, given: Mapping[str, Any]) -> list[Configuration]:
        """Returns the candidates of the first round: feasible ones, if any are found."""
        for _ in range(1 if self._everything else MAX_DRAWS):
            some = self._everything or sample_space(self.space, self._rng)
            completed = [{**candidate, **given} for candidate in some]
            if feasible := self._feasible(completed):
                return feasible
        return completed

    def _feasible(self, candidates: Iterable[Configuration]) -> list[Configuration]:
        if self.is_feasible is None:
            return list(candidates)
        return [candidate for candidate in candidates if self.is_feasible(candidate)]


def enumerate_space(space: Mapping[str, BaseDistribution]) -> list[Configuration] | None:
    """Returns every configuration of a small space; None of a large one."""
    if math.prod(_count(distribution) for distribution in space.values()) > MAX_ENUMERATED:
        return None
    values = [_values(distribution) for distribution in space.values()]
    return [dict(zip(space, chosen, strict=True)) for chosen in itertools.product(*values)]


def sample_space(
    space: Mapping[str, BaseDistribution], rng: np.random.Generator
) -> list[Configuration]:
    """Returns configurations from all over a large space."""
    return _configurations(rng.random((NUM_SAMPLED, len(space))), space)


def perturb(
    promising: Sequence[Configuration],
    space: Mapping[str, BaseDistribution],
    rng: np.random.Generator,
) -> list[Configuration]:
    """Returns configurations that differ a little from promising ones."""
    units_NS = np.array(
        [
            [to_unit(distribution, configuration[name]) for name, distribution in space.items()]
            for configuration in promising
        ]
    )
    units_NS = units_NS[rng.integers(len(promising), size=NUM_PERTURBED)]
    changes_NS = rng.random(units_NS.shape) < MEAN_CHANGED_SETTINGS / len(space)
    perturbed_NS = units_NS + changes_NS * rng.normal(scale=PERTURBATION_SCALE, size=units_NS.shape)
    for column, distribution in enumerate(space.values()):
        if isinstance(distribution, CategoricalDistribution):
            changes_N = changes_NS[:, column]
            perturbed_NS[changes_N, column] = rng.random(changes_N.sum())
    return _configurations(np.clip(perturbed_NS, 0, 1), space)


def unseen(
    configurations: Iterable[Configuration], seen: Iterable[Mapping[str, Any]]
) -> list[Configuration]:
    """Returns the configurations that are not among the seen ones, each once."""
    known = {_key(configuration) for configuration in seen}
    fresh: dict[object, Configuration] = {}
    for configuration in configurations:
        fresh.setdefault(_key(configuration), configuration)
    return [configuration for key, configuration in fresh.items() if key not in known]


def from_unit(distribution: BaseDistribution, place: float) -> Any:  # noqa: ANN401 - any setting
    """Returns the value of a setting at a number between zero and one, in equal shares."""
    number = _count(distribution)
    index = min(int(place * number), number - 1) if number < math.inf else 0
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(index)]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = distribution.low, distribution.high
    if distribution.log:
        value = low * (high / low) ** place
        return min(max(round(value), low), high) if isinstance(low, int) else min(value, high)
    if distribution.step is None:
        return low + place * (high - low)
    value = low + index * distribution.step
    return value if isinstance(low, int) else round(value, 12)


def to_unit(distribution: BaseDistribution, value: Any) -> float:  # noqa: ANN401 - any setting
    """Returns a number between zero and one at which a setting has the value."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.to_internal_repr(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high = distribution.low, distribution.high
    if distribution.single():
        return 0.5
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    if distribution.step is None:
        return float((value - low) / (high - low))
    return float(((value - low) / distribution.step + 0.5) / _count(distribution))


def _count(distribution: BaseDistribution) -> float:
    """Returns the number of values of a setting; infinity for a continuous one."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.single():
        return 1
    if distribution.step is None:
        return math.inf
    # A little more than the quotient: 0.3 / 0.1 falls short of three.
    return math.floor((distribution.high - distribution.low) / distribution.step + 1e-9) + 1


def _values(distribution: BaseDistribution) -> Sequence[Any]:
    """Returns every value of a setting that is not continuous."""
    if isinstance(distribution, IntDistribution):
        return range(distribution.low, distribution.high + 1, distribution.step)
    number = int(_count(distribution))
    return [from_unit(distribution, (index + 0.5) / number) for index in range(number)]


def _configurations(units_NS: Array, space: Mapping[str, BaseDistribution]) -> list[Configuration]:
    values = [
        [from_unit(distribution, place) for place in units_NS[:, column].tolist()]
        for column, distribution in enumerate(space.values())
    ]
    return [dict(zip(space, told, strict=True)) for told in zip(*values, strict=True)]


def _key(configuration: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, repr(value)) for name, value in configuration.items()))
