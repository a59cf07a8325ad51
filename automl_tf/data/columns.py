"""Tables of sentences: text columns found by name and checked cell by cell."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset, Features, Value

from automl_tf.config.rules import closest_name
from automl_tf.errors import Place, UserError

_LINE_BREAKS = re.compile(r"[\r\n]+")
_TEXT_TYPES = {"string", "large_string", "string_view"}

_SENTENCES = Features({"source": Value("large_string"), "target": Value("large_string")})


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


def sentences(source: Sequence[str], target: Sequence[str]) -> Dataset:
    """A split as a table: sentence and translation in each row."""
    return Dataset.from_dict({"source": source, "target": target}, features=_SENTENCES)


def sentences_of(table: Dataset, columns: TableColumns, place: Place) -> Dataset:
    """The two text columns of a table as a split.

    Raises:
        UserError: If a column is missing, or if a cell holds no text.
    """
    source = _text_column(table, columns.source, place)
    target = _text_column(table, columns.target, place)
    return sentences(source, target)


def _text_column(table: Dataset, names: Sequence[str], place: Place) -> list[str]:
    """The cells of one column, each on one line."""
    known = _dotted_names(table.features)
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
    cells = _cells(table, name)
    if known[name] not in _TEXT_TYPES or None in cells:
        _demand_text(cells, name, place)
    return [_LINE_BREAKS.sub(" ", cell) for cell in cells]


def _dotted_names(features: Any, prefix: str = "") -> dict[str, str | None]:  # noqa: ANN401
    """The type of each column by its name, inner columns after the one that holds them."""
    names: dict[str, str | None] = {}
    for name, feature in features.items():
        names[prefix + name] = feature.dtype if isinstance(feature, Value) else None
        if isinstance(feature, dict):
            names |= _dotted_names(feature, f"{prefix}{name}.")
        elif hasattr(feature, "languages"):
            names |= {f"{prefix}{name}.{language}": "string" for language in feature.languages}
    return names


def _cells(table: Dataset, name: str) -> list[Any]:
    column, *inner = [name] if name in table.column_names else name.split(".")
    cells: list[Any] = table[column][:]
    for part in inner:
        cells = [None if cell is None else cell[part] for cell in cells]
    return cells


def _demand_text(cells: list[Any], name: str, place: Place) -> None:
    for row, cell in enumerate(cells, start=1):
        if not isinstance(cell, str):
            what = "is missing or null" if cell is None else f"is {cell!r}, not text"
            raise UserError(
                f"Row {row} of column {name} {what}.",
                "Correct the row, or leave it out.",
                place,
            )
