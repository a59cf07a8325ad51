"""Splits as subword ids: memory-mapped, sentence after sentence in one array a side."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from automl_tf.data.pairs import PairTable
from automl_tf.data.subwords import EOS, UNK, Subwords
from automl_tf.data.text import normalize

SIDES = ("source", "target")

_ID, _OFFSET = np.dtype("<i4"), np.dtype("<i8")
# Words that an encoder remembers before it forgets them all: some 100 MB.
_MOST_WORDS = 500_000
_RENUMBERED_AT_ONCE = 1_000_000


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


class Encoder:
    """Turns text into ids, each word once.

    No subword crosses a space, so that the ids of a sentence are those of its words. Few words make
    up most of a text: to look them up is many times faster than to cut them anew.

    Args:
        subwords: The vocabulary.
    """

    def __init__(self, subwords: Subwords) -> None:
        self._subwords = subwords
        self._ids_of_word: dict[str, bytes] = {}

    def __call__(self, texts: Sequence[str]) -> Ragged:
        """The ids of sentences, without special symbols."""
        words = [normalize(text).split(" ") for text in texts]
        flat = list(chain.from_iterable(words))
        numbers = {word: number for number, word in enumerate(dict.fromkeys(flat))}
        known = self._ids_of(list(numbers))
        lengths = np.fromiter(map(len, known), np.int64, len(known)) // _ID.itemsize
        vocabulary = Ragged(np.frombuffer(b"".join(known), _ID), _ends(lengths))
        taken = vocabulary.take(np.fromiter(map(numbers.__getitem__, flat), np.int64, len(flat)))
        counts = np.fromiter(map(len, words), np.int64, len(words))
        return Ragged(taken.ids, taken.offsets[_ends(counts)])

    def _ids_of(self, words: list[str]) -> list[bytes]:
        if len(self._ids_of_word) > _MOST_WORDS:
            self._ids_of_word.clear()
        new = [word for word in words if word not in self._ids_of_word]
        for word, ids in zip(new, self._subwords.encode_batch(new), strict=True):
            self._ids_of_word[word] = np.array(ids, dtype=_ID).tobytes()
        return [self._ids_of_word[word] for word in words]


def known_outputs(target: Ragged, num_outputs: int) -> Ragged:
    """Targets in which ids that the model cannot produce are UNK, so that a loss is defined."""
    ids = np.where(target.ids < num_outputs, target.ids, np.int32(UNK))
    return Ragged(ids, target.offsets)


class SplitWriter:
    """Writes a split of ids sentence by sentence into files that can be mapped into memory.

    A context manager: the files are complete when it is left.

    Args:
        folder: Where the files are written.
        name: Name of the split.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._files = ExitStack()
        self._ids = {side: self._files.enter_context(_new(folder, name, side)) for side in SIDES}
        self._folder, self._name = folder, name
        self._lengths: dict[str, list[npt.NDArray[np.int64]]] = {side: [] for side in SIDES}

    def __enter__(self) -> Self:
        return self

    def write(self, source: Ragged, target: Ragged) -> None:
        """Adds pairs."""
        for side, sentences in zip(SIDES, (source, target), strict=True):
            self._ids[side].write(np.ascontiguousarray(sentences.ids, dtype=_ID).data)
            self._lengths[side].append(sentences.lengths)

    def renumber(self, side: str, new_ids: npt.NDArray[np.int32]) -> None:
        """Replaces each id that one side has so far."""
        file = self._ids[side]
        file.seek(0)
        while block := file.read(_RENUMBERED_AT_ONCE * _ID.itemsize):
            file.seek(-len(block), os.SEEK_CUR)
            file.write(new_ids[np.frombuffer(block, dtype=_ID)].astype(_ID).data)

    def __exit__(self, *_: object) -> None:
        self._files.close()
        for side, lengths in self._lengths.items():
            offsets = _ends(np.concatenate([np.empty(0, dtype=np.int64), *lengths]))
            offsets.astype(_OFFSET).tofile(_path(self._folder, self._name, side, "offsets"))


def read_split(folder: Path, name: str) -> EncodedSplit:
    """Maps what a :class:`SplitWriter` wrote into memory; nothing is read until it is used."""
    return EncodedSplit(*(_mapped(folder, name, side) for side in SIDES))


def read_evaluation_split(folder: Path, name: str) -> EvaluationSplit:
    """Maps a split of ids into memory, and reads the text that stands beside it."""
    ids, text = read_split(folder, name), PairTable(text_path(folder, name))
    return EvaluationSplit(ids.source, ids.target, text.sources(), text.targets())


def text_path(folder: Path, name: str) -> Path:
    """Where the text of a split of ids stands, if it is needed."""
    return folder / f"{name}.arrow"


def _sentences(ragged: Ragged) -> Iterator[npt.NDArray[np.int32]]:
    for start, end in zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True):
        yield ragged.ids[start:end]


def _ends(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each of some sequences ends if they stand one after the other, after a zero."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _path(folder: Path, name: str, side: str, content: str) -> Path:
    return folder / f"{name}.{side}.{content}"


def _new(folder: Path, name: str, side: str) -> BinaryIO:
    return _path(folder, name, side, "ids").open("w+b")


def _mapped(folder: Path, name: str, side: str) -> Ragged:
    ids, offsets = (
        _array(_path(folder, name, side, content), dtype)
        for content, dtype in (("ids", _ID), ("offsets", _OFFSET))
    )
    return Ragged(ids, offsets)


def _array(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)
