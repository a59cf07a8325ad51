"""Sentence pairs: what a reader yields, and tables of them on disk that are read in chunks.

No corpus is held in memory as a whole: a table is written once while a reader is iterated, and
then read chunk by chunk as often as it is needed.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Pair = tuple[str, str]
"""A sentence and its translation."""

CHUNK_PAIRS = 10_000
"""Pairs of a chunk; the last one of a table may have fewer."""

_SCHEMA = pa.schema([("source", pa.large_string()), ("target", pa.large_string())])


class Chunk(NamedTuple):
    """Consecutive pairs of a table.

    Attributes:
        sources: Source sentences.
        targets: Their translations.
    """

    sources: list[str]
    targets: list[str]


class PairTable:
    """Sentence pairs in an Arrow file.

    Args:
        file: The file, as :func:`write_pairs` writes it. An open file is kept open.
    """

    def __init__(self, file: Path | BinaryIO) -> None:
        self._file = file
        self._reader = pa.ipc.open_file(pa.OSFile(str(file)) if isinstance(file, Path) else file)
        chunks = self._reader.num_record_batches
        last = self._reader.get_batch(chunks - 1).num_rows if chunks else 0
        self._num_pairs = max(0, chunks - 1) * CHUNK_PAIRS + last

    def __len__(self) -> int:
        return int(self._num_pairs)

    def arrow_chunks(self) -> Iterator[pa.RecordBatch]:
        """The chunks in Arrow's form, with the columns source and target."""
        return map(self._reader.get_batch, range(self._reader.num_record_batches))

    def chunks(self, chosen: npt.NDArray[np.bool_] | None = None) -> Iterator[Chunk]:
        """The pairs chunk by chunk.

        Args:
            chosen: Whether each pair of the table is wanted; all are by default.
        """
        start = 0
        for batch in self.arrow_chunks():
            wanted = batch
            if chosen is not None:
                wanted = batch.filter(pa.array(chosen[start : start + batch.num_rows]))
            start += batch.num_rows
            yield Chunk(wanted.column(0).to_pylist(), wanted.column(1).to_pylist())

    def sources(self) -> list[str]:
        """All source sentences."""
        return [text for chunk in self.chunks() for text in chunk.sources]

    def targets(self) -> list[str]:
        """All translations."""
        return [text for chunk in self.chunks() for text in chunk.targets]


def write_pairs(file: Path | BinaryIO, pairs: Iterable[Pair]) -> None:
    """Writes pairs to a file without holding more than a chunk of them.

    Half a character, as escapes of JSON can spell it, becomes U+FFFD.
    """
    sink = pa.OSFile(str(file), "wb") if isinstance(file, Path) else pa.PythonFile(file, "w")
    with pa.ipc.new_file(sink, _SCHEMA) as writer:
        iterator = iter(pairs)
        while chunk := list(islice(iterator, CHUNK_PAIRS)):
            columns = [_array(side) for side in zip(*chunk, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    if isinstance(file, Path):
        sink.close()
    else:
        file.flush()


def _array(texts: Sequence[str]) -> pa.LargeStringArray:
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array(map(_with_whole_characters, texts), pa.large_string())


def _with_whole_characters(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, and one character for each pair of them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
