"""Optuna's rules that take the best BLEU so far, where validations grow."""

import copy

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from automl_tf.search.schema import comparable


class ComparableValidations(BasePruner):
    """Shows a rule only those validations of a trial that had as many sentences as its last.

    The rule would take what a trial once reached on a few easy sentences for the best it can, and
    compare it with what others reached at this step on more.

    Args:
        rule: The rule, which compares with others at the trial's last step.
    """

    def __init__(self, rule: BasePruner) -> None:
        self.rule = rule

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the rule stops the trial."""
        shown = copy.copy(trial)
        shown.intermediate_values = comparable(trial)
        return self.rule.prune(study, shown)
