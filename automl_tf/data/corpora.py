"""Parallel corpora: the sample corpus, files and the Hub, each as tables of sentence pairs."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from automl_tf.config.settings import Corpus, FilesCorpus, HubCorpus, SplitFiles, SyntheticCorpus
from automl_tf.data import sample
from automl_tf.data.cache import digest, ensure_entry
from automl_tf.data.fingerprints import Stamps, recall, remember
from automl_tf.data.pairs import Pair, PairTable, write_pairs
from automl_tf.data.readers.columns import ColumnName, TableColumns
from automl_tf.data.readers.tables import Table
from automl_tf.data.readers.text_files import AlignedFiles
from automl_tf.errors import Place, UserError

SPLITS = ("train", "validation", "test")

# Raise it whenever the tables of stored corpora change their form.
_FORMAT = 2

Splits = Mapping[str, PairTable | None]
"""A table for each split; None if there is no such one."""


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Sentences and their translations, as they stand in the corpus.

    Attributes:
        train: The training pairs.
        validation: The validation pairs.
        test: The test pairs, if the corpus has a test split.
        fingerprint: SHA-256 of the text of all splits.
        source_lang: Language code of the source.
        target_lang: Language code of the target.
    """

    train: PairTable
    validation: PairTable
    test: PairTable | None
    fingerprint: str
    source_lang: str
    target_lang: str


def load_corpus(config: Corpus, cache_dir: Path) -> ParallelCorpus:
    """Reads a corpus from beginning to end, once.

    The text goes to a file without a name in ``cache_dir``, which is gone when the corpus is no
    longer used, however the process ends.

    Args:
        config: Which corpus.
        cache_dir: Folder for whatever has to be written on the way.

    Raises:
        UserError: If a split cannot be read, is malformed, or has no text.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    stamps = Stamps.of(config)
    splits = _read(config, cache_dir)
    for name in SPLITS:
        _demand_text(splits[name], name)
    fingerprint = _fingerprint(splits)
    remember(stamps, config, fingerprint, cache_dir)
    train, validation = splits["train"], splits["validation"]
    assert train is not None
    assert validation is not None
    return ParallelCorpus(
        train, validation, splits["test"], fingerprint, config.source_lang, config.target_lang
    )


def corpus_fingerprint(config: Corpus, cache_dir: Path) -> str:
    """SHA-256 of the text of all splits.

    The corpus is read only if its files have changed since they were last read.

    Raises:
        UserError: If the corpus has to be read and cannot be.
    """
    known = recall(Stamps.of(config), cache_dir)
    return known if known is not None else load_corpus(config, cache_dir).fingerprint


def read_pair(files: SplitFiles) -> tuple[list[str], list[str]]:
    """Sentences and references of two line-aligned files that belong to no corpus.

    Raises:
        UserError: If a file cannot be read, or if the numbers of lines differ.
    """
    assert files.source is not None
    assert files.target is not None
    pairs = list(AlignedFiles(files.source, files.target))
    return [source for source, _ in pairs], [target for _, target in pairs]


def _read(config: Corpus, cache_dir: Path) -> Splits:
    match config:
        case SyntheticCorpus():
            # It takes some seconds to make, and a search asks again and again.
            entry = cache_dir / "synthetic" / f"{_FORMAT}-{Stamps.of(config).name}"
            return _stored(entry, lambda: _generate(config))
        case FilesCorpus():
            return _spooled(_file_readers(config), cache_dir)
        case HubCorpus() if Path(config.name).is_dir():
            return _spooled(_hub_readers(config, cache_dir), cache_dir)
        case HubCorpus():
            # What was fetched once is served without network, so that a study reads the same text
            # from its first trial to its last even where the dataset moves on.
            entry = cache_dir / "hub" / digest([_FORMAT, config.model_dump(mode="json")])
            return _stored(entry, lambda: _fetch(config, cache_dir))


def _stored(entry: Path, get: Callable[[], Mapping[str, Iterable[Pair] | None]]) -> Splits:
    """The splits of a cache entry, made or fetched if they are not there."""

    def build(folder: Path) -> None:
        for name, pairs in get().items():
            if pairs is not None:
                write_pairs(folder / f"{name}.arrow", pairs)

    ensure_entry(entry, build)
    paths = {name: entry / f"{name}.arrow" for name in SPLITS}
    return {name: PairTable(path) if path.exists() else None for name, path in paths.items()}


def _spooled(readers: Mapping[str, Iterable[Pair] | None], cache_dir: Path) -> Splits:
    """The splits in files without a name."""
    return {
        name: None if reader is None else _spool(reader, cache_dir)
        for name, reader in readers.items()
    }


def _spool(reader: Iterable[Pair], cache_dir: Path) -> PairTable:
    file = cast("BinaryIO", tempfile.TemporaryFile(dir=cache_dir))  # noqa: SIM115 - the table's
    write_pairs(file, reader)
    return PairTable(file)


def _generate(config: SyntheticCorpus) -> Mapping[str, Iterable[Pair]]:
    languages = (config.source_lang, config.target_lang)
    if set(languages) != {"en", "de"}:
        raise UserError(
            f"The built-in corpus is English and German, not {languages[0]} and {languages[1]}.",
            "Use en and de, in either direction, or a corpus of files.",
            Place(key="corpus.source_lang"),
        )
    splits = sample.generate(
        config.train_pairs, config.validation_pairs, config.test_pairs, config.seed
    )
    if languages == ("en", "de"):
        return splits
    return {name: [(target, source) for source, target in splits[name]] for name in splits}


def _fetch(config: HubCorpus, cache_dir: Path) -> Mapping[str, Iterable[Pair] | None]:
    from automl_tf.data.readers.hub import demand_dataset  # noqa: PLC0415 - half a second

    demand_dataset(config)
    return _hub_readers(config, cache_dir)


def _hub_readers(config: HubCorpus, cache_dir: Path) -> Mapping[str, Iterable[Pair] | None]:
    from automl_tf.data.readers.hub import HubSplit  # noqa: PLC0415 - half a second

    return {
        name: HubSplit(config, name, _columns(config, name), cache_dir)
        if getattr(config, name) is not None
        else None
        for name in SPLITS
    }


def _file_readers(config: FilesCorpus) -> Mapping[str, Iterable[Pair] | None]:
    def reader(split: str) -> Iterable[Pair] | None:
        files: SplitFiles | None = getattr(config, split)
        if files is None:
            return None
        key = f"corpus.{split}"
        if files.table is not None:
            return Table(files.table, _columns(config, split), f"{key}.table")
        assert files.source is not None
        assert files.target is not None
        return AlignedFiles(files.source, files.target, key)

    return {split: reader(split) for split in SPLITS}


def _columns(config: FilesCorpus | HubCorpus, split: str) -> TableColumns:
    def name(column: str | None, language: str) -> ColumnName:
        return ColumnName(column) if column else ColumnName(language, is_language=True)

    return TableColumns(
        name(config.source_column, config.source_lang),
        name(config.target_column, config.target_lang),
        skips_nulls=split == "train",
    )


def _demand_text(split: PairTable | None, name: str) -> None:
    if split is None:
        return
    for side in ("source", "target"):
        texts = (text for chunk in split.chunks() for text in getattr(chunk, f"{side}s"))
        if not any(text.strip() for text in texts):
            raise UserError(
                f"The {side} of the {name} split has no text in any of its {len(split)} pairs.",
                "Check that the file or column is the right one.",
                Place(key=f"corpus.{name}"),
            )


def _fingerprint(splits: Splits) -> str:
    checksum = hashlib.sha256()
    for name in SPLITS:
        split = splits[name]
        checksum.update(f"{name}:{None if split is None else len(split)};".encode())
        if split is None:
            continue
        for chunk in split.arrow_chunks():
            for side in chunk.columns:
                lengths, text = _content(side)
                # With the lengths, no text can move from one sentence to the next unnoticed.
                checksum.update(lengths)
                checksum.update(text)
    return checksum.hexdigest()


def _content(texts: pa.LargeStringArray) -> tuple[bytes, memoryview]:
    """The lengths in bytes of some texts, as little-endian int64, and their UTF-8."""
    _, offset_buffer, data = texts.buffers()
    offsets = np.frombuffer(offset_buffer, dtype="<i8")
    offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
    text = memoryview(data or b"")[offsets[0] : offsets[-1]]
    return np.diff(offsets).astype("<i8").tobytes(), text
