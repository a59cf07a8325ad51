"""Rows of CSV and TSV files."""

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from automl_tf.data.readers.columns import NumberedRow, TableColumns
from automl_tf.data.readers.text_files import read_raw_lines
from automl_tf.errors import Place, UserError

_OTHER_SEPARATORS = ";\t|"
# Decoded UTF-8 never holds it: stands for a carriage return that ends no row.
_RETURN = "\udc0d"


def csv_rows(path: Path, columns: TableColumns, key: str | None) -> Iterator[NumberedRow]:
    """The rows of a CSV file, whose separator is that of its first line.

    Raises:
        UserError: If the file cannot be read, or if its quoting or a row is malformed.
    """
    remedy = "Quote cells that hold the separator, and give each row every column."
    yield from _named_rows(_csv_cells(path, key), columns, Place(path, key=key), remedy)


def tsv_rows(path: Path, columns: TableColumns, key: str | None) -> Iterator[NumberedRow]:
    """The rows of a TSV file. Its media type knows no quoting: a quotation mark is text.

    Raises:
        UserError: If the file cannot be read, or if a row is malformed.
    """
    lines = enumerate(read_raw_lines(path, key), start=1)
    cells = ((number, line.rstrip("\r\n").split("\t")) for number, line in lines)
    remedy = "Replace tabs and line breaks inside cells by spaces, or write CSV with quotes."
    yield from _named_rows(cells, columns, Place(path, key=key), remedy)


def separator_of(line: str) -> str:
    """The separator of a table by its first line: a comma unless there is none."""
    return next((mark for mark in f",{_OTHER_SEPARATORS}" if mark in line), ",")


def _csv_cells(path: Path, key: str | None) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, with the line that the row begins in."""
    # The default refuses cells of more than 128 KiB.
    csv.field_size_limit(sys.maxsize)
    lines = read_raw_lines(path, key)
    first = next(lines)
    reader = csv.reader(_without_returns(first, lines), strict=True, delimiter=separator_of(first))
    start = 1
    try:
        for row in reader:
            yield start, [cell.replace(_RETURN, "\r") for cell in row]
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"Line {start} of {path} is malformed: {error}.",
            "Close every quotation mark, and double those inside a cell.",
            Place(path, start, key),
        ) from None


def _without_returns(first: str, others: Iterable[str]) -> Iterator[str]:
    """Lines that end in a line feed alone: the parser takes every return for the end of a row."""
    for lines in ([first], others):
        for line in lines:
            if "\r" not in line:
                yield line
                continue
            yield line.rstrip("\r\n").replace("\r", _RETURN) + "\n"


def _named_rows(
    rows: Iterable[tuple[int, list[str]]], columns: TableColumns, place: Place, remedy: str
) -> Iterator[NumberedRow]:
    """Rows with the names of the first one; empty lines are left out.

    Columns that nobody asks for may be missing at the end of a row, and cells without a name may
    stand there if they are empty.
    """
    names: list[str] = []
    wanted: set[int] = set()
    count = 0
    for line, row in rows:
        if not row or row == [""]:
            continue
        if not names:
            names = row
            wanted = _wanted(names, columns, place)
            continue
        if len(row) != len(names) and (
            any(row[len(names) :]) or any(index >= len(row) for index in wanted)
        ):
            raise UserError(
                f"Line {line} of {place.path} has {len(row)} columns where the first line has "
                f"{len(names)}.",
                remedy,
                Place(place.path, line, place.key),
            )
        count += 1
        yield line, dict(zip(names, row, strict=False))
    if not count:
        raise UserError(
            f"{place.path} has no rows below the names of its columns.",
            "Write the text into it, with the columns' names in the first line.",
            place,
        )


def _wanted(names: list[str], columns: TableColumns, place: Place) -> set[int]:
    """The indices of the columns that are read."""
    if not columns.are_among(names):
        return set()
    wanted = columns.among(names)
    doubled = next((name for name in wanted if names.count(name) > 1), None)
    if doubled is not None:
        raise UserError(
            f"Column {doubled} stands {names.count(doubled)} times in the first line of "
            f"{place.path}.",
            "Give each column a name of its own.",
            place,
        )
    return {names.index(name) for name in wanted}
