"""From a configuration to encoded splits: built once for each corpus and data settings.

What is built stands in the cache under a name made from the text of the corpus and the data
settings, so that trials that differ elsewhere share it and a changed corpus never finds it.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl_tf.config.settings import DataConfig, TrialConfig
from automl_tf.data.cache import digest, ensure_entry
from automl_tf.data.corpora import SPLITS, ParallelCorpus, load_corpus
from automl_tf.data.encoded import (
    SIDES,
    EncodedSplit,
    Encoder,
    EvaluationSplit,
    SplitWriter,
    known_outputs,
    read_evaluation_split,
    read_split,
    text_path,
)
from automl_tf.data.filters import FilterReport, filter_by_length, filter_by_text
from automl_tf.data.fingerprints import Stamps, recall
from automl_tf.data.pairs import Chunk, Pair, PairTable, write_pairs
from automl_tf.data.text import normalize
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.errors import UserError
from automl_tf.model.size import VocabSizes
from automl_tf.signals import interruptible

# Raise it whenever the same corpus and settings would be prepared differently.
_FORMAT = 3

_MOST_PAIRS = 0.999

_REPORT = "filters.json"
TRAIN, VALIDATION, TEST = SPLITS


@dataclass(frozen=True, eq=False)
class PreparedData:
    """Everything that a training run reads.

    Attributes:
        vocabulary: Subwords of both languages.
        train: The filtered training split.
        validation: The whole validation split, in an order in which its first sentences stand for
            all of it: see ``fixed_order``.
        report: What was left out of the training split.
        fingerprint: SHA-256 of the text of the corpus.
        folder: Where it stands in the cache.
    """

    vocabulary: Vocabulary
    train: EncodedSplit
    validation: EvaluationSplit
    report: FilterReport
    fingerprint: str
    folder: Path

    @property
    def sizes(self) -> VocabSizes:
        """What a model has to know of the vocabulary."""
        return self.vocabulary.sizes

    @functools.cached_property
    def length_ratio(self) -> float:
        """Target subwords for each of the source that 99.9 % of the training pairs stay below."""
        ratios = self.train.target.lengths / np.maximum(self.train.source.lengths, 1)
        return float(np.quantile(ratios, _MOST_PAIRS, method="higher"))

    @property
    def num_pairs(self) -> dict[str, int]:
        """Sentence pairs of each split that a training reads."""
        return {"train": len(self.train), "validation": len(self.validation)}

    def load_test(self) -> EvaluationSplit | None:
        """The whole test split, if the corpus has one."""
        is_there = text_path(self.folder, TEST).exists()
        return read_evaluation_split(self.folder, TEST) if is_there else None

    def __reduce__(self) -> tuple[Callable[[Path, str], "PreparedData"], tuple[Path, str]]:
        """Goes to another process as its place in the cache, and maps the same files there."""
        return open_prepared, (self.folder, self.fingerprint)


class PreparationPausedError(Exception):
    """Ends a preparation whose caller has asked it to pause; nothing of it is kept."""


def prepare(
    config: TrialConfig, cache_dir: Path, should_pause: Callable[[], bool] = lambda: False
) -> PreparedData:
    """The encoded splits of a configuration, from the cache where possible.

    Safe when several processes ask for the same or for different splits at once.

    Args:
        config: Corpus and data settings; the rest does not matter.
        cache_dir: Folder of everything that is written.
        should_pause: Asked between the stages of a preparation, and while another process prepares.

    Raises:
        UserError: If the corpus cannot be read, or if no training pair passes the filters.
        PreparationPausedError: If the preparation should pause.
    """

    def check() -> None:
        if should_pause():
            raise PreparationPausedError

    loaded = None
    fingerprint = recall(Stamps.of(config.corpus), cache_dir)
    if fingerprint is None:
        loaded = load_corpus(config.corpus, cache_dir)
        fingerprint = loaded.fingerprint
    name = digest([_FORMAT, fingerprint, config.data.model_dump(mode="json")])
    folder = cache_dir.absolute() / "prepared" / name

    def build(empty: Path) -> None:
        corpus = loaded or load_corpus(config.corpus, cache_dir)
        if corpus.fingerprint != fingerprint:
            raise UserError(
                "The corpus changed while it was being prepared.",
                "Run again when its files are complete.",
            )
        _build(corpus, config.data, empty, check)

    ensure_entry(folder, build, check)
    return open_prepared(folder, fingerprint)


@functools.lru_cache(maxsize=8)
def open_prepared(folder: Path, fingerprint: str) -> PreparedData:
    """The splits that stand in a folder of the cache.

    Args:
        folder: The folder.
        fingerprint: SHA-256 of the text that they were made from.
    """
    report = FilterReport(**json.loads((folder / _REPORT).read_text()))
    return PreparedData(
        Vocabulary.load(folder),
        read_split(folder, TRAIN),
        read_evaluation_split(folder, VALIDATION),
        report,
        fingerprint,
        folder,
    )


def fixed_order(size: int) -> list[int]:
    """An order of a split's sentences that is as good as drawn, and the same everywhere.

    Corpora follow their documents: what stands first in a file is one text, not a sample. The order
    depends on the number of sentences alone, not on a generator that another version of a library
    may change, so that all workers and all trials validate on the same first sentences.

    Args:
        size: Number of sentences.
    """
    return sorted(range(size), key=lambda index: hashlib.sha256(str(index).encode()).digest())


def _build(
    corpus: ParallelCorpus, data: DataConfig, folder: Path, check: Callable[[], None]
) -> None:
    vocabulary, report = _write_training_split(corpus, data, folder, check)
    vocabulary.save(folder)
    for name, table in ((VALIDATION, corpus.validation), (TEST, corpus.test)):
        check()
        if table is not None:
            order = fixed_order(len(table)) if name == VALIDATION else range(len(table))
            sources, targets = table.sources(), table.targets()
            pairs = [(sources[index], targets[index]) for index in order]
            _write_evaluation_split(pairs, vocabulary, data, folder, name)
    (folder / _REPORT).write_text(json.dumps(dataclasses.asdict(report)))


def _write_training_split(
    corpus: ParallelCorpus, data: DataConfig, folder: Path, check: Callable[[], None]
) -> tuple[Vocabulary, FilterReport]:
    """Filters, learns the vocabulary from what is left, and writes its ids chunk by chunk."""

    def checked(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            check()
            yield chunk

    kept, report = filter_by_text(
        map(_normalized, checked(corpus.train.chunks())),
        (
            _normalized(chunk)
            for split in (corpus.validation, corpus.test)
            if split
            for chunk in checked(split.chunks())
        ),
        deduplicate=data.deduplicate,
    )
    report.demand_some()
    vocabulary = interruptible(lambda: _learnt(corpus.train, kept, data, checked), check)
    encoders = _encoders(vocabulary)
    used = np.zeros(len(vocabulary.target), dtype=bool)
    with SplitWriter(folder, TRAIN) as writer:
        for chunk in checked(corpus.train.chunks(kept)):
            source, target = (
                encoder(texts) for encoder, texts in zip(encoders, chunk, strict=True)
            )
            short, report = filter_by_length(source.lengths, target.lengths, data, report)
            source, target = source.take(short), target.take(short)
            used[target.ids] = True
            writer.write(source, target)
        report.demand_some()
        vocabulary, new_ids = vocabulary.with_outputs_first(np.flatnonzero(used))
        for side in SIDES if vocabulary.joint else SIDES[1:]:
            check()
            writer.renumber(side, new_ids)
    return vocabulary, report


def _learnt(
    train: PairTable,
    kept: npt.NDArray[np.bool_],
    data: DataConfig,
    checked: Callable[[Iterable[Chunk]], Iterator[Chunk]],
) -> Vocabulary:
    """The vocabulary of the kept pairs."""
    places = np.flatnonzero(kept)

    def texts(side: int, sample: npt.NDArray[np.int64]) -> list[str]:
        chosen = np.zeros(len(train), dtype=bool)
        chosen[places[sample]] = True
        return [text for chunk in checked(train.chunks(chosen)) for text in chunk[side]]

    sources, targets = Vocabulary.training_sample(len(places), data)
    return Vocabulary.train(texts(0, sources), texts(1, targets), data)


def _write_evaluation_split(
    pairs: Sequence[Pair], vocabulary: Vocabulary, data: DataConfig, folder: Path, name: str
) -> None:
    source, target = (
        encoder(texts).cut(data.max_length)
        for encoder, texts in zip(_encoders(vocabulary), zip(*pairs, strict=True), strict=True)
    )
    with SplitWriter(folder, name) as writer:
        writer.write(source, known_outputs(target, vocabulary.target.num_outputs))
    write_pairs(text_path(folder, name), pairs)


def _encoders(vocabulary: Vocabulary) -> tuple[Encoder, Encoder]:
    """Encoders of both sides; the same one if the vocabulary is joint."""
    source = Encoder(vocabulary.source)
    return source, source if vocabulary.joint else Encoder(vocabulary.target)


def _normalized(chunk: Chunk) -> Chunk:
    return Chunk(*([normalize(text) for text in texts] for texts in chunk))
