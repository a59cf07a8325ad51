"""Memory-mapped Arrow files of tables that are each one contiguous block."""

from pathlib import Path

import pyarrow as pa
from datasets import Dataset


def write_arrow(path: Path, table: pa.Table | Dataset) -> None:
    """Writes a table so that each column can be read back as one array without a copy."""
    if isinstance(table, Dataset):
        table = table.with_format("arrow")[:]
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read_arrow(path: Path) -> Dataset:
    """Maps what :func:`write_arrow` wrote into memory; nothing is read until it is used."""
    return Dataset.from_file(str(path))


def column(table: Dataset, name: str) -> pa.Array:
    """A column of a mapped table, without a copy."""
    chunks = table.data.column(name).chunks
    assert len(chunks) == 1, "write_arrow writes one block"
    return chunks[0]
