"""From a study's sampler and pruner to Optuna's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.space import Choices, Domain, Space
from automl_tf.config.study import (
    AutoPruner,
    AutoSampler,
    CMAESSampler,
    GPSampler,
    GridSampler,
    HyperbandPruner,
    MedianPruner,
    NoPruner,
    NSGAIISampler,
    PatientPruner,
    PercentilePruner,
    Pruner,
    QMCSampler,
    RandomSampler,
    Sampler,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    TPESampler,
)
from automl_tf.errors import Place, UserError
from automl_tf.search.avoiding import FailureAvoidingSampler
from automl_tf.search.pruners.comparing import ComparableValidations
from automl_tf.search.pruners.pruner import CurveExtrapolationPruner
from automl_tf.search.samplers.candidates import Configuration
from automl_tf.search.samplers.judge import Effort
from automl_tf.search.samplers.sampler import PriorGPSampler
from automl_tf.search.schema import comparable, outlook_at_stop


def distribution(domain: Domain) -> BaseDistribution:
    """The domain in Optuna's terms."""
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.choices)
    # Optuna warns of an upper bound that no step reaches.
    low, high = domain.ends()
    if domain.is_whole:
        return IntDistribution(int(low), int(high), log=domain.log, step=int(domain.step or 1))
    step = None if domain.step is None else float(domain.step)
    return FloatDistribution(float(low), float(high), log=domain.log, step=step)


def build_sampler(
    sampler: Sampler,
    space: Space,
    study_seed: int,
    number: int,
    failed: Sequence[Mapping[str, Any]] = (),
    is_feasible: Callable[[Configuration], bool] | None = None,
    effort: Effort | None = None,
) -> BaseSampler:
    """The sampler that proposes one trial.

    It is built anew for each trial, with a seed of the trial's own: a study that was interrupted,
    and one that has several workers, draws the same numbers as one that was not and has one.

    Args:
        sampler: The study's choice.
        space: The search space.
        study_seed: Seed of the study.
        number: Number of the trial.
        failed: Configurations that are known to fail, which a sampler that learns proposes no more.
            The others stay as they are: what they propose depends on the number alone.
        is_feasible: Tells what the study's limits do not forbid, as far as it is known before a
            trial; `auto` proposes nothing else.
        effort: What a trial takes, where time is short; `auto` weighs improvements by it.
    """
    built = _sampler(sampler, space, study_seed, number, is_feasible, effort)
    if failed and isinstance(sampler, TPESampler | GPSampler | CMAESSampler | NSGAIISampler):
        return FailureAvoidingSampler(built, _distributions(space), failed)
    return built


def _sampler(  # noqa: C901 - one case a kind
    sampler: Sampler,
    space: Space,
    study_seed: int,
    number: int,
    is_feasible: Callable[[Configuration], bool] | None,
    effort: Effort | None,
) -> BaseSampler:
    seed = trial_seed(study_seed, number)
    match sampler:
        case AutoSampler(learn_from=learn_from):
            return PriorGPSampler(
                _distributions(space), seed, learn_from, is_feasible=is_feasible, effort=effort
            )
        case RandomSampler():
            return optuna.samplers.RandomSampler(seed=seed)
        case GridSampler():
            return _Grid(grid(space), seed=study_seed)
        case TPESampler(startup_trials=startup):
            return optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed)
        case GPSampler(startup_trials=startup):
            return optuna.samplers.GPSampler(n_startup_trials=startup, seed=seed)
        case CMAESSampler(startup_trials=startup):
            return optuna.samplers.CmaEsSampler(
                n_startup_trials=startup, seed=seed, warn_independent_sampling=False
            )
        case QMCSampler():
            return _Sobol(space, study_seed)
        case NSGAIISampler(population=population):
            return optuna.samplers.NSGAIISampler(population_size=population, seed=seed)


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    return {name: distribution(domain) for name, domain in space.domains.items()}


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial, from its study's seed and its number."""
    return (study_seed * 100_003 + number) % 2**32


def grid(space: Space) -> Mapping[str, list[bool | int | float | str]]:
    """Every value of every setting of a space.

    Raises:
        UserError: If a range is continuous.
    """
    for name, domain in space.domains.items():
        if not domain.is_listable:
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
        self._space = _distributions(space)

    def infer_relative_search_space(self, *_args: object) -> dict[str, BaseDistribution]:
        """The whole space, which is static."""
        return self._space


class _Grid(optuna.samplers.GridSampler):
    """Optuna's grid without its own way of ending a study: the budget ends ours."""

    def after_trial(self, *_args: object) -> None:
        """Does not stop the study."""


def build_pruner(  # noqa: C901 - one case a kind
    pruner: Pruner, first_validation: int, max_steps: int, num_trials: int
) -> BasePruner:
    """The pruner of a study.

    Args:
        pruner: The study's choice.
        first_validation: Optimizer steps before the first validation.
        max_steps: Optimizer steps of a whole trial.
        num_trials: Trials of the whole study.
    """
    match pruner:
        case AutoPruner():
            return CurveExtrapolationPruner(pruner, max_steps, num_trials)
        case NoPruner():
            return optuna.pruners.NopPruner()
        case MedianPruner(startup_trials=startup, warmup_steps=warmup):
            return ComparableValidations(optuna.pruners.MedianPruner(startup, warmup))
        case PercentilePruner(percentile=share, startup_trials=startup, warmup_steps=warmup):
            return ComparableValidations(optuna.pruners.PercentilePruner(share, startup, warmup))
        case SuccessiveHalvingPruner(min_steps=least, reduction_factor=factor):
            return optuna.pruners.SuccessiveHalvingPruner(least or first_validation, factor)
        case HyperbandPruner(min_steps=least, reduction_factor=factor):
            return optuna.pruners.HyperbandPruner(least or first_validation, max_steps, factor)
        case PatientPruner(patience=patience, min_delta=delta, startup_trials=startup):
            rule = optuna.pruners.MedianPruner(startup)
            return ComparableValidations(optuna.pruners.PatientPruner(rule, patience, delta))
        case ThresholdPruner(lower=lower, warmup_steps=warmup):
            return optuna.pruners.ThresholdPruner(lower=lower, n_warmup_steps=warmup)


def pruning_reason(pruner: Pruner, trials: list[FrozenTrial], number: int, step: int) -> str:
    """Why a trial was pruned, in words with the numbers that decided."""
    noted = outlook_at_stop(trials[number])
    if noted is not None:
        return noted.words
    so_far = trials[number].intermediate_values
    told = f"BLEU {so_far[step]:.2f} at step {step}"
    if isinstance(pruner, ThresholdPruner):
        return f"{told} is below the threshold {pruner.lower:g}"
    is_ranking = isinstance(pruner, MedianPruner | PercentilePruner | PatientPruner)
    peers = [
        trial.intermediate_values[step]
        for trial in trials
        if trial.number != number
        and step in trial.intermediate_values
        and (trial.state == TrialState.COMPLETE or not is_ranking)
    ]
    if not peers:
        return f"{told}, by the {pruner.kind} rule"
    if not is_ranking:
        best = f"the best of {len(peers)} others had {max(peers):.2f}"
        return f"{told}, by the {pruner.kind} rule; {best}"
    share = pruner.percentile if isinstance(pruner, PercentilePruner) else 50.0
    best_so_far = max(comparable(trials[number]).values())
    bound = float(np.percentile(peers, 100.0 - share))
    return (
        f"best BLEU {best_so_far:.2f} by step {step} is below {bound:.2f}, what the upper "
        f"{share:g} % of {len(peers)} complete trials had there"
    )
