"""Studies and leaderboards as tables in the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from automl_tf.search.leaderboard import Leaderboard, TrialRow

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


def print_studies(boards: Sequence[Leaderboard]) -> None:
    """Prints one line a study."""
    if not boards:
        _console().print("no studies yet: automl-tf search studies/quickstart.yaml")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("study", "complete", "pruned", "failed", "running", "waiting", "best BLEU"):
        table.add_column(name, justify="left" if name == "study" else "right")
    for board in boards:
        bleus = [trial.best_bleu for trial in board.trials if trial.best_bleu is not None]
        best = f"{max(bleus):.2f}" if bleus else ""
        table.add_row(board.study, *(str(count) for count in board.counts.values()), best)
    _console().print(table)


def print_leaderboard(board: Leaderboard) -> None:
    """Prints the trials, best first, and what matters among the settings."""
    console = _console()
    counts = ", ".join(f"{count} {state}" for state, count in board.counts.items() if count)
    objectives = ", ".join(f"{name} ({direction})" for name, direction in board.objectives)
    console.print(f"{board.study}: {counts or 'no trials'}; objectives {objectives}")
    console.print(_trials_table(board))
    if len(board.objectives) > 1 and board.best:
        front = ", ".join(str(number) for number in board.best)
        console.print(f"Pareto front: trials {front}")
    if board.importances:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in board.importances.items())
        console.print(f"importance for {board.objectives[0][0]}: {shares}")
    console.print(f"MLflow: {board.mlflow['tracking_uri']}, experiment {board.study}")


def _trials_table(board: Leaderboard) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = ["trial", "state", *(name for name, _ in board.objectives), "BLEU by step"]
    settings = sorted({name for trial in board.trials for name in trial.params})
    highest = max((trial.best_bleu or 0.0 for trial in board.trials), default=0.0)
    for name in columns:
        table.add_column(name, justify="left" if name in ("state", "BLEU by step") else "right")
    for name in settings:
        table.add_column(name.split(".", 1)[1], justify="right")
    for name in ("parameters", "seconds", "reason"):
        table.add_column(name, justify="left" if name == "reason" else "right")
    for trial in board.ranked():
        table.add_row(*_cells(trial, board, settings, highest))
    return table


def _cells(
    trial: TrialRow, board: Leaderboard, settings: Sequence[str], highest: float
) -> list[str | Text]:
    mark = "*" if trial.number in board.best else ""
    best = "" if trial.best_bleu is None else f"({trial.best_bleu:.2f})"
    blank = [best, *[""] * (len(board.objectives) - 1)]
    values = [f"{value:.2f}" for value in trial.values] if trial.values else blank
    return [
        f"{mark}{trial.number}",
        Text(trial.state, style=STYLES[trial.state]),
        *values,
        sparkline(list(trial.intermediate.values()), highest),
        *(_value(trial.params.get(name, "")) for name in settings),
        "" if trial.num_parameters is None else f"{trial.num_parameters:,}",
        f"{trial.seconds:.0f}",
        trial.reason or "",
    ]


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
