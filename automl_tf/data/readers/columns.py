"""Rows with a column for each language: columns found by name, cells checked one by one."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from automl_tf.config.rules import closest_name
from automl_tf.data.pairs import Pair
from automl_tf.errors import Place, UserError

Row = Mapping[str, Any]
"""A row of a table: cells by the names of their columns, nested columns as mappings."""

_LINE_BREAKS = re.compile(r"[\r\n]+")


@dataclass(frozen=True)
class TableColumns:
    """Names under which the two columns of a table are looked for.

    Dots descend into nested columns, as in ``translation.en``.

    Attributes:
        source: Names of the source's column; the first that exists wins.
        target: Names of the target's column.
    """

    source: Sequence[str]
    target: Sequence[str]

    def among(self, names: Sequence[str]) -> list[str]:
        """Those columns of a table that have to be read; all if the wanted ones are not there."""
        sides = [
            [name for name in names if any(f"{wanted}.".startswith(f"{name}.") for wanted in side)]
            for side in (self.source, self.target)
        ]
        return list(dict.fromkeys(chain(*sides))) if all(sides) else list(names)


def pairs_of(rows: Iterable[Row], columns: TableColumns, place: Place) -> Iterator[Pair]:
    """The two text columns of a table, each cell on one line.

    The first row tells which columns there are.

    Args:
        rows: The table's rows.
        columns: Where the text stands.
        place: The table.

    Raises:
        UserError: If there is no row, if a column is missing, or if a cell holds no text.
    """
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        raise UserError(
            f"{place.path or 'The dataset'} has no rows.", "Write the text into it.", place
        )
    source, target = (_found(first, names, place) for names in (columns.source, columns.target))
    for number, row in enumerate(chain([first], iterator), start=1):
        yield _text(row, source, number, place), _text(row, target, number, place)


def _found(row: Row, names: Sequence[str], place: Place) -> str:
    known = list(_dotted_names(row))
    name = next((name for name in names if name in known), None)
    if name is None:
        # Languages' codes are all alike; a name that somebody wrote is worth a guess.
        match = closest_name(names[0], known) if len(names) == 1 else None
        raise UserError(
            f"There is no column {' or '.join(names)}; the columns are {', '.join(known)}.",
            (f"Did you mean {match}? " if match else "")
            + "Set corpus.source_column and corpus.target_column to the two languages' columns.",
            place,
        )
    return name


def _dotted_names(row: Row, prefix: str = "") -> Iterator[str]:
    """The names of the columns, inner columns after the one that holds them."""
    for name, cell in row.items():
        yield prefix + name
        if isinstance(cell, Mapping):
            yield from _dotted_names(cell, f"{prefix}{name}.")


def _text(row: Row, name: str, number: int, place: Place) -> str:
    cell = row.get(name)
    if cell is None and name not in row:
        cell = row
        for part in name.split("."):
            cell = cell.get(part) if isinstance(cell, Mapping) else None
    if not isinstance(cell, str):
        what = "is missing or null" if cell is None else f"is {cell!r}, not text"
        raise UserError(
            f"Row {number} of column {name} {what}.", "Correct the row, or leave it out.", place
        )
    return _LINE_BREAKS.sub(" ", cell) if "\n" in cell or "\r" in cell else cell
