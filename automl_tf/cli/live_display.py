"""A study in a terminal while it runs: a table of its trials, the best so far, what has ended."""

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from automl_tf.cli.display import Display, JsonDisplay, PlainDisplay, QuietDisplay
from automl_tf.cli.summary import Given
from automl_tf.cli.tables import STYLES
from automl_tf.config.study import StudyConfig
from automl_tf.search.events import (
    Event,
    Notice,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.leaderboard import Leaderboard

MOST_ROWS = 12
REFRESHES_PER_SECOND = 4


def choose_display(config: StudyConfig, workers: int, *, quiet: bool, as_json: bool) -> Display:
    """The display that suits the output and the person's wishes."""
    if as_json:
        return JsonDisplay()
    if quiet:
        return QuietDisplay()
    if sys.stdout.isatty():
        return LiveDisplay(config, workers)
    return PlainDisplay(config, workers)


@dataclass
class _Running:
    """A trial on the screen."""

    started: TrialStarted
    since: float = field(default_factory=time.monotonic)
    first_step: int | None = None
    step: int = 0
    loss: float | None = None
    bleu: float | None = None
    tokens_per_second: float | None = None

    def seconds_left(self) -> float | None:
        done = self.step - (self.first_step or 0)
        if self.first_step is None or done <= 0:
            return None
        rate = (time.monotonic() - self.since) / done
        return rate * (self.started.max_steps - self.step)


class LiveDisplay(PlainDisplay):
    """A table that is redrawn in place."""

    def __init__(self, config: StudyConfig, workers: int) -> None:
        super().__init__(config, workers)
        self._running: dict[int, _Running] = {}
        self._ended: list[TrialEnded] = []
        self._notices: list[str] = []
        self._before = 0
        self._best: tuple[float, int] | None = None
        self._since = time.monotonic()
        self._live = Live(
            console=Console(),
            refresh_per_second=REFRESHES_PER_SECOND,
            get_renderable=self._picture,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    @override
    def begin(self, board: Leaderboard, corpus: str) -> None:
        counts = board.counts
        self._before = counts["complete"] + counts["pruned"] + counts["failed"]
        for trial in board.trials:
            if trial.state == "complete" and trial.best_bleu is not None:
                self._note_best(trial.best_bleu, trial.number)
        super().begin(board, corpus)
        self._live.start()

    @override
    def show(self, worker: int, event: Event) -> None:
        match event:
            case TrialStarted():
                self._running[event.trial] = _Running(event)
            case TrialProgress():
                self._note_progress(event)
            case TrialValidated():
                if event.trial in self._running:
                    self._running[event.trial].bleu = event.bleu
                self._note_best(event.bleu, event.trial)
            case TrialEnded():
                self._running.pop(event.trial, None)
                self._ended.append(event)
            case Notice():
                self._notices = [*self._notices[-2:], event.text]

    @override
    def end(self, board: Leaderboard, given: Given, *, interrupted: bool) -> None:
        self._live.refresh()
        self._live.stop()
        super().end(board, given, interrupted=interrupted)

    def _note_progress(self, event: TrialProgress) -> None:
        running = self._running.get(event.trial)
        if running is None:
            return
        if running.first_step is None:
            running.first_step, running.since = event.step, time.monotonic()
        running.step, running.loss = event.step, event.loss
        running.tokens_per_second = event.tokens_per_second

    def _note_best(self, bleu: float, trial: int) -> None:
        if self._best is None or bleu > self._best[0]:
            self._best = (bleu, trial)

    def _picture(self) -> Group:
        parts: list[Any] = [self._totals(), self._table()]
        parts += [Text(notice, style="magenta") for notice in self._notices]
        return Group(*parts)

    def _totals(self) -> Text:
        done = self._before + sum(ended.state != "waiting" for ended in self._ended)
        elapsed = time.monotonic() - self._since
        hours = self._config.budget.hours
        limit = "" if hours is None else f" of {_clock(3600 * hours)}"
        best = (
            ""
            if self._best is None
            else f"   best BLEU {self._best[0]:.2f} (trial {self._best[1]})"
        )
        return Text(
            f"{done} of {self._config.budget.trials} trials   {_clock(elapsed)}{limit}{best}",
            style="bold",
        )

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("trial", "model", "progress", "step", "loss", "BLEU", "tok/s", ""):
            is_text = name in ("model", "progress", "")
            table.add_column(name, justify="left" if is_text else "right", no_wrap=name != "")
        for ended in self._ended[-MOST_ROWS:]:
            table.add_row(
                str(ended.trial),
                "",
                Text(ended.state, style=STYLES[ended.state]),
                "",
                "",
                _number(ended.bleu, 2),
                "",
                ended.reason or _clock(ended.seconds),
            )
        for number, running in sorted(self._running.items()):
            left = running.seconds_left()
            table.add_row(
                str(number),
                shape(running.started.params, running.started.num_parameters),
                ProgressBar(total=running.started.max_steps, completed=running.step, width=20),
                f"{running.step}/{running.started.max_steps}",
                _number(running.loss, 3),
                _number(running.bleu, 2),
                _number(running.tokens_per_second, 0),
                "starting" if left is None else f"{_clock(left)} left",
            )
        return table


def shape(params: dict[str, Any], num_parameters: int) -> str:
    """A model in short."""
    named = [
        f"{short}{params[name]}"
        for name, short in (("model.d_model", "d"), ("model.num_heads", "h"), ("model.d_ff", "ff"))
        if name in params
    ]
    return " ".join([*named, f"{num_parameters / 1e6:.1f}M"])


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
