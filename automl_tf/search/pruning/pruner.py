"""The pruner of ``pruner: {kind: auto}``."""

from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from automl_tf.config.study import AutoPruner
from automl_tf.search.pruning.outlook import Outlook, outlook
from automl_tf.search.pruning.rivals import curve_of, rivals_of
from automl_tf.search.pruning.shapes import Shapes, shipped_shapes

MAX_STEPS = "training.max_steps"


class OutlookPruner(BasePruner):
    """Stops a trial that will hardly end among the best.

    All that it knows is in the storage, so that workers and resumed trials need nothing else.

    Args:
        settings: What the study asks for.
        max_steps: Optimizer steps of a trial that does not search their number.
        shapes: How curves go on in general; the shipped ones if None.
    """

    def __init__(
        self, settings: AutoPruner, max_steps: int, shapes: Shapes | None = None
    ) -> None:
        self._settings = settings
        self._max_steps = max_steps
        self._shapes = shipped_shapes() if shapes is None else shapes

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop a trial of a study whose BLEU is maximised."""
        found = self.outlook(trial, study.get_trials(deepcopy=False))
        return found is not None and found.chance < self._settings.chance

    def outlook(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Outlook | None:
        """How a trial will end, if anything speaks against its ending among the best.

        Args:
            trial: A trial with or without validations.
            trials: All trials of the study.
        """
        if not trial.intermediate_values:
            return None
        return outlook(
            curve_of(trial),
            rivals_of(trial, trials),
            trial.params.get(MAX_STEPS, self._max_steps),
            self._settings.top,
            self._shapes,
        )
