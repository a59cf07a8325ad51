"""What a worker has at hand for every trial, and how a trial may end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import StudyConfig
from automl_tf.search.events import Event
from automl_tf.search.schema import StudyRecord
from automl_tf.search.strategy import trial_seed
from automl_tf.tracking.study import StudyRun
from automl_tf.training.watching import Pause

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
"""States as ``show --json`` spells them."""


@dataclass(frozen=True)
class WorkerContext:
    """What every trial of a worker needs.

    Attributes:
        storage: Where Optuna keeps it.
        study: The Optuna study.
        definition: What the study is.
        home: The home directory.
        tracking: The study's run in MLflow.
        tell: Where events go.
        should_pause: Whether the worker is to save its trial and leave.
    """

    storage: RDBStorage
    study: optuna.Study
    definition: StudyRecord
    home: Path
    tracking: StudyRun
    tell: Callable[[Event], None]
    should_pause: Pause

    @property
    def config(self) -> StudyConfig:
        """The study file."""
        return self.definition.config

    def trial_config(self, number: int, settings: Mapping[str, Any]) -> TrialConfig:
        """The configuration of a trial with these settings."""
        return self.definition.study.trial_config(settings, trial_seed(self.config.seed, number))

    def directory(self, number: int) -> Path:
        """Where a trial keeps its checkpoints."""
        return trial_directory(self.home, self.config.name, number)


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended: the state and, if it is complete, a value an objective."""

    state: TrialState
    values: tuple[float, ...] = ()
    reason: str | None = None
    is_worth_smaller_batches: bool = False


def trial_directory(home: Path, study_name: str, number: int) -> Path:
    """The directory of a trial's checkpoints."""
    return home / "studies" / study_name / f"trial-{number:04d}"
