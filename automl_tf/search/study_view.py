"""What a study has found so far, read from the storage alone."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.scoring.scores import Merit
from automl_tf.search.confirming.round import SearchedStudy
from automl_tf.search.confirming.verdict import Confirmation, confirmation
from automl_tf.search.context import STATE_NAMES
from automl_tf.search.opening import lost_trials
from automl_tf.search.schema import (
    BEST_STEP,
    INFEASIBLE,
    NUM_PARAMETERS,
    REASON,
    RUN_ID,
    SECONDS,
    TRACKING,
    WORKER,
    StudyRecord,
    confirming_words,
    confirms,
    num_validated,
    read_record,
    searched,
    validations,
)

LEAST_FOR_IMPORTANCE = 8
"""Finished trials below which an importance would be read off noise."""

GONE = "its worker is gone; another one will go on with it"
"""What is said of a trial that the storage holds for running, but nobody runs."""
_STEPS = "training.max_steps"


@dataclass(frozen=True)
class TrialRow:
    """One trial of a study.

    Attributes:
        number: Its number, from zero.
        state: ``complete``, ``pruned``, ``failed``, ``running`` or ``waiting``.
        params: The searched settings by dotted path.
        values: A value for each objective, if the trial is complete.
        intermediate: Validation BLEU by optimizer step.
        reason: Why it ended before its time, or waits.
        num_parameters: Size of its model, if it got so far.
        seconds: Seconds of training.
        mlflow_run_id: Its run in MLflow, once there is one.
        best_step: Step of the weights it kept.
        was_trained: Whether it was within the constraints.
        max_steps: Optimizer steps of the whole of it, once its settings are drawn.
        worker: Host, process and start of the worker that has it or had it last.
        confirms: The trial that it repeats with another seed, if it does.
        sentences: Sentences of each validation by optimizer step, where that is known.
    """

    number: int
    state: str
    params: dict[str, Any]
    values: list[float] | None
    intermediate: dict[int, float]
    reason: str | None
    num_parameters: int | None
    seconds: float
    mlflow_run_id: str | None
    best_step: int | None
    was_trained: bool
    max_steps: int | None = None
    worker: str | None = None
    confirms: int | None = None
    sentences: dict[int, int] = field(default_factory=dict)

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
        """What the validation at a step counts for."""
        return Merit(self.sentences.get(step, 0), self.intermediate[step])


@dataclass(frozen=True)
class StudyView:
    """A study and its trials.

    Attributes:
        study: Name of the study.
        objectives: Name and direction of each objective.
        trials: All trials in the order of their numbers.
        best: Numbers of the best trial, or of the Pareto front where objectives are several. Once
            the best configurations are confirmed, it is the trial of the one that fresh seeds find
            the best.
        importances: Share of the objective's variance that each setting explains, most first;
            empty while the trials are too few.
        mlflow: Tracking URI, experiment and run of the study.
        confirmation: What fresh seeds say of the best, if that was asked for and has begun.
    """

    study: str
    objectives: list[tuple[str, str]]
    trials: list[TrialRow]
    best: list[int]
    importances: dict[str, float]
    mlflow: dict[str, str | None]
    confirmation: Confirmation | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        found = Counter(trial.state for trial in self.trials)
        return {state: found.get(state, 0) for state in STATE_NAMES.values()}

    @property
    def spent(self) -> int:
        """Trials that have ended and count against the budget."""
        open_ones = ("running", "waiting")
        return sum(trial.state not in open_ones and trial.was_trained for trial in self.searched)

    @property
    def searched(self) -> list[TrialRow]:
        """The trials of the search itself, without those that confirm others."""
        return [trial for trial in self.trials if trial.confirms is None]

    def ranked(self) -> list[TrialRow]:
        """The trials, best validation BLEU first, those that confirm others last."""
        return sorted(
            self.trials,
            key=lambda trial: (
                trial.confirms is not None,
                trial.state != "complete",
                -(trial.best_bleu or -1.0),
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``show --json``."""
        return {
            "study": self.study,
            "objectives": [
                {"name": name, "direction": direction} for name, direction in self.objectives
            ],
            "counts": self.counts,
            "trials": [_row_json(trial) for trial in self.trials],
            "best": self.best,
            "importances": self.importances,
            "confirmation": None if self.confirmation is None else self.confirmation.to_json(),
            "mlflow": self.mlflow,
        }


def leaderboard(study: optuna.Study) -> StudyView:
    """Reads a study."""
    definition = read_record(study)
    trials = study.get_trials(deepcopy=False)
    directions = [direction.name.lower() for direction in study.directions]
    tracking = study.user_attrs.get(TRACKING, {})
    confirmed = confirmation(trials, definition.config.confirm)
    return StudyView(
        study=study.study_name,
        objectives=list(zip(definition.config.objectives, directions, strict=True)),
        trials=_rows(study, definition, trials, tracking.get("trials", {})),
        best=_best(study, trials, confirmed),
        importances=_importances(study, trials),
        mlflow={
            "tracking_uri": tracking.get("tracking_uri"),
            "experiment": study.study_name,
            "run_id": tracking.get("run_id"),
        },
        confirmation=confirmed,
    )


def _rows(
    study: optuna.Study,
    definition: StudyRecord,
    trials: list[FrozenTrial],
    run_ids: dict[str, str],
) -> list[TrialRow]:
    fixed = definition.study.values(_STEPS)[0]
    is_searched = _STEPS in definition.space.domains
    lost = {trial.number for trial in lost_trials(study)}
    rows = []
    for trial in trials:
        row = _row(trial, run_ids, trial.params.get(_STEPS) if is_searched else fixed)
        rows.append(replace(row, reason=GONE) if trial.number in lost else row)
    return rows


def _row(trial: FrozenTrial, run_ids: dict[str, str], max_steps: int | None) -> TrialRow:
    attributes = trial.user_attrs
    return TrialRow(
        number=trial.number,
        state=STATE_NAMES[trial.state],
        params={**trial.system_attrs.get("fixed_params", {}), **trial.params},
        values=list(trial.values) if trial.state == TrialState.COMPLETE else None,
        intermediate={step: scores["bleu"] for step, scores in validations(trial).items()},
        sentences=num_validated(trial),
        reason=_reason(trial),
        num_parameters=attributes.get(NUM_PARAMETERS),
        seconds=attributes.get(SECONDS, 0.0),
        mlflow_run_id=attributes.get(RUN_ID) or run_ids.get(str(trial.number)),
        best_step=attributes.get(BEST_STEP),
        was_trained=not attributes.get(INFEASIBLE, False),
        max_steps=max_steps,
        worker=attributes.get(WORKER),
        confirms=confirms(trial),
    )


def _reason(trial: FrozenTrial) -> str | None:
    """Why a trial ended or waits, and what it is for."""
    # One that was paused and goes on has the reason of its pause still.
    noted = None if trial.state == TrialState.RUNNING else trial.user_attrs.get(REASON)
    return noted or confirming_words(trial)


def _row_json(trial: TrialRow) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "params": trial.params,
        "values": trial.values,
        "intermediate": {str(step): bleu for step, bleu in trial.intermediate.items()},
        "sentences": {str(step): size for step, size in trial.sentences.items()},
        "reason": trial.reason,
        "num_parameters": trial.num_parameters,
        "seconds": round(trial.seconds, 3),
        "mlflow_run_id": trial.mlflow_run_id,
        "best_step": trial.best_step,
        "max_steps": trial.max_steps,
        "worker": trial.worker,
        "confirms": trial.confirms,
    }


def _best(
    study: optuna.Study, trials: list[FrozenTrial], confirmed: Confirmation | None
) -> list[int]:
    if confirmed is not None and confirmed.winner is not None:
        return [confirmed.winner.number]
    if not any(trial.state == TrialState.COMPLETE for trial in trials):
        return []
    return sorted(trial.number for trial in SearchedStudy(study).best_trials)


def _importances(study: optuna.Study, trials: list[FrozenTrial]) -> dict[str, float]:
    complete = [trial for trial in searched(trials) if trial.state == TrialState.COMPLETE]
    if len(complete) < LEAST_FOR_IMPORTANCE:
        return {}
    try:
        return dict(
            optuna.importance.get_param_importances(
                SearchedStudy(study),
                target=lambda trial: trial.values[0],
                evaluator=_evaluator(),
            )
        )
    except (ValueError, RuntimeError):  # all values equal, or a setting that never varied
        return {}


def _evaluator() -> optuna.importance.FanovaImportanceEvaluator:
    return optuna.importance.FanovaImportanceEvaluator(seed=1)
