"""Everything that a worker holds for the trials of a study."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import StudyConfig
from automl_tf.device import Precision, resolve_precision
from automl_tf.home import HomeDirectory
from automl_tf.search.costs import effort, feasible, memory
from automl_tf.search.events import Event
from automl_tf.search.freeze_thaw import FreezeThaw
from automl_tf.search.samplers.build import build_sampler
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.schema import (
    CONFIRMED_STUDY,
    StudyRecord,
    known_failures,
    study_id_of,
    trial_seed,
)
from automl_tf.tracking.runs import StudyRun
from automl_tf.training.events import Pause

CONFIRMATION_SEEDS = 50_000
"""Added to the numbers of confirmations, so that they have other seeds than the search's trials."""


@dataclass(frozen=True)
class WorkerContext:
    """A study and what its trials need.

    Attributes:
        storage: The Optuna storage.
        study: The Optuna study.
        record: Its definition.
        home: The home directory.
        tracking: The study's run in MLflow.
        tell: Receives notices.
        should_pause: Asks whether the worker is to save its trial and leave.
        deadline: End of the search on the clock of `time.monotonic`; None without a limit.
    """

    storage: RDBStorage
    study: optuna.Study
    record: StudyRecord
    home: Path
    tracking: StudyRun
    tell: Callable[[Event], None]
    should_pause: Pause
    deadline: float | None = None

    @property
    def config(self) -> StudyConfig:
        """The study file."""
        return self.record.config

    @property
    def seconds_left(self) -> float | None:
        """Time until the search ends; None without a limit."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    @functools.cached_property
    def freeze_thaw(self) -> FreezeThaw | None:
        """The scheduler that pauses and resumes trials; None if each is trained at once."""
        is_fifo = self.config.scheduler.kind == "fifo" or self.is_confirmation
        return None if is_fifo else FreezeThaw(self.record)

    def sampler(self, number: int, trials: Sequence[FrozenTrial]) -> BaseSampler:
        """Returns the sampler of the trial of a number, given all trials of the study."""
        return build_sampler(
            self.config.sampler,
            self.record.space,
            self.config.seed,
            number,
            list(known_failures(trials).values()),
            feasible(self.record.study, self.record.precision),
            # With the scheduler each configuration has as many steps as fit the same time.
            effort(self.record.study) if self.freeze_thaw is None else None,
            memory(self.record.study, self.record.precision),
        )

    def proposing_sampler(self, trials: Sequence[FrozenTrial]) -> PriorGPSampler:
        """Returns the sampler of the next new trial, which predicts final scores as well."""
        sampler = self.sampler(len(trials), trials)
        assert isinstance(sampler, PriorGPSampler), "the study file is checked for it"
        return sampler

    @property
    def is_confirmation(self) -> bool:
        """Whether the study repeats the best configurations of another one."""
        return CONFIRMED_STUDY in self.study.user_attrs

    def trial_config(self, number: int, settings: Mapping[str, Any]) -> TrialConfig:
        """Returns a trial's configuration of settings by dotted path; its number gives the seed."""
        place = number + CONFIRMATION_SEEDS if self.is_confirmation else number
        return self.record.study.trial_config(settings, trial_seed(self.config.seed, place))

    def precision(self, config: TrialConfig) -> Precision:
        """Returns the arithmetic of a trial: its setting, or the study's where that is ``auto``."""
        setting, recorded = config.training.precision, self.record.precision
        return recorded if setting == "auto" and recorded else resolve_precision(setting)

    def directory(self, number: int) -> Path:
        """Returns the directory of a trial's checkpoints."""
        home = HomeDirectory(self.home)
        return home.trial(self.study.study_name, study_id_of(self.study), number)
