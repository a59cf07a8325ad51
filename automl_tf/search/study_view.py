"""The one read model of a study: what is shown, counted and decided about it comes from here."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import DIRECTIONS
from automl_tf.scoring.sentences import Merit
from automl_tf.scoring.tokenizers import tokenizer_of
from automl_tf.search.analysis import importances
from automl_tf.search.confirmation import (
    ConfirmationResult,
    confirmation_result,
    confirmation_study,
)
from automl_tf.search.optuna_compat import fixed_params, storage_of
from automl_tf.search.ownership import lost_trials, resumed_from
from automl_tf.search.schema import (
    ATTEMPT,
    BEST_STEP,
    CONFIRMS,
    MAX_STEPS,
    NUM_PARAMETERS,
    ORIGIN,
    PROGRESS,
    REASON,
    RUN_ID,
    SECONDS,
    STATE_NAMES,
    TRACKING,
    WORKER,
    FailureKind,
    Origin,
    StoppedForecast,
    StudyRecord,
    failure_kind,
    forecast_at_stop,
    is_feasible,
    is_paused,
    num_validated,
    read_record,
    study_id_of,
    validations,
)
from automl_tf.search.sessions import Session, sessions

LEAST_FOR_IMPORTANCE = 8
"""Finished trials below which an importance would be read off noise."""

GONE = "its worker is gone; another one will resume it"
"""What is said of a trial that the storage holds for running, but nobody runs."""
_STEPS = "training.max_steps"


@dataclass(frozen=True)
class TrialView:
    """One trial of a study, in its present attempt.

    Attributes:
        number: Its number, from zero.
        state: ``complete``, ``pruned``, ``failed``, ``running`` or ``waiting``.
        params: The searched settings by dotted path.
        values: A value for each objective, if the trial is complete.
        intermediate: Validation BLEU by optimizer step.
        chrf: Validation chrF by optimizer step.
        sentences: Sentences of each validation by optimizer step, where that is known.
        reason: Why it ended before its time, or waits.
        failure: Cause, if it failed.
        origin: Source of its configuration.
        attempt: Number of the attempt, from 1; 0 before training began.
        progress: Step, loss and speed between validations, if it was trained.
        resumed_from: Step of the last validation before its worker claimed it.
        num_parameters: Size of its model, if it got so far.
        seconds: Seconds of training.
        mlflow_run_id: Its run in MLflow, once there is one.
        best_step: Step of the weights it kept.
        is_feasible: Whether it was within the constraints.
        is_paused: Whether it waits to resume a training.
        is_lost: Whether it is said to run, but its worker is gone.
        max_steps: Optimizer steps of the whole of it, once its settings are drawn.
        worker: Host, process and start of the worker that has it or had it last.
        confirms: In a study of confirmations, the trial of the search that it repeats.
        sessions: Each time that a worker trained it, in all attempts.
        forecast: What is expected of its final BLEU, if it was paused or pruned.
    """

    number: int
    state: str
    params: dict[str, Any]
    values: list[float] | None
    intermediate: dict[int, float]
    reason: str | None = None
    num_parameters: int | None = None
    seconds: float = 0.0
    chrf: dict[int, float] = field(default_factory=dict)
    sentences: dict[int, int] = field(default_factory=dict)
    failure: FailureKind | None = None
    origin: Origin | None = None
    attempt: int = 0
    progress: Mapping[str, float] | None = None
    resumed_from: int = 0
    mlflow_run_id: str | None = None
    best_step: int | None = None
    is_feasible: bool = True
    is_paused: bool = False
    is_lost: bool = False
    max_steps: int | None = None
    worker: str | None = None
    confirms: int | None = None
    sessions: tuple[Session, ...] = ()
    forecast: StoppedForecast | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is complete, pruned or failed."""
        return self.state not in ("running", "waiting")

    @property
    def counts_against_budget(self) -> bool:
        """Whether it counts: not if a constraint, a machine or a disk kept it from training."""
        return self.is_feasible and (self.failure is None or self.failure.costs_budget)

    @property
    def last_step(self) -> int | None:
        """Optimizer step of the last validation."""
        return max(self.intermediate, default=None)

    @property
    def best_merit(self) -> Merit | None:
        """The best validation so far."""
        return max(map(self.merit, self.intermediate), default=None)

    @property
    def best_bleu(self) -> float | None:
        """BLEU of the best validation so far."""
        merit = self.best_merit
        return None if merit is None else merit.bleu

    def merit(self, step: int) -> Merit:
        """Returns what the validation at a step counts for."""
        return Merit(self.sentences.get(step, 0), self.intermediate[step])

    def to_json(self) -> dict[str, Any]:
        """Returns the form of ``show --json``."""
        return {
            "number": self.number,
            "state": self.state,
            "paused": self.is_paused,
            "params": self.params,
            "values": self.values,
            "intermediate": {str(step): bleu for step, bleu in self.intermediate.items()},
            "sentences": {str(step): size for step, size in self.sentences.items()},
            "reason": self.reason,
            "failure": self.failure,
            "origin": self.origin,
            "attempt": self.attempt,
            "num_parameters": self.num_parameters,
            "seconds": round(self.seconds, 3),
            "mlflow_run_id": self.mlflow_run_id,
            "best_step": self.best_step,
            "max_steps": self.max_steps,
            "worker": self.worker,
            "confirms": self.confirms,
            "sessions": [asdict(session) for session in self.sessions],
            "forecast": None if self.forecast is None else asdict(self.forecast),
        }


@dataclass(frozen=True)
class StudyView:
    """A study and its trials at one moment.

    Attributes:
        study: Name of the study.
        study_id: Its UUID.
        record: Its definition.
        trials: All trials in the order of their numbers.
        mlflow: Tracking URI, experiment and run of the study.
        confirmation: Result of the confirmations, if that was asked for and has begun.
        front: Numbers of the best trial of the search, or of the trials on its Pareto front.
    """

    study: str
    study_id: str
    record: StudyRecord
    trials: list[TrialView]
    mlflow: dict[str, str | None]
    confirmation: ConfirmationResult | None
    front: list[int]

    @classmethod
    def read(cls, study: optuna.Study) -> "StudyView":
        """Reads a study.

        Raises:
            UserError: If another program or another version wrote it.
        """
        record = read_record(study)
        trials = study.get_trials(deepcopy=False)
        tracking = study.user_attrs.get(TRACKING, {})
        has_best = any(trial.state == TrialState.COMPLETE for trial in trials)
        return cls(
            study=study.study_name,
            study_id=study_id_of(study),
            record=record,
            trials=_views(study, record, trials, tracking.get("trials", {})),
            mlflow={
                "tracking_uri": tracking.get("tracking_uri"),
                "experiment": study.study_name,
                "run_id": tracking.get("run_id"),
            },
            confirmation=_confirmation(study, record, trials),
            front=sorted(trial.number for trial in study.best_trials) if has_best else [],
        )

    @property
    def objectives(self) -> list[tuple[str, str]]:
        """Name and direction of each objective."""
        return [(name, DIRECTIONS[name]) for name in self.record.config.objectives]

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials in each state."""
        found = Counter(trial.state for trial in self.trials)
        return {state: found[state] for state in STATE_NAMES.values()}

    @property
    def spent(self) -> int:
        """Number of trials that have ended and count against the budget."""
        return sum(trial.has_ended and trial.counts_against_budget for trial in self.trials)

    @property
    def incumbent(self) -> TrialView | None:
        """The trial with the best validation so far, running ones included; of equals the first."""
        found = [trial for trial in self.trials if trial.best_merit and trial.state != "failed"]
        return max(found, key=lambda trial: (trial.best_merit, -trial.number), default=None)

    @property
    def best(self) -> list[int]:
        """Numbers of the best trials: the one that confirmations found the best, or the front."""
        if self.confirmation is not None and self.confirmation.winner is not None:
            return [self.confirmation.winner.number]
        return self.front

    @functools.cached_property
    def importances(self) -> dict[str, float]:
        """Share of the objective's variance that each setting explains, largest first.

        Empty while the complete trials are too few. Computed when it is first asked for.
        """
        complete = [trial for trial in self.trials if trial.values is not None]
        if len(complete) < LEAST_FOR_IMPORTANCE:
            return {}
        return importances(
            [trial.params for trial in complete], [(trial.values or [0.0])[0] for trial in complete]
        )

    def ranked(self) -> list[TrialView]:
        """Returns the trials: complete ones first, each group by its best validation."""
        worst = Merit(-1, 0.0)
        return sorted(
            self.trials,
            key=lambda trial: (trial.state == "complete", trial.best_merit or worst),
            reverse=True,
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the stable form of ``show --json``."""
        setting = self.record.config.fixed.get("training.precision", "auto")
        return {
            "study": self.study,
            "study_id": self.study_id,
            "objectives": [
                {"name": name, "direction": direction} for name, direction in self.objectives
            ],
            "counts": self.counts,
            "trials": [trial.to_json() for trial in self.trials],
            "best": self.best,
            "precision": self.record.precision if setting == "auto" else setting,
            "tokenizer": tokenizer_of(self.record.config),
            "importances": self.importances,
            "confirmation": None if self.confirmation is None else self.confirmation.to_json(),
            "mlflow": self.mlflow,
        }


def _views(
    study: optuna.Study,
    record: StudyRecord,
    trials: Sequence[FrozenTrial],
    run_ids: Mapping[str, str],
) -> list[TrialView]:
    fixed = record.study.values(_STEPS)[0]
    is_searched = _STEPS in record.space.domains
    lost = {trial.number for trial in lost_trials(study)}
    return [
        _view(
            trial,
            trial.user_attrs.get(MAX_STEPS) or (trial.params.get(_STEPS) if is_searched else fixed),
            run_ids.get(str(trial.number)),
            is_lost=trial.number in lost,
        )
        for trial in trials
    ]


def _view(
    trial: FrozenTrial, max_steps: int | None, run_id: str | None, *, is_lost: bool
) -> TrialView:
    attributes = trial.user_attrs
    curve = validations(trial)
    origin = attributes.get(ORIGIN)
    # A trial that was paused and runs again keeps the reason of its pause in the storage.
    reason = None if trial.state == TrialState.RUNNING else attributes.get(REASON)
    return TrialView(
        number=trial.number,
        state=STATE_NAMES[trial.state],
        params={**fixed_params(trial), **trial.params},
        values=list(trial.values) if trial.state == TrialState.COMPLETE else None,
        intermediate={step: scores["bleu"] for step, scores in curve.items()},
        chrf={step: scores["chrf"] for step, scores in curve.items()},
        sentences=num_validated(trial),
        reason=GONE if is_lost else reason,
        failure=failure_kind(trial),
        origin=None if origin is None else Origin(origin),
        attempt=attributes.get(ATTEMPT, 0),
        progress=attributes.get(PROGRESS) or None,
        resumed_from=resumed_from(trial),
        num_parameters=attributes.get(NUM_PARAMETERS),
        seconds=attributes.get(SECONDS, 0.0),
        mlflow_run_id=attributes.get(RUN_ID) or run_id,
        best_step=attributes.get(BEST_STEP),
        is_feasible=is_feasible(trial),
        is_paused=is_paused(trial),
        is_lost=is_lost,
        max_steps=max_steps,
        worker=attributes.get(WORKER),
        confirms=attributes.get(CONFIRMS),
        sessions=tuple(sessions(trial)),
        forecast=forecast_at_stop(trial),
    )


def _confirmation(
    study: optuna.Study, record: StudyRecord, trials: Sequence[FrozenTrial]
) -> ConfirmationResult | None:
    if record.config.confirm is None:
        return None
    repeating = confirmation_study(storage_of(study), study)
    if repeating is None:
        return None
    return confirmation_result(trials, repeating.get_trials(deepcopy=False), record.config.confirm)
