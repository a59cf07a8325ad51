"""What a report is made from: a study read once, and the trials that it speaks of by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import optuna
from optuna.trial import FrozenTrial

from automl_tf.config.space import Domain, Scalar
from automl_tf.scoring.scores import Merit
from automl_tf.search.opening import baseline_params
from automl_tf.search.schema import StudyRecord, read_record
from automl_tf.search.study_view import StudyView, TrialRow, leaderboard

ENDED = ("complete", "pruned", "failed")
"""States that a trial does not leave."""


@dataclass(frozen=True)
class Material:
    """A study as it stands.

    Attributes:
        study: The Optuna study.
        definition: What it is.
        board: Its trials as every command shows them.
        trials: The same trials as Optuna keeps them, in the same order.
    """

    study: optuna.Study
    definition: StudyRecord
    board: StudyView
    trials: Sequence[FrozenTrial]

    @classmethod
    def read(cls, study: optuna.Study) -> "Material":
        """Reads a study from its storage."""
        board = leaderboard(study)
        # A worker may have added a trial since the leaderboard was read.
        trials = study.get_trials(deepcopy=False)[: len(board.trials)]
        return cls(study, read_record(study), board, trials)

    @property
    def domains(self) -> Mapping[str, Domain]:
        """The searched settings and their domains."""
        return self.definition.space.domains

    @cached_property
    def settings(self) -> list[str]:
        """The searched settings, the most important first where that is known."""
        known = self.board.importances
        return sorted(self.domains, key=lambda name: -known.get(name, 0.0))

    @cached_property
    def complete(self) -> list[TrialRow]:
        """The trials of the search that ran to their end."""
        return [trial for trial in self.board.searched if trial.state == "complete"]

    @cached_property
    def scored(self) -> list[TrialRow]:
        """The trials of the search that were validated at least once."""
        return [trial for trial in self.board.searched if trial.intermediate]

    @property
    def furthest(self) -> TrialRow | None:
        """The trial with the best validation so far, whether it has ended or not."""
        return max(self.scored, key=lambda trial: trial.best_merit or Merit(0, 0.0), default=None)

    @cached_property
    def winner(self) -> TrialRow | None:
        """The complete trial with the highest BLEU, or the one that fresh seeds have confirmed."""
        confirmation = self.board.confirmation
        if confirmation is not None and confirmation.winner is not None:
            return self.board.trials[confirmation.winner.number]
        return max(self.complete, key=lambda trial: trial.values or [], default=None)

    @cached_property
    def base(self) -> TrialRow | None:
        """The trial that the others are compared with: the first that the study was given."""
        is_tried = self.definition.config.sampler.kind != "grid" and self.base_settings
        return self.board.trials[0] if is_tried and self.board.trials else None

    @cached_property
    def base_settings(self) -> Mapping[str, Scalar]:
        """What the base is given of the searched settings: the paper's, or the study's own."""
        config = self.definition.config
        if config.start_with_base:
            return baseline_params(self.definition.study)
        return config.start_with[0] if config.start_with else {}

    @property
    def base_name(self) -> str:
        """What the base is."""
        if self.definition.config.start_with_base:
            return "the paper's base configuration, brought into the space"
        return "the configuration that the study starts with"

    @property
    def has_pruned(self) -> bool:
        """Whether a trial that was validated was pruned."""
        return any(trial.state == "pruned" for trial in self.scored)

    @property
    def is_over(self) -> bool:
        """Whether the budget of trials is spent."""
        return self.board.spent >= self.definition.config.budget.trials
