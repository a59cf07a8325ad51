"""Corpora of a study in Python: files, tables, datasets of the Hub, the sample corpus."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from automl_tf.home import expanded

Source = str | PathLike[str]

Corpus = Mapping[str, Any]
"""The section ``corpus`` of a study file."""


def files(
    train: tuple[Source, Source],
    validation: tuple[Source, Source],
    languages: tuple[str, str],
    test: tuple[Source, Source] | None = None,
) -> Corpus:
    """Returns a corpus of text files, one sentence a line.

    Args:
        train: Files of the source and of the target language.
        validation: Those of the validation split.
        languages: Codes of the source and of the target language, as in ``("en", "de")``.
        test: Those of the test split, if there is one.
    """
    splits = {"train": train, "validation": validation, "test": test}
    pairs = {
        name: {"source": _absolute(pair[0]), "target": _absolute(pair[1])}
        for name, pair in splits.items()
        if pair is not None
    }
    return {"kind": "files", **_languages(languages), **pairs}


def table(
    train: Source,
    validation: Source,
    languages: tuple[str, str],
    test: Source | None = None,
    source_column: str | None = None,
    target_column: str | None = None,
) -> Corpus:
    """Returns a corpus of tables: CSV, TSV, JSON Lines or Parquet.

    Args:
        train: The training split.
        validation: The validation split.
        languages: Codes of the source and of the target language.
        test: The test split, if there is one.
        source_column: Column of the source, dots for nesting; the source language when not given.
        target_column: Column of the target, likewise.
    """
    splits = {"train": train, "validation": validation, "test": test}
    tables = {name: {"table": _absolute(one)} for name, one in splits.items() if one is not None}
    columns = {"source_column": source_column, "target_column": target_column}
    given = {name: column for name, column in columns.items() if column is not None}
    return {"kind": "files", **_languages(languages), **tables, **given}


def hub(name: str, languages: tuple[str, str], **settings: Any) -> Corpus:  # noqa: ANN401
    """Returns a corpus that is a dataset of the Hugging Face Hub.

    Args:
        name: Its name, or a local folder in its form.
        languages: Codes of the source and of the target language.
        settings: Further settings of ``corpus.kind: hub`` (docs/settings.md).
    """
    return {"kind": "hub", "name": name, **_languages(languages), **settings}


def sample(**settings: Any) -> Corpus:  # noqa: ANN401 - settings of any type
    """Returns the sample corpus, English and German from a grammar.

    Args:
        settings: Settings of ``corpus.kind: synthetic`` (docs/settings.md).
    """
    return {"kind": "synthetic", **settings}


def _languages(languages: tuple[str, str]) -> dict[str, str]:
    source, target = languages
    return {"source_lang": source, "target_lang": target}


def _absolute(path: Source) -> str:
    return str(expanded(Path(path)).absolute())
