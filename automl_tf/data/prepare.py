"""From a configuration to encoded splits: built once for each corpus and data settings.

What is built stands in the cache under a name made from the text of the corpus and the data
settings, so that trials that differ elsewhere share it and a changed corpus never finds it.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset

from automl_tf.config.settings import DataConfig, TrialConfig
from automl_tf.data.characters import normalize
from automl_tf.data.corpora import ParallelCorpus, load_corpus
from automl_tf.data.encoded import (
    EncodedSplit,
    EvaluationSplit,
    encode,
    known_outputs,
    read_evaluation_split,
    read_training_split,
    write_split,
)
from automl_tf.data.entries import digest, ensure_entry
from automl_tf.data.filters import FilterReport, filter_by_length, filter_by_text
from automl_tf.data.stamps import Stamps, recall
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.errors import UserError
from automl_tf.model.size import VocabSizes

# Raise it whenever the same corpus and settings would be prepared differently.
_FORMAT = 2

_REPORT = "filters.json"
_TRAIN, _VALIDATION, _TEST = "train.arrow", "validation.arrow", "test.arrow"


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

    @property
    def num_pairs(self) -> dict[str, int]:
        """Sentence pairs of each split that a training reads."""
        return {"train": len(self.train), "validation": len(self.validation)}

    def load_test(self) -> EvaluationSplit | None:
        """The whole test split, if the corpus has one."""
        path = self.folder / _TEST
        return read_evaluation_split(path) if path.exists() else None

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
        read_training_split(folder / _TRAIN),
        read_evaluation_split(folder / _VALIDATION),
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
    vocabulary, train, report = _training_split(corpus, data, check)
    vocabulary.save(folder)
    write_split(folder / _TRAIN, train)
    validation = corpus.validation.select(fixed_order(len(corpus.validation)))
    for name, table in ((_VALIDATION, validation), (_TEST, corpus.test)):
        check()
        if table is not None:
            write_split(folder / name, _evaluation_split(table, vocabulary, data))
    (folder / _REPORT).write_text(json.dumps(dataclasses.asdict(report)))


def _training_split(
    corpus: ParallelCorpus, data: DataConfig, check: Callable[[], None]
) -> tuple[Vocabulary, EncodedSplit, FilterReport]:
    check()
    sources, targets = _normalized(corpus.train)
    held_out = [_normalized(split) for split in (corpus.validation, corpus.test) if split]
    kept, report = filter_by_text(sources, targets, held_out, deduplicate=data.deduplicate)
    report.demand_some()
    sources, targets = [sources[i] for i in kept], [targets[i] for i in kept]
    check()
    vocabulary = Vocabulary.train(sources, targets, data)
    check()
    source = encode(vocabulary.source, sources)
    check()
    target = encode(vocabulary.target, targets)
    short, report = filter_by_length(source.lengths, target.lengths, data, report)
    report.demand_some()
    source, target = source.take(short), target.take(short)
    vocabulary, new_ids = vocabulary.with_outputs_first(np.unique(target.ids))
    if vocabulary.joint:
        source = source.renumbered(new_ids)
    return vocabulary, EncodedSplit(source, target.renumbered(new_ids)), report


def _evaluation_split(table: Dataset, vocabulary: Vocabulary, data: DataConfig) -> EvaluationSplit:
    source = encode(vocabulary.source, table["source"][:]).cut(data.max_length)
    target = encode(vocabulary.target, table["target"][:]).cut(data.max_length)
    return EvaluationSplit(
        source,
        known_outputs(target, vocabulary.target.num_outputs),
        table["source"][:],
        table["target"][:],
    )


def _normalized(split: Dataset) -> tuple[list[str], list[str]]:
    sources, targets = split["source"][:], split["target"][:]
    return [normalize(text) for text in sources], [normalize(text) for text in targets]
