"""Freeze-thaw scheduling of a study: what a free worker trains next, and when a training ends.

`scheduling` decides between options; this module makes them of the trials in the storage. If the
time is limited, the length of a full training is what a configuration reaches in the share of the
time that is kept for the last one, at the speed at which it was seen to train. The cool-down of the
last training is brought forward so that it ends in time.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import FreezeThawScheduler, Study, StudyConfig
from automl_tf.formatting import HOUR
from automl_tf.search import schema
from automl_tf.search.costs import operations_of_a_step
from automl_tf.search.pruners.curves import (
    LearningCurve,
    SubsetCalibration,
    shipped_curve_prior,
)
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.scheduling import (
    BegunTrial,
    Candidate,
    Choice,
    Status,
    candidates,
    choose,
    final_score,
    is_worthwhile,
)
from automl_tf.search.sessions import sessions

SAFETY = 0.8
"""Share of the time that is left which a plan uses: speeds vary, and the test split comes last."""
LEAST_VALIDATIONS = 2
"""Validations of the shortest full training that is planned."""

_STATUS = {
    TrialState.COMPLETE: Status.COMPLETE,
    TrialState.RUNNING: Status.RUNNING,
    TrialState.WAITING: Status.PAUSED,
    TrialState.PRUNED: Status.STOPPED,
}


@dataclass(frozen=True)
class Assignment:
    """What a free worker trains next.

    Attributes:
        number: Number of the paused trial to resume; None for a new trial.
        max_steps: Length to which its training is shortened, so that it ends in time.
        reason: Why, with the numbers that decide.
    """

    number: int | None
    max_steps: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Ending:
    """Nothing is left for a free worker to train, and why."""

    reason: str


class FreezeThaw:
    """The scheduler of a study.

    Args:
        record: The definition of the study.
    """

    def __init__(self, record: schema.StudyRecord) -> None:
        assert isinstance(record.config.scheduler, FreezeThawScheduler)
        self._study: Study = record.study
        self._config: StudyConfig = record.config
        self._share = record.config.scheduler.finish
        self._prior = shipped_curve_prior()
        self._operations = operations_of_a_step(record.study)

    def next(
        self,
        study: optuna.Study,
        sampler: PriorGPSampler,
        seconds_left: float | None,
        released: int | None = None,
    ) -> Assignment | Ending:
        """Returns what a free worker trains next.

        Args:
            study: The study.
            sampler: Proposes the configuration of the next new trial.
            seconds_left: Time until the search ends; None without a limit.
            released: Number of a running trial that counts as paused.
        """
        trials = study.get_trials(deepcopy=False)
        plan = self._plan(trials, seconds_left)
        for trial in trials:
            if schema.is_paused(trial) and schema.MAX_STEPS in trial.user_attrs:
                return Assignment(trial.number, reason="its last part was interrupted")
        begun = _begun(trials, plan, released)
        if not begun:
            return Assignment(None, reason="the first trial")
        options = candidates(begun, plan.validate_every)
        configurations = [
            trials[option.number].params for option in options if option.number is not None
        ]
        if plan.num_new > 0:
            proposed = sampler.propose(study, trials)
            full = plan.cost(plan.steps(proposed), proposed)
            options.append(Candidate(None, full, full * plan.validate_every / plan.steps(proposed)))
            configurations.append(proposed)
        if not options:
            return Ending("all trials of the budget have ended")
        complete = _complete_curves(begun)
        expected = [
            final_score(trial, complete, self._prior).median
            for trial in begun
            if trial.status == Status.RUNNING
        ]
        choice = choose(
            options,
            sampler.predict(study, trials, configurations),
            max((curve.top for curve in complete), default=None),
            plan.budget,
            max(expected, default=None),
        )
        return self._assigned(choice, trials, plan)

    def _assigned(
        self, choice: Choice | None, trials: Sequence[FrozenTrial], plan: "_Plan"
    ) -> Assignment | Ending:
        if choice is None:
            return Ending("nothing can end in time")
        ends_early = self._config.budget.until == "worthwhile"
        if ends_early and not is_worthwhile(choice, *_spent(trials, plan)):
            return Ending(f"more is not worth its cost: {choice.reason}")
        if choice.number is None:
            return Assignment(None, reason=choice.reason)
        return Assignment(choice.number, plan.shortened(trials[choice.number]), choice.reason)

    def reason_to_pause(
        self,
        study: optuna.Study,
        sampler: PriorGPSampler,
        number: int,
        seconds_left: float | None,
    ) -> str | None:
        """Returns why a running trial is to pause after a validation; None if it goes on.

        Args:
            study: The study.
            sampler: Proposes the configuration of the next new trial.
            number: Number of the trial.
            seconds_left: Time until the search ends; None without a limit.
        """
        if schema.MAX_STEPS in study.get_trials(deepcopy=False)[number].user_attrs:
            return None
        assigned = self.next(study, sampler, seconds_left, released=number)
        if isinstance(assigned, Ending):
            return assigned.reason
        if assigned.number != number:
            return assigned.reason
        return (
            None if assigned.max_steps is None else "its cool-down begins, so that it ends in time"
        )

    def forecast(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> schema.StoppedForecast:
        """Returns what is expected of the final BLEU of a trial that has been validated."""
        begun = _begun(trials, self._plan(trials, None))
        judged = next(one for one in begun if one.number == trial.number)
        score = final_score(judged, _complete_curves(begun), self._prior)
        return schema.StoppedForecast(score.median, score.p95)

    def _plan(self, trials: Sequence[FrozenTrial], seconds_left: float | None) -> "_Plan":
        timed = [
            trial for trial in trials if _is_begun(trial) and trial.user_attrs.get(schema.SECONDS)
        ]
        operations = [self._operations(trial.params) for trial in timed]
        rates = [
            trial.user_attrs[schema.SECONDS] / (_last_step(trial) * of_a_step)
            for trial, of_a_step in zip(timed, operations, strict=True)
        ]
        hours = self._config.budget.hours
        counted = sum(
            trial.state != TrialState.WAITING or schema.is_paused(trial) for trial in trials
        )
        return _Plan(
            study=self._study,
            operations=self._operations,
            seconds_an_operation=statistics.median(rates) if rates else 0.0,
            usual_operations=statistics.median(operations) if operations else 0.0,
            seconds_of_a_full_training=None if hours is None else self._share * HOUR * hours,
            seconds_left=seconds_left,
            num_new=self._config.budget.trials - counted,
        )


@dataclass(frozen=True)
class _Plan:
    """Lengths and costs of full trainings.

    Attributes:
        study: The study.
        operations: Floating-point operations of a step with some settings.
        seconds_an_operation: Seconds an operation, the median of the trials so far.
        usual_operations: Operations of a step of the trials so far, their median.
        seconds_of_a_full_training: Time that is kept for one; None without a limit.
        seconds_left: Time until the search ends; None without a limit.
        num_new: Trials that may still begin.
    """

    study: Study
    operations: Callable[[Mapping[str, Any]], float]
    seconds_an_operation: float
    usual_operations: float
    seconds_of_a_full_training: float | None
    seconds_left: float | None
    num_new: int

    @property
    def validate_every(self) -> int:
        return int(min(self.study.values("training.validate_every")))

    @property
    def budget(self) -> float | None:
        """What a worker can still spend, in full trainings."""
        if self.seconds_left is None or not self._full_seconds:
            return None
        return SAFETY * self.seconds_left / self._full_seconds

    @property
    def _full_seconds(self) -> float:
        """Seconds of a full training, which is the unit of costs."""
        if self.seconds_of_a_full_training is not None:
            return self.seconds_of_a_full_training
        steps = max(self.study.values("training.max_steps"))
        return self.seconds_an_operation * self.usual_operations * float(steps)

    def seconds_a_step(self, params: Mapping[str, Any]) -> float:
        return self.seconds_an_operation * self.operations(params)

    def steps(self, params: Mapping[str, Any]) -> int:
        """Returns the optimizer steps of a full training with some settings."""
        longest = int(max(self.study.values("training.max_steps")))
        step = self.seconds_a_step(params)
        if self.seconds_of_a_full_training is None or step == 0:
            return longest
        reached = int(SAFETY * self.seconds_of_a_full_training / step)
        return min(longest, max(reached, LEAST_VALIDATIONS * self.validate_every))

    def cost(self, steps: int, params: Mapping[str, Any]) -> float:
        """Returns what so many steps cost, in full trainings."""
        return (
            steps * self.seconds_a_step(params) / self._full_seconds if self._full_seconds else 1.0
        )

    def shortened(self, trial: FrozenTrial) -> int | None:
        """Returns the length at which a training ends in time, once its cool-down has to begin.

        None as long as there is time for another validation before it.
        """
        if self.seconds_left is None:
            return None
        config = self.study.trial_config(trial.params, seed=1).training
        if config.cooldown == 1.0:
            return None
        done = _last_step(trial)
        step = trial.user_attrs.get(schema.SECONDS, 0.0) / done
        reachable = done + int(SAFETY * self.seconds_left / step) if step else config.max_steps
        after_another = math.ceil((done + self.validate_every) / (1 - config.cooldown))
        if reachable >= min(after_another, config.max_steps):
            return None
        # What comes later than the time is paused and can be resumed.
        least = max(math.ceil(done / (1 - config.cooldown)), config.warmup_steps + 1)
        return min(config.max_steps, max(reachable, least))


def _begun(
    trials: Sequence[FrozenTrial], plan: _Plan, released: int | None = None
) -> list[BegunTrial]:
    """Returns the trials that have been validated; a released one counts as paused."""
    calibration = SubsetCalibration(trials)
    found = []
    for trial in trials:
        if not _is_begun(trial):
            continue
        curve = calibration.curve(trial, _bleu(trial))
        steps = max(plan.steps(trial.params), math.ceil(curve.last))
        status = Status.PAUSED if trial.number == released else _STATUS[trial.state]
        cost = plan.cost(steps, trial.params)
        found.append(BegunTrial(trial.number, status, curve, steps, cost))
    return found


def _spent(trials: Sequence[FrozenTrial], plan: _Plan) -> tuple[float, float]:
    """Returns what all trials have cost, and how much of it since the best of them was complete.

    In full trainings.
    """
    begun = [trial for trial in trials if _is_begun(trial)]
    spent = sum(plan.cost(_last_step(trial), trial.params) for trial in begun)
    complete = [trial for trial in begun if trial.state == TrialState.COMPLETE]
    if not complete:
        return spent, 0.0
    best = max(complete, key=lambda trial: trial.values[0])
    assert best.datetime_complete is not None, "it is complete"
    # Optuna stores local times without their zone.
    at = best.datetime_complete.astimezone()
    later = (
        plan.cost((session.to_step or _last_step(trial)) - session.from_step, trial.params)
        for trial in begun
        for session in sessions(trial)
        if datetime.fromisoformat(session.began) > at
    )
    return spent, sum(later)


def _complete_curves(begun: Sequence[BegunTrial]) -> list[LearningCurve]:
    return [trial.curve for trial in begun if trial.status == Status.COMPLETE]


def _is_begun(trial: FrozenTrial) -> bool:
    return trial.state in _STATUS and bool(schema.validations(trial))


def _bleu(trial: FrozenTrial) -> dict[int, float]:
    return {step: scores["bleu"] for step, scores in schema.validations(trial).items()}


def _last_step(trial: FrozenTrial) -> int:
    return max(schema.validations(trial))
