"""Rows with a column for each language: columns found by name, cells checked one by one."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from typing import Any

from automl_tf.config.rules import closest_name
from automl_tf.data.pairs import Pair
from automl_tf.data.readers.translations import parts_of, varies
from automl_tf.errors import Place, UserError

Row = Mapping[str, Any]
"""A row of a table: cells by the names of their columns."""
NumberedRow = tuple[int | None, Row]
"""A row with the line of the file that it begins in, where lines can be counted."""
_Path = tuple[str, ...]
"""A column: its name, and those of the parts inside its cells that lead to the text."""

_LINE_BREAKS = re.compile(r"[\r\n]+")
_ROWS_TO_FIND_COLUMNS = (100, 10_000)
_MOST_COLUMNS_SHOWN = 20
_LONGEST_SHOWN = 60
_DEEPEST = 5
_CONTAINERS = ("translation", "translations")
_REMEDY = "Set corpus.source_column and corpus.target_column to the two languages' columns."
_ABSENT = object()


@dataclass(frozen=True)
class ColumnName:
    """What a column is looked for by.

    Attributes:
        name: Its name, with dots that descend into nested columns as in ``translation.en``.
        is_language: Whether the name is the code of a language, whose text may as well stand in a
            part of a nested column.
    """

    name: str
    is_language: bool = False


@dataclass(frozen=True)
class TableColumns:
    """The two columns of a table that hold parallel text.

    Attributes:
        source: The source's column.
        target: The target's column.
        skips_nulls: Whether a null is read as a sentence without text, which the filters of a
            training split leave out and count.
    """

    source: ColumnName
    target: ColumnName
    skips_nulls: bool = False

    def among(self, names: Sequence[str]) -> list[str]:
        """Those columns of a table that have to be read; all if the wanted ones are not there."""
        sides = self._sides(names)
        return list(dict.fromkeys(chain(*sides))) if all(sides) else list(names)

    def are_among(self, names: Sequence[str]) -> bool:
        """Whether the names of a table's columns tell where both texts stand."""
        return all(self._sides(names))

    def _sides(self, names: Sequence[str]) -> list[list[str]]:
        """For source and target, the columns that hold it by their names."""
        return [_holders(wanted, names) for wanted in (self.source, self.target)]


def _holders(wanted: ColumnName, names: Sequence[str]) -> list[str]:
    """The columns that are the wanted one, or that it may be a part of, by their names."""
    full = _folded(wanted.name)
    found = _of_names(names, {full, *accumulate(full.split("."), "{}.{}".format)})
    if wanted.is_language and not found:
        found = _of_names(names, {*_CONTAINERS, *(f"{one}.{full}" for one in _CONTAINERS)})
    return found


def _of_names(names: Sequence[str], folded: Collection[str]) -> list[str]:
    return [name for name in names if _folded(name) in folded]


def pairs_of(
    rows: Iterable[NumberedRow], columns: TableColumns, place: Place, first: int = 1
) -> Iterator[Pair]:
    """The two text columns of a table, each cell on one line.

    The first rows tell which columns there are. A row whose list of languages lacks one of the two
    is no pair, and is left out.

    Args:
        rows: The table's rows.
        columns: Where the text stands.
        place: The table.
        first: Number of the first row.

    Raises:
        UserError: If there is no row, if a column is missing, or if a cell holds no text.
    """
    iterator = iter(rows)
    beginning = list(islice(iterator, _ROWS_TO_FIND_COLUMNS[0]))
    if not beginning:
        raise UserError(
            f"{place.path or 'The dataset'} has no rows.", "Write the text into it.", place
        )
    try:
        source, target = _found(_paths_of(beginning), columns, place)
    except UserError:
        # A corpus of many languages may begin with others.
        beginning += islice(iterator, _ROWS_TO_FIND_COLUMNS[1])
        source, target = _found(_paths_of(beginning), columns, place)
    for number, (line, row) in enumerate(chain(beginning, iterator), start=first):
        path = source
        try:
            source_text = _text(row, source, columns)
            path = target
            target_text = _text(row, target, columns)
        except _BadCellError as error:
            raise UserError(
                f"Row {number} of column {'.'.join(path)} {error}.",
                "Correct the row, or leave it out.",
                Place(place.path, line, place.key),
            ) from None
        if source_text is not None and target_text is not None:
            yield source_text, target_text


def _paths_of(rows: Iterable[NumberedRow]) -> dict[str, _Path]:
    """The columns of some rows by their dotted names."""
    known: dict[str, _Path] = {}
    for _, row in rows:
        for name, path in _paths(row):
            # A name with a dot stands before a part of a column.
            if name not in known or len(path) < len(known[name]):
                known[name] = path
    return known


def _paths(row: Row, prefix: _Path = ()) -> Iterator[tuple[str, _Path]]:
    """The dotted names of the columns, inner columns after the one that holds them."""
    for name, cell in row.items():
        path = (*prefix, str(name))
        yield ".".join(path), path
        parts = parts_of(cell) if len(path) <= _DEEPEST else None
        if parts is not None:
            yield from _paths(parts, path)


def _found(known: Mapping[str, _Path], columns: TableColumns, place: Place) -> tuple[_Path, _Path]:
    sides = [_candidates(known, wanted, place) for wanted in (columns.source, columns.target)]
    # Both languages stand beside each other: in one column's parts, or in columns of their own.
    shared = [parent for parent in sides[0] if parent in sides[1]]
    ranked = [parent for parent in ("", *_CONTAINERS) if parent in shared] or shared
    if ranked and (len(ranked) == 1 or ranked[0] in ("", *_CONTAINERS)):
        return sides[0][ranked[0]], sides[1][ranked[0]]
    source, target = (_best(side) for side in sides)
    if shared or source is None or target is None:
        names = [".".join(path) for side in sides for path in side.values()]
        raise UserError(
            f"Several columns may hold the text: {', '.join(dict.fromkeys(names))}.", _REMEDY, place
        )
    return source, target


def _best(paths: Mapping[str, _Path]) -> _Path | None:
    """The column in a usual place, or the only one; None if there is neither."""
    usual = next((paths[parent] for parent in ("", *_CONTAINERS) if parent in paths), None)
    return usual or (next(iter(paths.values())) if len(paths) == 1 else None)


def _candidates(known: Mapping[str, _Path], wanted: ColumnName, place: Place) -> dict[str, _Path]:
    """The columns that may be meant, by the names of those that they are parts of."""
    if not wanted.is_language:
        path = _named(known, wanted.name, place)
        return {".".join(path).rpartition(".")[0]: path}
    found = _of_language(known, wanted.name)
    if not found:
        raise _missing(f"{wanted.name} or translation.{wanted.name}", known, place)
    return found


def _named(known: Mapping[str, _Path], name: str, place: Place) -> _Path:
    same = [full for full in known if _folded(full) == _folded(name)]
    if name in known:
        return known[name]
    if len(same) == 1:
        return known[same[0]]
    # Languages' codes are all alike; a name that somebody wrote is worth a guess.
    match = closest_name(name, known)
    raise _missing(name, known, place, f"Did you mean {match}? " if match else "")


def _of_language(known: Mapping[str, _Path], code: str) -> dict[str, _Path]:
    """The columns of a language by the names of the columns that they are parts of."""
    found: dict[str, _Path] = {}
    for name, path in known.items():
        parent, _, last = name.rpartition(".")
        if last == code or (parent not in found and _folded(last) == _folded(code)):
            found[parent] = path
    return found


def _missing(wanted: str, known: Mapping[str, _Path], place: Place, guess: str = "") -> UserError:
    names = [_shortened(name) for name in islice(known, _MOST_COLUMNS_SHOWN)]
    more = [f"and {len(known) - len(names)} more"] if len(known) > len(names) else []
    # A table whose first line is a sentence has no names of columns.
    is_headless = any(" " in name.strip() or name.endswith((".", "!", "?")) for name in known)
    hint = "Write the names of the columns into the first line. " if is_headless else ""
    return UserError(
        f"There is no column {wanted}; the columns are {', '.join([*names, *more])}.",
        f"{guess or hint}{_REMEDY}",
        place,
    )


class _BadCellError(Exception):
    """A cell that holds no text, with what it is."""


def _text(row: Row, path: _Path, columns: TableColumns) -> str | None:
    """The text of a cell on one line; None if the cell lists languages without this one."""
    cell = row.get(path[0], _ABSENT)
    for part in path[1:]:
        holder = cell
        if isinstance(holder, dict) and isinstance(holder.get(part), str):
            cell = holder[part]
            continue
        parts = parts_of(holder)
        cell = holder if holder is None else _ABSENT if parts is None else parts.get(part, _ABSENT)
        if cell is _ABSENT and varies(holder):
            return None
    text = cell if isinstance(cell, str) else _as_text(cell, columns)
    return _LINE_BREAKS.sub(" ", text) if "\n" in text or "\r" in text else text


def _as_text(cell: Any, columns: TableColumns) -> str:  # noqa: ANN401 - any cell
    if isinstance(cell, bytes):
        try:
            return cell.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _BadCellError(
                f"is not UTF-8: its byte {error.start + 1} is 0x{cell[error.start]:02x}"
            ) from None
    if isinstance(cell, list) and len(cell) == 1 and isinstance(cell[0], str):
        return cell[0]
    is_null = cell is None or (isinstance(cell, float) and math.isnan(cell))
    if is_null and columns.skips_nulls:
        return ""
    if is_null or cell is _ABSENT:
        raise _BadCellError("is missing or null")
    raise _BadCellError(f"is {_shortened(repr(cell))}, not text")


def _shortened(text: str) -> str:
    """The text as a message can show it: its beginning, without control characters."""
    shown = "".join(
        character if character.isprintable() else "�" for character in text[:_LONGEST_SHOWN]
    )
    return shown if len(text) <= _LONGEST_SHOWN else f"{shown}…"


def _folded(name: str) -> str:
    """A name in the spelling in which names are compared: `pt-BR` and `PT_br` are one."""
    return name.strip().casefold().replace("-", "_")
