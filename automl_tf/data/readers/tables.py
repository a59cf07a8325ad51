"""Tables with a column for each language, whatever format they are in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from automl_tf.data.pairs import Pair
from automl_tf.data.readers.arrow_tables import arrow_rows, parquet_rows
from automl_tf.data.readers.columns import NumberedRow, TableColumns, pairs_of
from automl_tf.data.readers.compression import open_binary, without_compression
from automl_tf.data.readers.delimited import csv_rows, separator_of, tsv_rows
from automl_tf.data.readers.json_tables import json_lines_rows, json_rows
from automl_tf.data.readers.text_files import read_raw_lines
from automl_tf.errors import Place, UserError

_RowReader = Callable[[Path, TableColumns, str | None], Iterator[NumberedRow]]


@dataclass(frozen=True)
class Table:
    """The two text columns of a table file, read anew each time that it is iterated.

    Attributes:
        path: The file, compressed or not.
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
        return pairs_of(self.rows(), self.columns, self.place)

    @property
    def place(self) -> Place:
        """The file and its setting."""
        return Place(self.path, key=self.key)

    def rows(self) -> Iterator[NumberedRow]:
        """Reads the rows with the columns that may hold the text.

        Raises:
            UserError: If the file cannot be read or is malformed.
        """
        reader = _READERS.get(suffix_of(self.path.name)) or self._reader_by_content()
        return reader(self.path, self.columns, self.key)

    def _reader_by_content(self) -> _RowReader:
        """The reader of a file whose name tells nothing."""
        with open_binary(self.path, self.key) as file:
            head = file.peek(8)  # type: ignore[attr-defined]
        for magic, reader in _MAGIC_NUMBERS.items():
            if head.startswith(magic):
                return reader
        first = next(read_raw_lines(self.path, self.key)).strip()
        if first.startswith(("{", "[")):
            return _READERS[".jsonl"]
        separator = separator_of(first)
        # Any text may hold a comma: only one that separates the columns' names tells a table.
        if separator == "\t" or self.columns.are_among(first.split(separator)):
            return _READERS[".tsv" if separator == "\t" else ".csv"]
        raise UserError(
            f"{self.path} is no table that can be read: its name does not end in "
            f"{', '.join(_READERS)}.",
            "Convert it, or name two text files as source and target.",
            self.place,
        )


def suffix_of(name: str) -> str:
    """The ending of a table's name that tells its format, in small letters."""
    return Path(without_compression(name)).suffix.lower()


def is_table(name: str) -> bool:
    """Whether a file is a table by its name."""
    return suffix_of(name) in _READERS


_READERS: dict[str, _RowReader] = {
    ".jsonl": lambda path, _, key: json_lines_rows(path, key),
    ".json": lambda path, _, key: json_rows(path, key),
    ".ndjson": lambda path, _, key: json_lines_rows(path, key),
    ".csv": csv_rows,
    ".tsv": tsv_rows,
    ".tab": tsv_rows,
    ".parquet": parquet_rows,
    ".arrow": arrow_rows,
    ".feather": arrow_rows,
}
"""The reader of a table by the ending of its name."""
_MAGIC_NUMBERS: dict[bytes, _RowReader] = {
    b"PAR1": parquet_rows,
    b"ARROW1": arrow_rows,
    b"\xff\xff\xff\xff": arrow_rows,
}
"""The reader of a table by its first bytes."""
