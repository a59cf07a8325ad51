"""The live display of a search: budget, running trials and ended trials, redrawn in place."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from automl_tf.cli.display import Display, JsonDisplay, PlainDisplay, QuietDisplay
from automl_tf.cli.terminal import is_interactive
from automl_tf.cli.text import STYLES, PlaceOptions, format_progress, plain_table
from automl_tf.config.study import StudyConfig
from automl_tf.formatting import (
    HOUR,
    format_clock,
    format_count,
    format_loss,
    format_score,
    format_size,
)
from automl_tf.scoring.sentences import Merit
from automl_tf.search.events import (
    Event,
    LogMessage,
    StudyProgress,
    TrialEnded,
    TrialEvent,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.pool import SearchOutcome
from automl_tf.search.study_view import StudyView

if TYPE_CHECKING:
    from automl_tf.search.plan import SearchPlan

MAX_ENDED = 12
"""Ended trials that are shown."""
MAX_NOTICES = 3
REFRESHES_PER_SECOND = 4

_WIDE = 110
"""Terminal columns from which on the bars are long."""
_LONG, _SHORT = 24, 10
_NARROW = 96
"""Terminal columns below which running trials are shown without their models."""


TrialKey = tuple[bool, int]
"""Number of a trial, and before it whether it belongs to the confirmations."""


def key_of(event: TrialEvent) -> TrialKey:
    """Returns the key of the trial that an event is about."""
    return event.confirms is not None, event.trial


@dataclass
class Running:
    """A running trial.

    Attributes:
        started: The event of its start.
        worker: Number of its worker; None if another process has started the worker.
        step: The last reported optimizer step.
        bleu: BLEU of its last validation.
        loss: Training loss at that step, in nats a token.
        tokens_per_second: Speed at that step.
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
        """Records a step and the time of its report, in seconds of the clock."""
        self.step = step
        self._last = (step, now)
        # Several steps may be reported at once: a pace needs two moments.
        if self._first is None or self._first[1] == now:
            self._first = self._last

    def seconds_left(self, now: float) -> float | None:
        """Returns the time to its end at its speed so far, or None before its first report."""
        if self._first is None or self._last is None or self._first[0] == self._last[0]:
            return None
        pace = (self._last[1] - self._first[1]) / (self._last[0] - self._first[0])
        end = self._last[1] + pace * (self.started.max_steps - self.step)
        return max(0.0, end - now)


class LiveState:
    """State of a search, collected from its events, with a clock of seconds from any start."""

    def __init__(self, config: StudyConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.running: dict[TrialKey, Running] = {}
        self.ended: dict[TrialKey, TrialEnded] = {}
        self.notices: list[str] = []
        self.counts: Mapping[str, int] = {}
        self.spent = 0
        self.lost: frozenset[int] = frozenset()
        self.best: tuple[Merit, int] | None = None
        self.clock = clock
        self.since = clock()
        self.starts: dict[TrialKey, TrialStarted] = {}
        self._validated: dict[TrialKey, tuple[int, float]] = {}

    def begin(self, view: StudyView) -> None:
        """Starts from the study as it stands."""
        self.counts = view.counts
        self.spent = view.spent
        for trial in view.trials:
            if trial.intermediate:
                step = max(trial.intermediate)
                self._validated[False, trial.number] = (step, trial.intermediate[step])
            if trial.best_merit is not None and trial.state != "failed":
                self._note_best(trial.best_merit, trial.number)

    def note(self, worker: int | None, event: Event) -> None:
        """Applies an event of a worker."""
        match event:
            case TrialStarted():
                self._start(worker, event)
            case TrialProgress():
                self._progress(event)
            case TrialValidated():
                self._validate(event)
            case TrialEnded():
                self.running.pop(key_of(event), None)
                # A trial that was paused before ends again, as the last one.
                self.ended.pop(key_of(event), None)
                self.ended[key_of(event)] = event
            case LogMessage():
                self.notices = [*self.notices, event.text][-MAX_NOTICES:]
            case StudyProgress():
                self._stand(event)

    def _start(self, worker: int | None, event: TrialStarted) -> None:
        step, bleu = self._validated.get(key_of(event), (0, None)) if event.resumed else (0, None)
        self.starts[key_of(event)] = event
        self.running[key_of(event)] = Running(event, worker, step, bleu)
        self.running[key_of(event)].note_step(step, self.clock())
        self.ended.pop(key_of(event), None)

    def _progress(self, event: TrialProgress) -> None:
        running = self.running.get(key_of(event))
        if running is not None:
            running.note_step(event.step, self.clock())
            running.loss, running.tokens_per_second = event.loss, event.tokens_per_second

    def _validate(self, event: TrialValidated) -> None:
        self._validated[key_of(event)] = (event.step, event.bleu)
        if event.confirms is None:
            self._note_best(Merit(event.sentences, event.bleu), event.trial)
        running = self.running.get(key_of(event))
        if running is not None:
            running.note_step(event.step, self.clock())
            running.bleu = event.bleu

    def _note_best(self, merit: Merit, trial: int) -> None:
        if self.best is None or merit > self.best[0]:
            self.best = merit, trial

    def _stand(self, event: StudyProgress) -> None:
        self.counts, self.spent, self.lost = event.counts, event.spent, frozenset(event.lost)
        if event.best_trial is not None and event.best_bleu is not None:
            self.best = Merit(event.best_sentences, event.best_bleu), event.best_trial
        # A worker that was killed has not reported the end of its trial.
        self.running = {
            key: running
            for key, running in self.running.items()
            if key[0] or key[1] in event.running
        }


@dataclass(frozen=True)
class Picture:
    """A picture of the present state, in the present width of the terminal."""

    _state: LiveState

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yields the parts by importance, from the top: a low terminal cuts off the end."""
        bar = _LONG if options.max_width >= _WIDE else _SHORT
        yield self._totals(bar)
        if self._state.running:
            yield self._running(bar, has_models=options.max_width >= _NARROW)
        for notice in self._state.notices:
            yield Text(notice, style="magenta")
        if self._state.ended:
            yield self._ended()

    def _totals(self, bar: int) -> Table:
        """Returns the spent budget and the best trial so far."""
        state, budget = self._state, self._state.config.budget
        table = Table.grid(padding=(0, 1))
        table.add_column(style="bold")
        progress = format_progress(state.spent, budget.trials, state.counts)
        table.add_row("trials", _bar(budget.trials, state.spent, bar), Text(progress))
        elapsed = state.clock() - state.since
        if budget.hours is None:
            table.add_row("time", "", format_clock(elapsed))
        else:
            limit = HOUR * budget.hours
            spent = f"{format_clock(elapsed)} of {format_clock(limit)}"
            table.add_row("time", _bar(limit, elapsed, bar), spent)
        if state.best is not None:
            merit, trial = state.best
            still = ", running" if (False, trial) in state.running else ""
            best = f"BLEU {format_score(merit.bleu)} (trial {trial}{still})"
            table.add_row("best", "", Text(best, style="bold"))
        return table

    def _running(self, bar: int, *, has_models: bool) -> Table:
        models = ("model",) if has_models else ()
        columns = ("trial", *models, "progress", "step", "loss", "BLEU", "tok/s")
        table = plain_table(columns, left=("model", "progress"))
        table.add_column(overflow="fold")
        for key, running in sorted(self._state.running.items()):
            started = running.started
            model = (_shape(started),) if has_models else ()
            table.add_row(
                str(started.trial),
                *model,
                _bar(started.max_steps, running.step, bar),
                f"{running.step}/{started.max_steps}",
                format_loss(running.loss),
                format_score(running.bleu),
                format_count(running.tokens_per_second),
                self._remark(key, running),
            )
        return table

    def _remark(self, key: TrialKey, running: Running) -> Text:
        if not key[0] and key[1] in self._state.lost:
            return Text("its worker is lost, another will resume it", style="magenta")
        left = running.seconds_left(self._state.clock())
        if left is None:
            remark = "resuming" if running.started.resumed else "starting"
        else:
            remark = f"{format_clock(left)} left"
        if running.started.confirms is not None:
            remark = f"{remark}, confirms trial {running.started.confirms}"
        return Text(remark if running.worker is not None else f"{remark}, elsewhere")

    def _ended(self) -> Table:
        """Returns the ended trials with their reasons, the last one first."""
        table = Table.grid(padding=(0, 2))
        for justify in ("right", "left", "left", "right", "right"):
            table.add_column(justify=justify, no_wrap=True)
        for key, ended in list(reversed(self._state.ended.items()))[:MAX_ENDED]:
            started = self._state.starts.get(key)
            purpose = "" if ended.confirms is None else f"confirms trial {ended.confirms}"
            table.add_row(
                f"{ended.trial:>5}",
                "" if started is None else _shape(started),
                Text(ended.state, style=STYLES[ended.state]),
                format_score(ended.bleu),
                format_clock(ended.seconds),
                "; ".join(part for part in (purpose, ended.reason) if part),
            )
        return table


def _bar(total: float, done: float, width: int) -> ProgressBar:
    return ProgressBar(total=total, completed=min(done, total), width=width)


def _shape(started: TrialStarted) -> str:
    """Returns a model in short, as in ``d256 h4 ff1024 2.1M``."""
    named = [
        f"{short}{started.params[name]}"
        for name, short in (("model.d_model", "d"), ("model.num_heads", "h"), ("model.d_ff", "ff"))
        if name in started.params
    ]
    return " ".join([*named, format_size(started.num_parameters)])


def choose_display(config: StudyConfig, workers: int, *, quiet: bool, as_json: bool) -> Display:
    """Returns the display that suits the output and the options."""
    if as_json:
        return JsonDisplay()
    if quiet:
        return QuietDisplay()
    if is_interactive():
        return LiveDisplay(config, workers)
    return PlainDisplay(config, workers)


class LiveDisplay(PlainDisplay):
    """The live display of a terminal."""

    def __init__(self, config: StudyConfig, workers: int) -> None:
        super().__init__(config, workers)
        self._state = LiveState(config)
        self._live = Live(
            Picture(self._state), console=Console(), refresh_per_second=REFRESHES_PER_SECOND
        )

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    @override
    def begin(self, view: StudyView, corpus: str, plan: "SearchPlan | None" = None) -> None:
        super().begin(view, corpus, plan)
        self._life.stop()
        self._state.begin(view)
        self._live.start()

    @override
    def show(self, worker: int | None, event: Event) -> None:
        self._state.note(worker, event)

    @override
    def end(self, view: StudyView, options: PlaceOptions, outcome: SearchOutcome) -> None:
        self._live.refresh()
        self._live.stop()
        super().end(view, options, outcome)
