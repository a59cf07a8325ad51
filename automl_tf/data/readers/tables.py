"""Tables with a column for each language: JSON lines, JSON, CSV, TSV and Parquet."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from automl_tf.data.pairs import Pair
from automl_tf.data.readers.columns import Row, TableColumns, pairs_of
from automl_tf.data.readers.text_files import open_binary, read_lines, read_raw_lines
from automl_tf.errors import Place, UserError, first_line

# The media type text/tab-separated-values knows no quoting: a quotation mark is just text.
_TSV: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
_CSV: dict[str, Any] = {"delimiter": ",", "quoting": csv.QUOTE_MINIMAL}


@dataclass(frozen=True)
class Table:
    """The two text columns of a table file; a :class:`PairReader`.

    Attributes:
        path: The file; all but Parquet may be compressed with gzip.
        columns: Where the text stands.
        key: Dotted path of the setting that names the file.
    """

    path: Path
    columns: TableColumns
    key: str

    def __iter__(self) -> Iterator[Pair]:
        """Reads the table row by row.

        Raises:
            UserError: If the file cannot be read, is malformed, or lacks a column or a cell.
        """
        suffix = Path(self.path.name.removesuffix(".gz")).suffix.lower()
        if suffix not in _ROWS:
            raise UserError(
                f"{self.path} is no table that can be read: its name does not end in "
                f"{', '.join(_ROWS)}.",
                "Convert it, or name two text files as source and target.",
                self._place,
            )
        return pairs_of(_ROWS[suffix](self), self.columns, self._place)

    def place(self, number: int) -> Place:
        """The file; rows are told in the message, since a row may take several lines."""
        del number
        return self._place

    @property
    def _place(self) -> Place:
        return Place(self.path, key=self.key)


def _json_lines(table: Table) -> Iterator[Row]:
    for number, line in enumerate(read_lines(table.path, table.key), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"Line {number} of {table.path} is not JSON: {error.msg} at column {error.colno}.",
                "Write one JSON object a line.",
                Place(table.path, number, table.key),
            ) from None
        if not isinstance(row, dict):
            raise UserError(
                f"Line {number} of {table.path} is JSON, but no object with named columns.",
                'Write one object a line, as in {"en": "…", "de": "…"}.',
                Place(table.path, number, table.key),
            )
        yield row


def _json(table: Table) -> Iterator[Row]:
    """A list of rows, lists of cells by column, or JSON lines in spite of the name."""
    text = "".join(read_raw_lines(table.path, table.key))
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            yield from _json_lines(table)
            return
        raise _unreadable(table, "json", f"{error.msg} in line {error.lineno}") from None
    if isinstance(content, dict):
        lists = content and all(isinstance(cells, list) for cells in content.values())
        rows = zip(*content.values(), strict=False) if lists else [content.values()]
        content = [dict(zip(content, row, strict=True)) for row in rows]
    for number, row in enumerate(content, start=1):
        if not isinstance(row, dict):
            raise _unreadable(table, "json", f"row {number} is no object with named columns")
        yield row


def _delimited(dialect: dict[str, Any]) -> Callable[[Table], Iterator[Row]]:
    def rows_of(table: Table) -> Iterator[Row]:
        rows = csv.reader(_split_at_returns(table), strict=True, **dialect)
        names: list[str] | None = None
        count = 0
        try:
            for row in filter(None, rows):
                if names is None:
                    names = row
                    continue
                if len(row) != len(names):
                    raise UserError(
                        f"Line {rows.line_num} of {table.path} has {len(row)} columns where the "
                        f"first line has {len(names)}.",
                        "Quote cells that hold the separator, and give each row every column.",
                        Place(table.path, rows.line_num, table.key),
                    )
                count += 1
                yield dict(zip(names, row, strict=True))
        except csv.Error as error:
            raise UserError(
                f"Line {rows.line_num} of {table.path} is malformed: {error}.",
                "Close every quotation mark, and double those inside a cell.",
                Place(table.path, rows.line_num, table.key),
            ) from None
        if not count:
            raise UserError(
                f"{table.path} has no rows below the names of its columns.",
                "Write the text into it, with the columns' names in the first line.",
                Place(table.path, key=table.key),
            )

    return rows_of


def _split_at_returns(table: Table) -> Iterator[str]:
    """Lines with their ends; a carriage return ends a row of CSV, too."""
    for line in read_raw_lines(table.path, table.key):
        yield from io.StringIO(line, newline="") if "\r" in line else [line]


def _parquet(table: Table) -> Iterator[Row]:
    with open_binary(table.path, table.key) as file:
        try:
            parquet = pq.ParquetFile(file)
            names = table.columns.among(parquet.schema_arrow.names)
            for batch in parquet.iter_batches(columns=names):
                yield from batch.to_pylist()
        except (pa.ArrowException, ValueError) as error:
            raise _unreadable(table, "parquet", first_line(error).rstrip(".!")) from None


def _unreadable(table: Table, kind: str, reason: str) -> UserError:
    return UserError(
        f"{table.path} cannot be read as {kind}: {reason}.",
        "Check that the file is whole and that each row has the same columns.",
        Place(table.path, key=table.key),
    )


_ROWS: dict[str, Callable[[Table], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".ndjson": _json_lines,
    ".csv": _delimited(_CSV),
    ".tsv": _delimited(_TSV),
    ".parquet": _parquet,
}
"""The rows of a table by the ending of its name."""
