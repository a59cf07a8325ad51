"""The pruner of ``pruner: {kind: auto}``."""

from collections.abc import Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from automl_tf.config.study import AutoPruner
from automl_tf.search.pruners.levels import Levels
from automl_tf.search.pruners.outlook import Aim, Outlook, outlook
from automl_tf.search.pruners.rivals import rivals_of
from automl_tf.search.pruners.shapes import Shapes, shipped_shapes
from automl_tf.search.schema import StoppedFor, note_outlook

MAX_STEPS = "training.max_steps"


class CurveExtrapolationPruner(BasePruner):
    """Stops a trial that will hardly end among the best.

    All that it knows is in the storage, so that workers and resumed trials need nothing else.

    Args:
        settings: What the study asks for.
        max_steps: Optimizer steps of a trial that does not search their number.
        num_trials: Trials that the study will have in the end.
        shapes: How curves go on in general; the shipped ones if None.
    """

    def __init__(
        self,
        settings: AutoPruner,
        max_steps: int,
        num_trials: int,
        shapes: Shapes | None = None,
    ) -> None:
        self._settings = settings
        self._aim = Aim(settings.top, num_trials)
        self._max_steps = max_steps
        self._shapes = shipped_shapes() if shapes is None else shapes

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to stop a trial of a study whose BLEU is maximised."""
        found = self.outlook(trial, study.get_trials(deepcopy=False))
        if found is None or found.chance >= self._settings.chance:
            return False
        note_outlook(study, trial, StoppedFor(found.words(), found.likely, found.hopeful))
        return True

    def outlook(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> Outlook | None:
        """How a trial will end; None if it has no validation, or nothing to compare it with.

        Args:
            trial: The trial.
            trials: All trials of the study.
        """
        if not trial.intermediate_values:
            return None
        levels = Levels(trials)
        rivals = rivals_of(trial, trials, levels)
        if not rivals.tops:
            return None
        max_steps = trial.params.get(MAX_STEPS, self._max_steps)
        return outlook(levels.curve(trial), rivals, max_steps, self._aim, self._shapes)
