"""From a study's sampler and pruner to Optuna's."""

from collections.abc import Mapping

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from automl_tf.config.space import Choices, Domain, Space
from automl_tf.config.study import (
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


def distribution(domain: Domain) -> BaseDistribution:
    """The domain in Optuna's terms."""
    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.choices)
    if domain.is_whole:
        return IntDistribution(
            int(domain.low), int(domain.high), log=domain.log, step=int(domain.step or 1)
        )
    return FloatDistribution(
        float(domain.low),
        float(domain.high),
        log=domain.log,
        step=None if domain.step is None else float(domain.step),
    )


def build_sampler(sampler: Sampler, space: Space, study_seed: int, number: int) -> BaseSampler:
    """The sampler that proposes one trial.

    It is built anew for each trial, with a seed of the trial's own: a study that was interrupted,
    and one that has several workers, draws the same numbers as one that was not and has one.

    Args:
        sampler: The study's choice.
        space: The search space.
        study_seed: Seed of the study.
        number: Number of the trial.
    """
    seed = trial_seed(study_seed, number)
    match sampler:
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
            # Its points are one sequence: every trial needs the same scrambling.
            return optuna.samplers.QMCSampler(
                scramble=True,
                seed=study_seed,
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )
        case NSGAIISampler(population=population):
            return optuna.samplers.NSGAIISampler(population_size=population, seed=seed)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial, from its study's seed and its number."""
    return study_seed * 100_003 + number


def grid(space: Space) -> Mapping[str, list[bool | int | float | str]]:
    """Every value of every setting of a space.

    Raises:
        UserError: If a range is continuous.
    """
    for name, domain in space.domains.items():
        if not domain.is_finite:
            raise UserError(
                f"sampler.kind = grid cannot list {name}, {domain}.",
                "Give the range a step, list its choices, or use another sampler.",
                Place(key=name),
            )
    return {name: list(domain.corners()) for name, domain in space.domains.items()}


class _Grid(optuna.samplers.GridSampler):
    """Optuna's grid without its own way of ending a study: the budget ends ours."""

    def after_trial(self, *_args: object) -> None:
        """Does not stop the study."""


def build_pruner(pruner: Pruner, first_validation: int, max_steps: int) -> BasePruner:
    """The pruner of a study.

    Args:
        pruner: The study's choice.
        first_validation: Optimizer steps before the first validation.
        max_steps: Optimizer steps of a whole trial.
    """
    match pruner:
        case NoPruner():
            return optuna.pruners.NopPruner()
        case MedianPruner(startup_trials=startup, warmup_steps=warmup):
            return optuna.pruners.MedianPruner(startup, warmup)
        case PercentilePruner(percentile=share, startup_trials=startup, warmup_steps=warmup):
            return optuna.pruners.PercentilePruner(share, startup, warmup)
        case SuccessiveHalvingPruner(min_steps=least, reduction_factor=factor):
            return optuna.pruners.SuccessiveHalvingPruner(least or first_validation, factor)
        case HyperbandPruner(min_steps=least, reduction_factor=factor):
            return optuna.pruners.HyperbandPruner(least or first_validation, max_steps, factor)
        case PatientPruner(patience=patience, min_delta=delta, startup_trials=startup):
            return optuna.pruners.PatientPruner(
                optuna.pruners.MedianPruner(startup), patience, delta
            )
        case ThresholdPruner(lower=lower, warmup_steps=warmup):
            return optuna.pruners.ThresholdPruner(lower=lower, n_warmup_steps=warmup)


def pruning_reason(pruner: Pruner, trials: list[FrozenTrial], number: int, step: int) -> str:
    """Why a trial was pruned, in words with the numbers that decided."""
    here = trials[number].intermediate_values[step]
    peers = sorted(
        trial.intermediate_values[step]
        for trial in trials
        if trial.number != number and step in trial.intermediate_values
    )
    told = f"BLEU {here:.2f} at step {step}"
    if isinstance(pruner, ThresholdPruner):
        return f"{told} is below the threshold {pruner.lower:g}"
    if not peers:
        return f"{told}, by the {pruner.kind} rule"
    median = peers[len(peers) // 2]
    return (
        f"{told}, by the {pruner.kind} rule: {len(peers)} other trials had a median of "
        f"{median:.2f} and a best of {peers[-1]:.2f} there"
    )
