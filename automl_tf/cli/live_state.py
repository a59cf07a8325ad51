"""What a terminal shows of a study while it runs, gathered from events."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from automl_tf.config.study import StudyConfig
from automl_tf.scoring.scores import Merit
from automl_tf.search.events import (
    Event,
    Notice,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.study_view import StudyView

MOST_ENDED = 12
"""Ended trials that are kept in sight."""
MOST_NOTICES = 3


@dataclass
class Running:
    """A trial on the screen.

    Attributes:
        started: What was told of it when it began.
        worker: Number of its worker; None if somebody else has started that one.
        step: The last step that was told.
        loss: Training loss there, in nats a token.
        bleu: Its last validation BLEU.
        tokens_per_second: Its last pace.
    """

    started: TrialStarted
    worker: int | None
    step: int
    bleu: float | None
    loss: float | None = None
    tokens_per_second: float | None = None
    _first: tuple[int, float] | None = None
    _last: tuple[int, float] | None = None

    def note_step(self, step: int, now: float) -> None:
        """Takes note of a step and of the time at which it was told."""
        self.step = step
        self._last = (step, now)
        self._first = self._first or self._last

    def seconds_left(self, now: float) -> float | None:
        """Time to its end at the pace since it was taken up, once there is one."""
        if self._first is None or self._last is None or self._first[0] == self._last[0]:
            return None
        pace = (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
        end = self._last[1] + pace * (self.started.max_steps - self.step)
        return max(0.0, end - now)


class LiveState:
    """The study as it was last told.

    Args:
        config: The study file.
        clock: Seconds from any start.
    """

    def __init__(self, config: StudyConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.running: dict[int, Running] = {}
        self.ended: list[TrialEnded] = []
        self.notices: list[str] = []
        self.counts: Mapping[str, int] = {}
        self.spent = 0
        self.lost: frozenset[int] = frozenset()
        self._best: tuple[Merit, int] | None = None
        self._clock = clock
        self._since = clock()
        self._starts: dict[int, TrialStarted] = {}
        self._validated: dict[int, tuple[int, float]] = {}

    @property
    def now(self) -> float:
        """The time, in seconds of the clock."""
        return self._clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the search was started."""
        return self.now - self._since

    @property
    def best(self) -> tuple[float, int] | None:
        """The BLEU of the best validation so far and its trial."""
        return None if self._best is None else (self._best[0].bleu, self._best[1])

    def params_of(self, trial: int) -> tuple[Mapping[str, Any], int] | None:
        """The settings and the size of a trial that was seen to start."""
        started = self._starts.get(trial)
        return None if started is None else (started.params, started.num_parameters)

    def begin(self, board: StudyView) -> None:
        """Starts from what the study holds already."""
        self.counts = board.counts
        self.spent = board.spent
        for trial in board.trials:
            if trial.intermediate:
                step = max(trial.intermediate)
                self._validated[trial.number] = (step, trial.intermediate[step])
            is_found = trial.state != "failed" and trial.confirms is None
            if trial.best_merit is not None and is_found:
                self._note_best(trial.best_merit, trial.number)

    def note(self, worker: int | None, event: Event) -> None:
        """Takes note of an event."""
        match event:
            case TrialStarted():
                self._start(worker, event)
            case TrialProgress():
                self._progress(event)
            case TrialValidated():
                self._validate(event)
            case TrialEnded():
                self.running.pop(event.trial, None)
                self._forget_end(event.trial)
                self.ended = [*self.ended, event][-MOST_ENDED:]
            case Notice():
                self.notices = [*self.notices, event.text][-MOST_NOTICES:]
            case StudyProgress():
                self._stand(event)

    def _start(self, worker: int | None, event: TrialStarted) -> None:
        step, bleu = self._validated.get(event.trial, (0, None)) if event.resumed else (0, None)
        self._starts[event.trial] = event
        self.running[event.trial] = Running(event, worker, step, bleu)
        self._forget_end(event.trial)

    def _forget_end(self, trial: int) -> None:
        """A trial that waited and goes on has not ended."""
        self.ended = [ended for ended in self.ended if ended.trial != trial]

    def _progress(self, event: TrialProgress) -> None:
        running = self.running.get(event.trial)
        if running is not None:
            running.note_step(event.step, self.now)
            running.loss, running.tokens_per_second = event.loss, event.tokens_per_second

    def _validate(self, event: TrialValidated) -> None:
        self._validated[event.trial] = (event.step, event.bleu)
        started = self._starts.get(event.trial)
        if started is None or started.confirms is None:
            self._note_best(Merit(event.sentences, event.bleu), event.trial)
        running = self.running.get(event.trial)
        if running is not None:
            running.note_step(event.step, self.now)
            running.bleu = event.bleu

    def _note_best(self, merit: Merit, trial: int) -> None:
        if self._best is None or merit > self._best[0]:
            self._best = merit, trial

    def _stand(self, event: StudyProgress) -> None:
        self.counts, self.spent, self.lost = event.counts, event.spent, frozenset(event.lost)
        if event.best_trial is not None and event.best_bleu is not None:
            self._best = Merit(event.best_sentences, event.best_bleu), event.best_trial
        # A worker that was killed told no end of its trial.
        self.running = {
            number: running for number, running in self.running.items() if number in event.running
        }
