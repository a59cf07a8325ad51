"""Parallel corpora: the built-in grammar, files and the Hub, each as tables of sentences."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from datasets import Dataset

from automl_tf.config.settings import Corpus, FilesCorpus, HubCorpus, SplitFiles, SyntheticCorpus
from automl_tf.data import synthetic
from automl_tf.data.columns import TableColumns, sentences
from automl_tf.data.hub import read_hub
from automl_tf.data.lines import read_aligned
from automl_tf.data.splits import SPLITS, Splits, stored_splits
from automl_tf.data.stamps import Stamps, recall, remember
from automl_tf.data.tables import read_table
from automl_tf.errors import Place, UserError

_HASHED_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class ParallelCorpus:
    """Sentences and their translations, as they stand in the corpus.

    Attributes:
        train: Table with the text columns source and target.
        validation: As train.
        test: As train, if the corpus has a test split.
        fingerprint: SHA-256 of the text of all splits.
        source_lang: Language code of the source.
        target_lang: Language code of the target.
    """

    train: Dataset
    validation: Dataset
    test: Dataset | None
    fingerprint: str
    source_lang: str
    target_lang: str


def load_corpus(config: Corpus, cache_dir: Path) -> ParallelCorpus:
    """Reads a corpus.

    Args:
        config: Which corpus.
        cache_dir: Folder for whatever has to be written on the way.

    Raises:
        UserError: If a split cannot be read, is malformed, or has no text.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    stamps = Stamps.of(config)
    splits = _reader(config)(cache_dir)
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
    split = read_aligned(files.source, files.target)
    return split["source"][:], split["target"][:]


def _reader(config: Corpus) -> Callable[[Path], Splits]:
    match config:
        case SyntheticCorpus():
            return partial(_read_synthetic, config)
        case FilesCorpus():
            return partial(_read_files, config)
        case HubCorpus():
            return partial(read_hub, config, _columns(config))


def _read_synthetic(config: SyntheticCorpus, cache_dir: Path) -> Splits:
    # The grammar takes some seconds for a large corpus, and a search asks again and again.
    entry = cache_dir / "synthetic" / Stamps.of(config).name
    return stored_splits(entry, partial(_generate, config))


def _generate(config: SyntheticCorpus) -> Splits:
    languages = (config.source_lang, config.target_lang)
    if set(languages) != {"en", "de"}:
        raise UserError(
            f"The built-in corpus is English and German, not {languages[0]} and {languages[1]}.",
            "Use en and de, in either direction, or a corpus of files.",
            Place(key="corpus.source_lang"),
        )
    splits = synthetic.generate(
        config.train_pairs, config.validation_pairs, config.test_pairs, config.seed
    )
    source, target = languages.index("en"), languages.index("de")
    return {
        name: sentences([pair[source] for pair in pairs], [pair[target] for pair in pairs])
        for name, pairs in splits.items()
    }


def _read_files(config: FilesCorpus, cache_dir: Path) -> Splits:
    def read(files: SplitFiles, key: str) -> Dataset:
        if files.table is not None:
            return read_table(files.table, _columns(config), f"{key}.table", cache_dir)
        assert files.source is not None
        assert files.target is not None
        return read_aligned(files.source, files.target, key)

    return {
        "train": read(config.train, "corpus.train"),
        "validation": read(config.validation, "corpus.validation"),
        "test": None if config.test is None else read(config.test, "corpus.test"),
    }


def _columns(config: FilesCorpus | HubCorpus) -> TableColumns:
    def names(column: str | None, language: str) -> tuple[str, ...]:
        return (column,) if column else (language, f"translation.{language}")

    return TableColumns(
        names(config.source_column, config.source_lang),
        names(config.target_column, config.target_lang),
    )


def _demand_text(split: Dataset | None, name: str) -> None:
    if split is None:
        return
    for side in ("source", "target"):
        if not any(text.strip() for text in split[side]):
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
        for rows in split.iter(batch_size=_HASHED_AT_ONCE):
            for side in ("source", "target"):
                texts = [text.encode("utf-8") for text in rows[side]]
                # With the lengths, no text can move from one sentence to the next unnoticed.
                checksum.update(np.array([len(text) for text in texts], dtype="<i8").tobytes())
                checksum.update(b"".join(texts))
    return checksum.hexdigest()
