"""Rows of Parquet and Arrow files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from automl_tf.data.readers.columns import NumberedRow, TableColumns
from automl_tf.data.readers.compression import open_seekable
from automl_tf.errors import Place, UserError, first_line

_FILE_MAGIC = b"ARROW1"


def parquet_rows(path: Path, columns: TableColumns, key: str | None) -> Iterator[NumberedRow]:
    """The rows of a Parquet file, with no more columns than needed.

    Raises:
        UserError: If the file cannot be read, or a column or cell of it.
    """
    with open_seekable(path, key) as file:

        def batches() -> Iterator[pa.RecordBatch]:
            parquet = pq.ParquetFile(file)
            names = _readable(parquet.schema_arrow, columns, Place(path, key=key))
            yield from parquet.iter_batches(columns=names)

        yield from _rows(batches(), columns, Place(path, key=key), "parquet")


def arrow_rows(path: Path, columns: TableColumns, key: str | None) -> Iterator[NumberedRow]:
    """The rows of an Arrow file in either of its two formats, which Feather is one of.

    Raises:
        UserError: If the file cannot be read, or a column or cell of it.
    """
    with open_seekable(path, key) as file:

        def batches() -> Iterator[pa.RecordBatch]:
            is_file = file.read(len(_FILE_MAGIC)) == _FILE_MAGIC
            file.seek(0)
            if not is_file:
                yield from pa.ipc.open_stream(file)
                return
            reader = pa.ipc.open_file(file)
            yield from map(reader.get_batch, range(reader.num_record_batches))

        yield from _rows(batches(), columns, Place(path, key=key), "arrow")


def _rows(
    batches: Iterable[pa.RecordBatch], columns: TableColumns, place: Place, kind: str
) -> Iterator[NumberedRow]:
    count = 0
    try:
        for batch in batches:
            names = _readable(batch.schema, columns, place)
            cells = [_cells(batch, name, count, place) for name in names]
            for row in zip(*cells, strict=True):
                yield None, dict(zip(names, row, strict=True))
            count += batch.num_rows
    except (pa.ArrowException, ValueError, OverflowError, OSError, MemoryError) as error:
        # A damaged length asks for more memory than there is.
        reason = first_line(error).rstrip(".!") or type(error).__name__
        raise UserError(
            f"{place.path} cannot be read as {kind}: {reason}.",
            "Check that the file is whole.",
            place,
        ) from None


def _readable(schema: pa.Schema, columns: TableColumns, place: Place) -> list[str]:
    """The columns that may hold the text: no numbers or times, which not all can be converted."""
    names = schema.names
    if not columns.are_among(names):
        names = [field.name for field in schema if _may_hold_text(field.type)]
    names = columns.among(names)
    doubled = next((name for name in names if schema.names.count(name) > 1), None)
    if doubled is not None:
        raise UserError(
            f"{place.path} has {schema.names.count(doubled)} columns of the name {doubled}.",
            "Give each column a name of its own.",
            place,
        )
    return names or list(dict.fromkeys(schema.names))


def _may_hold_text(kind: Any) -> bool:  # noqa: ANN401 - Arrow's types are not typed
    if isinstance(kind, pa.BaseExtensionType):
        return _may_hold_text(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _may_hold_text(kind.value_type)
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_null,
    )
    return pa.types.is_nested(kind) or any(test(kind) for test in tests)


def _cells(batch: pa.RecordBatch, name: str, count: int, place: Place) -> list[Any]:
    column = batch.column(name)
    try:
        # A damaged file may point anywhere in memory.
        column.validate(full=True)
        return list(column.to_pylist())
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        if "utf8" not in str(error).lower().replace("-", ""):
            raise
        number = next(index for index, cell in enumerate(column) if not _is_unicode(cell))
        raise UserError(
            f"Row {count + number + 1} of column {name} is not UTF-8.",
            "Correct the row, or leave it out.",
            place,
        ) from None


def _is_unicode(cell: pa.Scalar) -> bool:
    try:
        cell.as_py()
    except UnicodeDecodeError:
        return False
    return True
