"""Splits as subword ids: memory-mapped, sentence after sentence in one array a side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_tf.data.arrow_files import column, read_arrow, write_arrow
from automl_tf.data.subwords import EOS, UNK, Subwords

_ENCODED_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class Ragged:
    """Sentences of different lengths, one after the other.

    Attributes:
        ids: Subword ids of all sentences, int32.
        offsets: Where each sentence starts in ids, and at last where the last one ends, int64.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        """The ids of one sentence."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Length of each sentence in subwords, without special symbols."""
        return np.diff(self.offsets)

    def take(self, indices: npt.NDArray[np.int64]) -> "Ragged":
        """Some of the sentences, in the order of the indices."""
        lengths = self.offsets[indices + 1] - self.offsets[indices]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shift = np.repeat(self.offsets[indices] - offsets[:-1], lengths)
        return Ragged(self.ids[np.arange(offsets[-1]) + shift], offsets)

    def first(self, size: int) -> "Ragged":
        """The first sentences."""
        offsets = self.offsets[: size + 1]
        return Ragged(self.ids[: offsets[-1]], offsets)

    def renumbered(self, new_ids: npt.NDArray[np.int32]) -> "Ragged":
        """The sentences with the new id for each old one."""
        return Ragged(new_ids[self.ids], self.offsets)

    def cut(self, longest: int) -> "Ragged":
        """The sentences without what is beyond a length."""
        lengths = self.lengths
        position = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], lengths)
        offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, longest))])
        return Ragged(self.ids[position < longest], offsets)


@dataclass(frozen=True, eq=False)
class EncodedSplit:
    """A split as the model reads it, without special symbols.

    Attributes:
        source: Ids of the source sentences.
        target: Ids of the target sentences.
    """

    source: Ragged
    target: Ragged

    def __len__(self) -> int:
        return len(self.source)

    def first(self, size: int) -> "EncodedSplit":
        """The ids of its first sentences."""
        return EncodedSplit(self.source.first(size), self.target.first(size))

    def sources(self) -> list[list[int]]:
        """Source sentences for decoding, each ending with EOS as in training."""
        return [[*sentence.tolist(), EOS] for sentence in _sentences(self.source)]


@dataclass(frozen=True, eq=False)
class EvaluationSplit(EncodedSplit):
    """A split with its text: every pair of it, as BLEU is computed on all of them.

    Attributes:
        source_text: Source sentences as they stand in the corpus.
        target_text: References as they stand in the corpus.
    """

    source_text: list[str]
    target_text: list[str]


def encode(subwords: Subwords, texts: Sequence[str]) -> Ragged:
    """Sentences as ids, without special symbols."""
    flat: list[npt.NDArray[np.int32]] = []
    lengths: list[int] = []
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        batch = subwords.encode_batch(texts[start : start + _ENCODED_AT_ONCE])
        lengths.extend(map(len, batch))
        flat.extend(np.array(sentence, dtype=np.int32) for sentence in batch)
    ids = np.concatenate(flat) if flat else np.empty(0, dtype=np.int32)
    return Ragged(ids, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


def known_outputs(target: Ragged, num_outputs: int) -> Ragged:
    """Targets in which ids that the model cannot produce are UNK, so that a loss is defined."""
    ids = np.where(target.ids < num_outputs, target.ids, np.int32(UNK))
    return Ragged(ids, target.offsets)


def write_split(path: Path, split: EncodedSplit) -> None:
    """Writes a split to an Arrow file."""
    columns = {"source": _arrow(split.source), "target": _arrow(split.target)}
    if isinstance(split, EvaluationSplit):
        columns["source_text"] = pa.array(split.source_text, type=pa.large_string())
        columns["target_text"] = pa.array(split.target_text, type=pa.large_string())
    write_arrow(path, pa.table(columns))


def read_training_split(path: Path) -> EncodedSplit:
    """Maps a split of ids into memory."""
    table = read_arrow(path)
    return EncodedSplit(_ragged(column(table, "source")), _ragged(column(table, "target")))


def read_evaluation_split(path: Path) -> EvaluationSplit:
    """Maps a split of ids into memory, and reads its text."""
    table = read_arrow(path)
    return EvaluationSplit(
        _ragged(column(table, "source")),
        _ragged(column(table, "target")),
        table["source_text"][:],
        table["target_text"][:],
    )


def _sentences(ragged: Ragged) -> Iterator[npt.NDArray[np.int32]]:
    for start, end in zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True):
        yield ragged.ids[start:end]


def _arrow(ragged: Ragged) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array(ragged.offsets), pa.array(ragged.ids))


def _ragged(array: pa.LargeListArray) -> Ragged:
    return Ragged(
        array.values.to_numpy(zero_copy_only=True), array.offsets.to_numpy(zero_copy_only=True)
    )
