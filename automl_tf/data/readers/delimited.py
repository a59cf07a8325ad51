"""Rows of CSV and TSV files."""

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from automl_tf.data.readers.columns import NumberedRow, TableColumns
from automl_tf.data.readers.text_files import read_raw_lines
from automl_tf.errors import Place, UserError

_OTHER_SEPARATORS = ";\t|"
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"')
# Decoded UTF-8 never holds it: stands for a carriage return that ends no row.
_RETURN = "\udc0d"


def csv_rows(path: Path, columns: TableColumns, key: str | None) -> Iterator[NumberedRow]:
    """The rows of a CSV file, whose separator is that of its first line.

    Raises:
        UserError: If the file cannot be read, or if its quoting or a row is malformed.
    """
    lines = read_raw_lines(path, key)
    yield from _quoted_rows(next(lines), lines, columns, Place(path, key=key))


def tsv_rows(path: Path, columns: TableColumns, key: str | None) -> Iterator[NumberedRow]:
    """The rows of a TSV file, in which a quotation mark is text, as its media type has it.

    A file that is quoted as CSV is, which many programs write under this name, is read as such.

    Raises:
        UserError: If the file cannot be read, or if a row is malformed.
    """
    place = Place(path, key=key)
    is_quoted = _is_quoted(read_raw_lines(path, key))
    lines = read_raw_lines(path, key)
    if is_quoted:
        yield from _quoted_rows(next(lines), lines, columns, place)
        return
    rows = enumerate(map(_tsv_cells, lines), start=1)
    remedy = "Replace tabs and line breaks inside cells by spaces, or write CSV with quotes."
    yield from _named_rows(rows, columns, place, remedy)


def _is_quoted(lines: Iterator[str]) -> bool:
    """Whether a TSV file is quoted as CSV is.

    Either the names of its columns are, or each cell that has a quotation mark is quoted as a
    whole and marks are doubled in some: in a file without quoting, hardly any sentence is like it.
    """
    first = next(lines)
    if all(len(name) > 1 and _QUOTED.fullmatch(name) for name in _tsv_cells(first)):
        return True
    is_any_doubled = False
    for line in chain([first], lines):
        for cell in _tsv_cells(line) if '"' in line else ():
            if '"' in cell:
                if not _QUOTED.fullmatch(cell):
                    return False
                is_any_doubled |= '""' in cell[1:-1]
    return is_any_doubled


def _tsv_cells(line: str) -> list[str]:
    return line.rstrip("\r\n").split("\t")


def _quoted_rows(
    first: str, others: Iterable[str], columns: TableColumns, place: Place
) -> Iterator[NumberedRow]:
    remedy = "Quote cells that hold the separator, and give each row every column."
    yield from _named_rows(_csv_cells(first, others, place), columns, place, remedy)


def separator_of(line: str) -> str:
    """The separator of a table by its first line: a comma unless there is none."""
    return next((mark for mark in f",{_OTHER_SEPARATORS}" if mark in line), ",")


def _csv_cells(first: str, others: Iterable[str], place: Place) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, with the line that the row begins in."""
    # The default refuses cells of more than 128 KiB.
    csv.field_size_limit(sys.maxsize)
    lines = map(_without_returns, chain([first], others))
    reader = csv.reader(lines, strict=True, delimiter=separator_of(first))
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"Line {start} of {place.path} is malformed: {error}.",
            "Close every quotation mark, and double those inside a cell.",
            Place(place.path, start, place.key),
        ) from None


def _without_returns(line: str) -> str:
    """A line that ends in a line feed alone: the parser takes every return for the end of a row."""
    return line.rstrip("\r\n").replace("\r", _RETURN) + "\n" if "\r" in line else line


def _named_rows(
    rows: Iterable[tuple[int, list[str]]], columns: TableColumns, place: Place, remedy: str
) -> Iterator[NumberedRow]:
    """Rows with the names of the first one; empty lines are left out.

    Columns that nobody asks for may be missing at the end of a row, and cells without a name may
    stand there if they are empty.
    """
    names: list[str] = []
    read: Sequence[int] = ()
    count = 0
    for line, row in rows:
        if not row or row == [""]:
            continue
        if not names:
            names = row
            wanted = _wanted(names, columns, place)
            read = wanted or range(len(names))
            continue
        if len(row) != len(names) and (
            any(row[len(names) :]) or max(wanted, default=0) >= len(row)
        ):
            raise UserError(
                f"Line {line} of {place.path} has {len(row)} columns where the first line has "
                f"{len(names)}.",
                remedy,
                Place(place.path, line, place.key),
            )
        count += 1
        yield (
            line,
            {names[i]: row[i].replace(_RETURN, "\r") for i in read if i < len(row)},
        )
    if not count:
        raise UserError(
            f"{place.path} has no rows below the names of its columns.",
            "Write the text into it, with the columns' names in the first line.",
            place,
        )


def _wanted(names: list[str], columns: TableColumns, place: Place) -> list[int]:
    """The indices of the columns that are read, if the names tell them."""
    if not columns.are_among(names):
        return []
    wanted = columns.among(names)
    doubled = next((name for name in wanted if names.count(name) > 1), None)
    if doubled is not None:
        raise UserError(
            f"Column {doubled} stands {names.count(doubled)} times in the first line of "
            f"{place.path}.",
            "Give each column a name of its own.",
            place,
        )
    return [names.index(name) for name in wanted]
