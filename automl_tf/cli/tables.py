"""Studies and leaderboards as tables in the terminal."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from automl_tf.search.confirming.verdict import Confirmation
from automl_tf.search.confirming.words import COLUMNS, confirmation_rows, confirmation_words
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE, StudyView, TrialRow

STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "failed": "red",
    "running": "cyan",
    "waiting": "cyan",
}
"""Colour of each state."""

SPARKS = "▁▂▃▄▅▆▇█"
PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, where no terminal sets a width."""


def print_studies(boards: Sequence[StudyView]) -> None:
    """Prints one line a study."""
    if not boards:
        _console().print("no studies yet: automl-tf search studies/quickstart.yaml")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("study", "complete", "pruned", "failed", "running", "waiting", "best BLEU"):
        table.add_column(name, justify="left" if name == "study" else "right")
    for board in boards:
        merits = [merit for trial in board.searched if (merit := trial.best_merit) is not None]
        best = f"{max(merits).bleu:.2f}" if merits else ""
        table.add_row(board.study, *(str(count) for count in board.counts.values()), best)
    _console().print(table)


def print_leaderboard(board: StudyView) -> None:
    """Prints the trials, best first, why they ended, and what matters among the settings."""
    console = _console()
    counts = ", ".join(f"{count} {state}" for state, count in board.counts.items() if count)
    objectives = ", ".join(f"{name} ({direction})" for name, direction in board.objectives)
    console.print(f"{board.study}: {counts or 'no trials'}; objectives {objectives}")
    settings = sorted({name for trial in board.trials for name in trial.params})
    # A word a line makes columns as narrow as their numbers; whoever reads a file wants the name.
    gap = "\n" if console.is_terminal else "_"
    table = _trials_table(board, settings, gap)
    unlimited = console.options.update(max_width=sys.maxsize)
    is_wide = Measurement.get(console, unlimited, table).maximum <= console.width
    # Squeezed columns cut numbers off.
    console.print(table if is_wide else _trials_table(board, [], gap))
    console.print(_remarks(board, [] if is_wide else settings))
    if board.confirmation is not None:
        console.print(_confirmation_table(board.confirmation))
        console.print("\n".join(confirmation_words(board.confirmation)))
    if len(board.objectives) > 1 and board.best:
        front = ", ".join(str(number) for number in board.best)
        console.print(f"Pareto front: trials {front}")
    if board.importances:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in board.importances.items())
        console.print(f"importance for {board.objectives[0][0]}: {shares}")
    elif board.counts["complete"] < LEAST_FOR_IMPORTANCE:
        console.print(f"importances are shown from {LEAST_FOR_IMPORTANCE} complete trials on")
    console.print(f"MLflow: {board.mlflow['tracking_uri']}, experiment {board.study}")


def _confirmation_table(confirmation: Confirmation) -> Table:
    """What fresh seeds say of the best configurations."""
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in confirmation_rows(confirmation):
        table.add_row(*row)
    return table


def _trials_table(board: StudyView, settings: Sequence[str], gap: str) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ["trial", "state", *(name for name, _ in board.objectives), "BLEU by step"]
    bleus = [bleu for trial in board.trials for bleu in trial.intermediate.values()]
    highest = max(bleus, default=0.0)
    for name in columns:
        is_text = name in ("state", "BLEU by step")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=True)
    for name in (*settings, "parameters", "seconds"):
        title = name.split(".")[-1].replace("_", gap)
        table.add_column(title, justify="right", no_wrap=True)
    for trial in board.ranked():
        table.add_row(*_cells(trial, board, settings, highest))
    return table


def _cells(
    trial: TrialRow, board: StudyView, settings: Sequence[str], highest: float
) -> list[str | Text]:
    mark = "*" if trial.number in board.best else ""
    best = "" if trial.best_bleu is None else f"({trial.best_bleu:.2f})"
    blank = [best, *[""] * (len(board.objectives) - 1)]
    names = [name for name, _ in board.objectives]
    pairs = zip(names, trial.values or [], strict=False)
    values = [amount(name, value) for name, value in pairs] or blank
    return [
        f"{mark}{trial.number}",
        Text(trial.state, style=STYLES[trial.state]),
        *values,
        sparkline(list(trial.intermediate.values()), highest),
        *(_value(trial.params.get(name, "")) for name in settings),
        "" if trial.num_parameters is None else f"{trial.num_parameters:,}",
        f"{trial.seconds:.0f}",
    ]


def amount(name: str, value: float) -> str:
    """A value of an objective: whole numbers in full, scores to two digits."""
    if name == "num_parameters":
        return f"{value:,.0f}"
    return f"{value:.3g}" if name == "train_hours" else f"{value:.2f}"


def _remarks(board: StudyView, settings: Sequence[str]) -> Table:
    """A line for each trial with something to say of it, in the order of the table."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    for trial in board.ranked():
        known = [name for name in settings if name in trial.params]
        given = ", ".join(f"{name.split('.')[1]} {_value(trial.params[name])}" for name in known)
        words = "; ".join(part for part in (_course(trial), trial.reason or "", given) if part)
        if words:
            table.add_row(f"trial {trial.number}:", words)
    return table


def _course(trial: TrialRow) -> str:
    """Where a running trial is."""
    if trial.state != "running":
        return ""
    if trial.last_step is None:
        return "runs, not validated yet"
    bleu = trial.intermediate[trial.last_step]
    return f"runs: BLEU {bleu:.2f} at step {trial.last_step} of {trial.max_steps}"


def sparkline(values: Sequence[float], highest: float) -> str:
    """The values as a row of bars, from zero to the highest of all rows."""
    top = highest or 1.0
    return "".join(SPARKS[min(len(SPARKS) - 1, int(value / top * len(SPARKS)))] for value in values)


def _value(value: Any) -> str:  # noqa: ANN401 - any setting
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        return Console(highlight=False, width=PIPE_WIDTH)
    return console
