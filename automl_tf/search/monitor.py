"""What the storage knows of a study and no worker of this process has told."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.scoring.scores import Merit
from automl_tf.search.context import STATE_NAMES
from automl_tf.search.events import (
    Event,
    Notice,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.opening import lost_trials
from automl_tf.search.schema import (
    INFEASIBLE,
    NUM_PARAMETERS,
    REASON,
    SECONDS,
    WORKER,
    best_bleu,
    best_merit,
    confirms,
    num_validated,
    read_record,
    searched,
    validations,
)

LOOK_SECONDS = 2.0
"""Time between two looks into the storage."""


@dataclass
class _Told:
    """What was told of a trial: who runs it, its last validation, its end."""

    worker: str | None = None
    step: int = 0
    has_ended: bool = False


class Watch:
    """Looks into the storage now and then, and tells what others have done there.

    Args:
        study: The study.
        speaks: Whether a worker of that name tells its own events.
    """

    def __init__(self, study: optuna.Study, speaks: Callable[[str], bool]) -> None:
        self._study = study
        self._speaks = speaks
        self._config = read_record(study).study
        self._standing: StudyProgress | None = None
        self._next_look = 0.0
        self._told = {
            trial.number: _Told(has_ended=True)
            for trial in study.get_trials(deepcopy=False)
            if trial.state.is_finished()
        }

    def heard(self, event: Event) -> None:
        """Takes note of what a worker has told by itself."""
        if isinstance(event, TrialStarted | TrialEnded):
            ended = isinstance(event, TrialEnded) and event.state != "waiting"
            self._told[event.trial] = _Told(has_ended=ended)
            self._next_look = 0.0

    def news(self) -> Iterator[Event]:
        """What has happened since the last look, if it is time for another."""
        if time.monotonic() >= self._next_look:
            yield from self.look()
            self._next_look = time.monotonic() + LOOK_SECONDS

    def look(self) -> Iterator[Event]:
        """What has happened since the last look, and how the study stands if that has changed."""
        trials = self._study.get_trials(deepcopy=False)
        lost = {trial.number for trial in lost_trials(self._study)}
        for trial in trials:
            worker = trial.user_attrs.get(WORKER)
            if worker is not None and not self._speaks(worker) and trial.number not in lost:
                yield from self._news_of(trial, worker)
        now = standing(trials, lost)
        if now != self._standing:
            self._standing = now
            yield now

    def _news_of(self, trial: FrozenTrial, worker: str) -> Iterator[Event]:
        told = self._told.setdefault(trial.number, _Told())
        if trial.state == TrialState.RUNNING:
            # Before its size is known a trial has not begun.
            if NUM_PARAMETERS in trial.user_attrs:
                yield from self._course(trial, worker, told)
        elif trial.state.is_finished() and not told.has_ended:
            self._told[trial.number] = _Told(has_ended=True)
            yield end_of(trial)
        elif trial.state == TrialState.WAITING and told.worker is not None:
            self._told[trial.number] = _Told()
            yield end_of(trial)

    def _course(self, trial: FrozenTrial, worker: str, told: _Told) -> Iterator[Event]:
        """The start of a trial, and where it is now."""
        reached = validations(trial)
        if told.worker != worker:
            told.worker = worker
            config = self._config.trial_config(trial.params, self._config.config.seed)
            yield TrialStarted(
                trial=trial.number,
                params=dict(trial.params),
                num_parameters=trial.user_attrs[NUM_PARAMETERS],
                max_steps=config.training.max_steps,
                resumed=bool(reached),
                confirms=confirms(trial),
            )
        step = max(reached, default=0)
        if step > told.step:
            told.step = step
            scores = reached[step]
            if "train_loss" in scores:
                pace = scores["tokens_per_second"]
                yield TrialProgress(trial.number, step, scores["train_loss"], pace)
            yield TrialValidated(
                trial.number, step, scores["bleu"], scores["chrf"], num_validated(trial)[step]
            )


def end_of(trial: FrozenTrial) -> TrialEnded:
    """How a trial that does not run any more ended, or that it waits."""
    return TrialEnded(
        trial=trial.number,
        state=STATE_NAMES[trial.state],
        bleu=best_bleu(trial),
        reason=trial.user_attrs.get(REASON),
        seconds=trial.user_attrs.get(SECONDS, 0.0),
    )


def loss(trial: FrozenTrial) -> Notice:
    """What became of a trial whose worker is gone."""
    if trial.state == TrialState.FAIL:
        return Notice(f"trial {trial.number} has failed: {trial.user_attrs[REASON]}")
    return Notice(f"trial {trial.number} goes back to the queue: its worker is gone")


def standing(trials: list[FrozenTrial], lost: set[int]) -> StudyProgress:
    """How a study with these trials stands.

    Args:
        trials: All of them.
        lost: Numbers of those that run without a worker.
    """
    counts = dict.fromkeys(STATE_NAMES.values(), 0)
    best: tuple[Merit, int] | None = None
    for trial in trials:
        counts[STATE_NAMES[trial.state]] += 1
        merit = best_merit(trial)
        if merit is not None and trial.state != TrialState.FAIL and confirms(trial) is None:
            # Of equals the earlier one.
            found = merit, -trial.number
            best = found if best is None else max(best, found)
    return StudyProgress(
        counts=counts,
        spent=sum(
            trial.state.is_finished() and not trial.user_attrs.get(INFEASIBLE)
            for trial in searched(trials)
        ),
        running=[trial.number for trial in trials if trial.state == TrialState.RUNNING],
        lost=sorted(lost),
        best_trial=None if best is None else -best[1],
        best_bleu=None if best is None else best[0].bleu,
        best_sentences=0 if best is None else best[0].num_sentences,
    )
