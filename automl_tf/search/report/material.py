"""Data of a report: a study, read once, and the parts of it that the sections share."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.space import Domain
from automl_tf.config.study import DIRECTIONS, StudyConfig
from automl_tf.formatting import format_objective
from automl_tf.search.schema import Origin
from automl_tf.search.study_view import StudyView, TrialView

BASE_NAMES: Final = {
    Origin.BASE: "the paper's base configuration, brought into the space",
    Origin.GIVEN: "the configuration that the study starts with",
}
"""Origins of a base, the preferred one first, and their names in a sentence."""

OBJECTIVES: Final = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "num_parameters": "parameters",
    "latency": "latency",
    "train_hours": "training time",
    "flops_per_token": "floating-point operations a token",
    "estimated_memory_mb": "estimated memory",
}
"""Objectives and limits by the names that people read."""


@dataclass(frozen=True)
class Material:
    """A study as every command shows it; its trials, in order, also as Optuna stores them."""

    view: StudyView
    trials: Sequence[FrozenTrial]

    @classmethod
    def read(cls, study: optuna.Study) -> "Material":
        """Reads a study from its storage."""
        view = StudyView.read(study)
        # A worker may have added a trial since the view was read.
        return cls(view, study.get_trials(deepcopy=False)[: len(view.trials)])

    @property
    def config(self) -> StudyConfig:
        """The study file."""
        return self.view.record.config

    @property
    def domains(self) -> Mapping[str, Domain]:
        """The searched settings and their domains."""
        return self.view.record.space.domains

    @cached_property
    def complete(self) -> list[TrialView]:
        """The complete trials."""
        return [trial for trial in self.view.trials if trial.state == "complete"]

    @cached_property
    def scored(self) -> list[TrialView]:
        """The trials that were validated at least once."""
        return [trial for trial in self.view.trials if trial.intermediate]

    @cached_property
    def ended(self) -> list[TrialView]:
        """The trials that were validated and have ended."""
        return [trial for trial in self.scored if trial.has_ended]

    @property
    def has_pruned(self) -> bool:
        """Whether a trial that was validated was pruned."""
        return any(trial.state == "pruned" for trial in self.scored)

    @cached_property
    def winner(self) -> TrialView | None:
        """The best trial, with several objectives the one of the front with the highest BLEU."""
        best = [self.view.trials[number] for number in self.view.best]
        return max(best, key=lambda trial: trial.values or [], default=None)

    @cached_property
    def base(self) -> TrialView | None:
        """The given trial that the others are compared with, by its recorded origin."""
        by_origin = {trial.origin: trial for trial in reversed(self.view.trials)}
        return next((by_origin[origin] for origin in BASE_NAMES if origin in by_origin), None)

    @property
    def is_over(self) -> bool:
        """Whether the budget of trials is spent."""
        return self.view.spent >= self.config.budget.trials

    @cached_property
    def bleu_study(self) -> optuna.Study:
        """The search with BLEU as its only objective, for Optuna's figures."""
        return self.plain_study(1)

    def plain_study(self, num_objectives: int) -> optuna.Study:
        """Copies the trials without their attributes, all of which Optuna would write at points."""
        names = self.config.objectives[:num_objectives]
        study = optuna.create_study(directions=[DIRECTIONS[name] for name in names])
        for trial in self.trials:
            plain = copy.copy(trial)
            plain.user_attrs, plain.intermediate_values = {}, {}
            if trial.state == TrialState.COMPLETE:
                plain.values = trial.values[:num_objectives]
            study.add_trial(plain)
        return study

    def reached(self, trial: TrialView) -> list[str]:
        """Returns the values of a complete trial with their names."""
        pairs = zip(self.config.objectives, trial.values or [], strict=True)
        return [f"{OBJECTIVES[name]} {format_objective(name, value)}" for name, value in pairs]
