"""Events of a study, derived from its storage: the same whoever trains its trials, and where."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna

from automl_tf.search.confirmation import confirmation_study
from automl_tf.search.events import (
    Event,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.optuna_compat import storage_of
from automl_tf.search.study_view import StudyView, TrialView

POLL_SECONDS = 0.5
"""Least time between two looks into the storage: trials of a quickstart last some seconds."""
_LARGEST_SHARE = 0.05
"""Of the time that may be spent on looking: a study of thousands of trials is read slowly."""

Source = int | None
"""Number of the worker of this search that an event is about; None for others and for the study."""


@dataclass
class _Seen:
    """What was told of a trial: its claim, its steps, its end."""

    claim: tuple[str | None, int] | None = None
    progress: int = 0
    validated: int = 0
    has_ended: bool = False


class StudyMonitor:
    """Polls the storage and derives events from what has changed.

    Args:
        study: The study.
        worker_number: Returns the number of a worker of this search by its name, else None.
    """

    def __init__(self, study: optuna.Study, worker_number: Callable[[str], int | None]) -> None:
        self._study = study
        self._worker_number = worker_number
        self._last: StudyProgress | None = None
        self._next_look = 0.0
        self._seen: dict[tuple[str, int], _Seen] = {}
        for view in self._views():
            for trial in view.trials:
                if trial.has_ended:
                    self._seen[view.study, trial.number] = _Seen(has_ended=True)

    def news(self) -> Iterator[tuple[Source, Event]]:
        """Yields what has happened since the last look, if it is time for another."""
        began = time.monotonic()
        if began >= self._next_look:
            yield from self.look()
            now = time.monotonic()
            self._next_look = now + max(POLL_SECONDS, (now - began) / _LARGEST_SHARE)

    def look(self) -> Iterator[tuple[Source, Event]]:
        """Yields what has happened since the last look, and the study's progress if it changed."""
        view, *others = self._views()
        for one in (view, *others):
            for trial in one.trials:
                for event in self._news_of(one.study, trial):
                    number = None if trial.worker is None else self._worker_number(trial.worker)
                    yield number, event
        now = progress_of(view)
        if now != self._last:
            self._last = now
            yield None, now

    def _views(self) -> list[StudyView]:
        """The study, then that of its confirmations."""
        repeating = confirmation_study(storage_of(self._study), self._study)
        studies = [self._study, *(() if repeating is None else (repeating,))]
        return [StudyView.read(study) for study in studies]

    def _news_of(self, study: str, trial: TrialView) -> Iterator[Event]:
        seen = self._seen.setdefault((study, trial.number), _Seen())
        if seen.has_ended or trial.is_lost:
            return
        is_open = trial.state == "running" or trial.has_ended or seen.claim is not None
        # Before its size is known a trial has not begun.
        if is_open and trial.num_parameters is not None and trial.attempt:
            yield from self._course(trial, seen)
        if trial.has_ended:
            seen.has_ended = True
            yield end_of(trial)
        elif trial.state == "waiting" and seen.claim is not None:
            self._seen[study, trial.number] = _Seen()
            yield end_of(trial)

    def _course(self, trial: TrialView, seen: _Seen) -> Iterator[Event]:
        """The claim of a trial, validations since the last look, and the last note of progress."""
        claim = (trial.worker, trial.attempt)
        if seen.claim != claim:
            seen.claim = claim
            seen.progress = seen.validated = trial.resumed_from
            yield TrialStarted(
                trial=trial.number,
                params=trial.params,
                num_parameters=trial.num_parameters or 0,
                max_steps=trial.max_steps or 0,
                resumed=trial.resumed_from > 0,
                confirms=trial.confirms,
            )
        for step in sorted(step for step in trial.intermediate if step > seen.validated):
            seen.validated = step
            yield TrialValidated(
                trial=trial.number,
                step=step,
                bleu=trial.intermediate[step],
                chrf=trial.chrf[step],
                sentences=trial.sentences[step],
                confirms=trial.confirms,
            )
        progress = trial.progress
        if progress is None or progress["step"] <= seen.progress:
            return
        if progress["step"] >= seen.validated:
            seen.progress = int(progress["step"])
            yield TrialProgress(
                trial=trial.number,
                step=seen.progress,
                loss=progress["loss"],
                tokens_per_second=progress["tokens_per_second"],
                confirms=trial.confirms,
            )


def end_of(trial: TrialView) -> TrialEnded:
    """Returns the event of a trial that runs no more: its end, or that it waits to resume."""
    return TrialEnded(
        trial=trial.number,
        state="paused" if trial.is_paused else trial.state,
        bleu=trial.best_bleu,
        reason=trial.reason,
        seconds=trial.seconds,
        confirms=trial.confirms,
    )


def progress_of(view: StudyView) -> StudyProgress:
    """Returns the counts of a study, what is spent of its budget, and its best trial."""
    best = view.incumbent
    merit = None if best is None else best.best_merit
    return StudyProgress(
        counts=view.counts,
        spent=view.spent,
        running=[trial.number for trial in view.trials if trial.state == "running"],
        lost=[trial.number for trial in view.trials if trial.is_lost],
        best_trial=None if best is None else best.number,
        best_bleu=None if merit is None else merit.bleu,
        best_sentences=0 if merit is None else merit.num_sentences,
    )
