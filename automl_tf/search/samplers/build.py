"""Optuna's sampler for the ``sampler`` section of a study."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from automl_tf.config import study as settings
from automl_tf.config.space import Choices, Domain, Range, Space
from automl_tf.errors import Place, UserError
from automl_tf.search.samplers.acquisition import Effort
from automl_tf.search.samplers.feasibility import Memory
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.samplers.priors import Configuration
from automl_tf.search.schema import trial_seed

MAX_LISTED_VALUES = 64
"""Values of a range up to which a grid lists them."""
MAX_ATTEMPTS = 100
"""Proposals that are drawn before one that failed is let through: a space may hold no other."""


def distribution(domain: Domain) -> BaseDistribution:
    """Returns the domain in Optuna's terms."""
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.choices)
    # Optuna warns of an upper bound that no step reaches.
    low, high = domain.ends()
    if domain.is_whole:
        return IntDistribution(int(low), int(high), log=domain.log, step=int(domain.step or 1))
    step = None if domain.step is None else float(domain.step)
    return FloatDistribution(float(low), float(high), log=domain.log, step=step)


def build_sampler(  # noqa: C901, PLR0913 - one case a kind; what is known before a trial
    sampler: settings.Sampler,
    space: Space,
    study_seed: int,
    number: int,
    failed: Sequence[Mapping[str, Any]] = (),
    is_feasible: Callable[[Configuration], bool] | None = None,
    effort: Effort | None = None,
    memory: Memory | None = None,
) -> BaseSampler:
    """Returns the sampler that proposes one trial.

    It is built for each trial, with a seed of the trial's own: a study that was interrupted,
    and one that has several workers, draws the same numbers as one that was not and has one.

    Args:
        sampler: The study's choice.
        space: The search space.
        study_seed: Seed of the study.
        number: Number of the trial.
        failed: Configurations that are known to fail. `auto` learns from them; other samplers that
            learn do not propose them again. Samplers that do not learn ignore them: what they
            propose depends on the number alone.
        is_feasible: Tells what the study's limits do not forbid, as far as it is known before a
            trial; `auto` proposes nothing else.
        effort: Cost of a trial, where time is limited; `auto` divides improvements by it.
        memory: Estimated memory of a training, from which `auto` learns what is too large.
    """
    seed = trial_seed(study_seed, number)
    built: BaseSampler
    match sampler:
        case settings.AutoSampler(learn_from=names):
            return PriorGPSampler(
                distributions(space),
                seed,
                names,
                is_feasible=is_feasible,
                effort=effort,
                failed=failed,
                memory=memory,
            )
        case settings.RandomSampler():
            return optuna.samplers.RandomSampler(seed=seed)
        case settings.GridSampler():
            return _Grid(grid(space), seed=study_seed)
        case settings.QMCSampler():
            return _Sobol(space, study_seed)
        case settings.TPESampler(startup_trials=startup):
            built = optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed)
        case settings.GPSampler(startup_trials=startup):
            built = optuna.samplers.GPSampler(n_startup_trials=startup, seed=seed)
        case settings.CMAESSampler(startup_trials=startup):
            built = optuna.samplers.CmaEsSampler(
                n_startup_trials=startup, seed=seed, warn_independent_sampling=False
            )
        case settings.NSGAIISampler(population=population):
            built = optuna.samplers.NSGAIISampler(population_size=population, seed=seed)
    return FailureAvoidingSampler(built, distributions(space), failed) if failed else built


def suggested(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Has the sampler of any Optuna trial choose each setting of a space."""
    return {name: _suggest(trial, name, kind) for name, kind in distributions(space).items()}


def _suggest(trial: optuna.Trial, name: str, kind: BaseDistribution) -> object:
    match kind:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, kind.choices)
        case IntDistribution():
            return trial.suggest_int(name, kind.low, kind.high, step=kind.step, log=kind.log)
        case FloatDistribution():
            return trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)
    raise TypeError(f"no distribution of a space: {kind}")


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Returns the space in Optuna's terms."""
    return {name: distribution(domain) for name, domain in space.domains.items()}


def grid(space: Space) -> Mapping[str, list[bool | int | float | str]]:
    """Returns every value of every setting of a space.

    Raises:
        UserError: If a range is continuous.
    """
    for name, domain in space.domains.items():
        if isinstance(domain, Range) and (domain.count or math.inf) > MAX_LISTED_VALUES:
            raise UserError(
                f"sampler.kind = grid cannot list {name}, {domain}.",
                "Give the range a step, list its choices, or use another sampler.",
                Place(key=name),
            )
    return {name: list(domain.values()) for name, domain in space.domains.items()}


class _Sobol(optuna.samplers.QMCSampler):
    """Optuna's sequence over the study's whole space.

    Optuna learns the space from the first finished trial and draws at random before that: the
    points would depend on how many workers a study has and on what became of its first trial.
    """

    def __init__(self, space: Space, study_seed: int) -> None:
        # Every trial needs the same scrambling.
        super().__init__(scramble=True, seed=study_seed, warn_independent_sampling=False)
        self._space = distributions(space)

    def infer_relative_search_space(self, *_args: object) -> dict[str, BaseDistribution]:
        """Returns the whole space, which is static."""
        return self._space


class _Grid(optuna.samplers.GridSampler):
    """Optuna's grid without its own way of ending a study: the budget ends ours."""

    def after_trial(self, *_args: object) -> None:
        """Does nothing: does not stop the study."""


@dataclass(eq=False)
class FailureAvoidingSampler(BaseSampler):
    """Sampler that draws from another one until the configuration is not a known failure.

    Attributes:
        sampler: Where proposals come from.
        space: The whole space, by dotted path.
        failed: The configurations that failed.
    """

    sampler: BaseSampler
    space: dict[str, BaseDistribution]
    failed: Sequence[Mapping[str, Any]]

    def infer_relative_search_space(self, *_args: object) -> dict[str, BaseDistribution]:
        """Returns the whole space: a configuration is judged as a whole."""
        return self.space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, _space: object
    ) -> dict[str, Any]:
        """Returns a configuration that has not failed, if one is found."""
        together = self.sampler.infer_relative_search_space(study, trial)
        for _ in range(MAX_ATTEMPTS):
            params = self.sampler.sample_relative(study, trial, together)
            for name, domain in self.space.items():
                if name not in params:
                    params[name] = self.sample_independent(study, trial, name, domain)
            if params not in self.failed:
                break
        return params

    def sample_independent(self, *asked: Any) -> Any:  # noqa: ANN401 - Optuna's types
        """Returns the other sampler's, for what is not in the space."""
        return self.sampler.sample_independent(*asked)

    def before_trial(self, *told: Any) -> None:  # noqa: ANN401 - Optuna's types
        """Delegates to the other sampler."""
        self.sampler.before_trial(*told)

    def after_trial(self, *told: Any) -> None:  # noqa: ANN401 - Optuna's types
        """Delegates to the other sampler."""
        self.sampler.after_trial(*told)
