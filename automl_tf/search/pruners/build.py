"""Optuna's pruner for the ``pruner`` section of a study, and its decisions in words."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config import study as settings
from automl_tf.config.study import Study, StudyConfig
from automl_tf.search.pruners.pruner import (
    CONTINUE,
    CurveExtrapolationPruner,
    ParetoPruner,
    PruningDecision,
)
from automl_tf.search.schema import comparable


def build_pruner(  # noqa: C901 - one case a kind
    pruner: settings.Pruner, first_validation: int, max_steps: int, num_trials: int
) -> BasePruner:
    """Returns the pruner of a study.

    Args:
        pruner: The study's choice.
        first_validation: Optimizer steps before the first validation.
        max_steps: Optimizer steps of a whole trial.
        num_trials: Trials of the whole study.
    """
    match pruner:
        case settings.AutoPruner():
            return CurveExtrapolationPruner(pruner, max_steps, num_trials)
        case settings.NoPruner():
            return optuna.pruners.NopPruner()
        case settings.MedianPruner(startup_trials=startup, warmup_steps=warmup):
            return ComparableValidations(optuna.pruners.MedianPruner(startup, warmup))
        case settings.PercentilePruner(
            percentile=share, startup_trials=startup, warmup_steps=warmup
        ):
            return ComparableValidations(optuna.pruners.PercentilePruner(share, startup, warmup))
        case settings.SuccessiveHalvingPruner(min_steps=least, reduction_factor=factor):
            return optuna.pruners.SuccessiveHalvingPruner(least or first_validation, factor)
        case settings.HyperbandPruner(min_steps=least, reduction_factor=factor):
            return optuna.pruners.HyperbandPruner(least or first_validation, max_steps, factor)
        case settings.PatientPruner(patience=patience, min_delta=delta, startup_trials=startup):
            rule = optuna.pruners.MedianPruner(startup)
            return ComparableValidations(optuna.pruners.PatientPruner(rule, patience, delta))
        case settings.ThresholdPruner(lower=lower, warmup_steps=warmup):
            return optuna.pruners.ThresholdPruner(lower=lower, n_warmup_steps=warmup)


def pruner_of(study: Study) -> BasePruner:
    """Returns the pruner that a study asks for."""
    return build_pruner(
        study.config.pruner,
        first_validation=min(study.values("training.validate_every")),
        max_steps=max(study.values("training.max_steps")),
        num_trials=study.config.budget.trials,
    )


def decide(
    config: StudyConfig, study: optuna.Study, number: int, step: int, max_steps: int
) -> PruningDecision:
    """Returns whether to stop a running trial after a validation, and why.

    With several objectives only ``auto`` prunes: Optuna's rules know one.

    Args:
        config: The study's configuration.
        study: The study, with its pruner.
        number: Number of the trial.
        step: Optimizer steps done.
        max_steps: Optimizer steps of the whole trial.
    """
    if step >= max_steps:
        return CONTINUE
    trials = study.get_trials(deepcopy=False)
    trial = trials[number]
    if len(config.objectives) > 1:
        if not isinstance(config.pruner, settings.AutoPruner):
            return CONTINUE
        return ParetoPruner(config.pruner, config.objectives, max_steps).judge(trial, trials)
    if isinstance(study.pruner, CurveExtrapolationPruner):
        return study.pruner.judge(trial, trials)
    if not study.pruner.prune(study, trial):
        return CONTINUE
    return PruningDecision(describe_rule(config.pruner, trials, number, step))


def describe_rule(
    pruner: settings.Pruner, trials: Sequence[FrozenTrial], number: int, step: int
) -> str:
    """Returns why a rule of Optuna's stopped a trial, with the numbers that decided.

    Args:
        pruner: The rule.
        trials: All trials of the study.
        number: Number of the stopped trial.
        step: Optimizer steps done.
    """
    so_far = trials[number].intermediate_values
    told = f"BLEU {so_far[step]:.2f} at step {step}"
    if isinstance(pruner, settings.ThresholdPruner):
        return f"{told} is below the threshold {pruner.lower:g}"
    is_ranking = pruner.kind in ("median", "percentile", "patient")
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
    share = pruner.percentile if isinstance(pruner, settings.PercentilePruner) else 50.0
    best_so_far = max(comparable(trials[number]).values())
    bound = float(np.percentile(peers, 100.0 - share))
    return (
        f"best BLEU {best_so_far:.2f} by step {step} is below {bound:.2f}, what the upper "
        f"{share:g} % of {len(peers)} complete trials had there"
    )


@dataclass(eq=False)
class ComparableValidations(BasePruner):
    """Pruner that shows a rule only validations with as many sentences as the trial's last.

    The rule would take what a trial once reached on a few easy sentences for the best it can, and
    compare it with what others reached at this step on more.

    Attributes:
        rule: The rule, which compares with others at the trial's last step.
    """

    rule: BasePruner

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Returns whether the rule stops the trial."""
        shown = copy.copy(trial)
        shown.intermediate_values = comparable(trial)
        return self.rule.prune(study, shown)
