"""Tables on the terminal and in JSON, and small plots for the documentation."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as RichTable

import measuring

RESULTS = Path(__file__).parent / "results"
WIDTH_INCHES, HEIGHT_INCHES, DOTS_AN_INCH = 6.4, 3.4, 100


@dataclass(frozen=True)
class Table:
    """What a person reads.

    Attributes:
        title: What it shows, with the unit.
        columns: Heads of the columns.
        rows: The cells, row by row; the first of each is the row's name.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table for the documentation."""
        lines = [self.columns, ("---", *["---:"] * (len(self.columns) - 1)), *self.rows]
        return "\n".join([f"{self.title}:", "", *(f"| {' | '.join(line)} |" for line in lines)])


def publish(
    name: str,
    tables: Sequence[Table],
    measured: Mapping[str, Any],
    plot: "Figure",
    part: str | None = None,
    folder: Path = RESULTS,
) -> None:
    """Prints the tables and writes ``NAME.json`` and ``NAME.png``.

    Args:
        name: Name of the benchmark.
        tables: What it found.
        measured: All single measurements.
        plot: The same as a picture.
        part: Which of several results of the benchmark it is; the files are ``NAME_PART`` then.
        folder: Where the two files are written.
    """
    stem = name if part is None else f"{name}_{part}"
    console = Console(width=120)
    for table in tables:
        rich = RichTable(title=table.title, title_justify="left")
        for column in table.columns:
            rich.add_column(column, justify="left" if column == table.columns[0] else "right")
        for row in table.rows:
            rich.add_row(*row)
        console.print(rich)
    folder.mkdir(exist_ok=True)
    content = {
        "command": measuring.command_line(name),
        "machine": measuring.machine(),
        "tables": [dataclasses.asdict(table) for table in tables],
        "measured": measured,
    }
    (folder / f"{stem}.json").write_text(json.dumps(content, indent=1) + "\n")
    plot.savefig(folder / f"{stem}.png", dpi=DOTS_AN_INCH)
    console.print(f"Written: {folder / stem}.json and .png")


def new_plot(num_panels: int = 1) -> tuple["Figure", list["Axes"]]:
    """An empty picture with panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES * (0.5 + num_panels / 2), HEIGHT_INCHES))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(1, num_panels, squeeze=False)
    return figure, list(axes[0])


def number(value: float) -> str:
    """A figure with as many digits as mean something."""
    if abs(value) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(value: float) -> str:
    """How many times."""
    return f"{number(value)}x"


def percent(share: float) -> str:
    """A share of one, in percent."""
    return f"{100 * share:.3g} %"
