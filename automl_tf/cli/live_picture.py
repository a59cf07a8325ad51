"""A study that runs as a picture for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl_tf.cli.live_state import LiveState, Running
from automl_tf.cli.summary import clock, standing_words
from automl_tf.cli.tables import STYLES
from automl_tf.search.events import TrialEnded

_WIDE = 110
"""Columns from which on the bars are long."""
_LONG, _SHORT = 24, 10
_NARROW = 96
"""Columns below which running trials are shown without their models."""


class Picture:
    """Draws the state as it is at the moment of drawing, as wide as the terminal is then.

    Args:
        state: The study.
    """

    def __init__(self, state: LiveState) -> None:
        self._state = state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The parts from top to bottom, what matters most first: the end may be cut off."""
        bar = _LONG if options.max_width >= _WIDE else _SHORT
        yield self._totals(bar)
        if self._state.running:
            yield self._running(bar, has_models=options.max_width >= _NARROW)
        for notice in self._state.notices:
            yield Text(notice, style="magenta")
        if self._state.ended:
            yield self._ended()

    def _totals(self, bar: int) -> Table:
        """How much of the budget is spent, and the best so far."""
        state, budget = self._state, self._state.config.budget
        table = Table.grid(padding=(0, 1))
        words = standing_words(state.spent, budget.trials, state.counts)
        table.add_row(
            Text("trials", style="bold"), _bar(budget.trials, state.spent, bar), Text(words)
        )
        if budget.hours is None:
            table.add_row(Text("time", style="bold"), "", clock(state.elapsed))
        else:
            limit = 3600 * budget.hours
            table.add_row(
                Text("time", style="bold"),
                _bar(limit, state.elapsed, bar),
                f"{clock(state.elapsed)} of {clock(limit)}",
            )
        if state.best is not None:
            bleu, trial = state.best
            still = ", running" if trial in state.running else ""
            words = f"BLEU {bleu:.2f} (trial {trial}{still})"
            table.add_row(Text("best", style="bold"), "", Text(words, style="bold"))
        return table

    def _running(self, bar: int, *, has_models: bool) -> Table:
        table = Table(box=None, pad_edge=False)
        models = ("model",) if has_models else ()
        for name in ("trial", *models, "progress", "step", "loss", "BLEU", "tok/s"):
            is_text = name in ("model", "progress")
            table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
        table.add_column(overflow="fold")
        for number, running in sorted(self._state.running.items()):
            started = running.started
            model = (shape(started.params, started.num_parameters),) if has_models else ()
            table.add_row(
                str(number),
                *model,
                _bar(started.max_steps, running.step, bar),
                f"{running.step}/{started.max_steps}",
                _number(running.loss, 3),
                _number(running.bleu, 2),
                _number(running.tokens_per_second, 0),
                self._remark(number, running),
            )
        return table

    def _remark(self, number: int, running: Running) -> Text:
        if number in self._state.lost:
            return Text("its worker is gone, another will go on", style="magenta")
        left = running.seconds_left(self._state.now)
        if left is None:
            words = "goes on" if running.started.resumed else "starting"
        else:
            words = f"{clock(left)} left"
        if running.started.confirms is not None:
            words = f"{words}, confirms trial {running.started.confirms}"
        return Text(words if running.worker is not None else f"{words}, elsewhere")

    def _ended(self) -> Table:
        """The trials that have ended, the last one first, and why."""
        table = Table.grid(padding=(0, 2))
        for justify in ("right", "left", "left", "right", "right", "left"):
            table.add_column(justify=justify, no_wrap=True)
        table.columns[-1].no_wrap = False
        for ended in reversed(self._state.ended):
            table.add_row(*self._line(ended))
        return table

    def _line(self, ended: TrialEnded) -> Iterator[RenderableType]:
        known = self._state.params_of(ended.trial)
        yield f"{ended.trial:>5}"
        yield "" if known is None else shape(*known)
        yield Text(ended.state, style=STYLES[ended.state])
        yield _number(ended.bleu, 2)
        yield clock(ended.seconds)
        yield ended.reason or ""


def _bar(total: float, done: float, width: int) -> ProgressBar:
    return ProgressBar(total=total, completed=min(done, total), width=width)


def shape(params: Mapping[str, Any], num_parameters: int) -> str:
    """A model in short."""
    named = [
        f"{short}{params[name]}"
        for name, short in (("model.d_model", "d"), ("model.num_heads", "h"), ("model.d_ff", "ff"))
        if name in params
    ]
    return " ".join([*named, f"{num_parameters / 1e6:.1f}M"])


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"
