"""Where the parallel text comes from."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from automl_tf.config.base import Seed, Settings

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]+)*$")]
"""A language code, with script or country where wanted: ``en``, ``deu``, ``pt_BR``, ``zh-Hans``."""
FilePath = Annotated[Path, Field(strict=False)]
"""A path, given as text."""


class _Corpus(Settings):
    source_lang: Language
    """Language code of the source, as in ``en``."""
    target_lang: Language
    """Language code of the target, as in ``de``."""
    kind: str
    """Where the text comes from."""

    @property
    def title(self) -> str:
        """What a person calls it: its kind and its languages."""
        return f"{self.kind} {self.source_lang}-{self.target_lang}"


class SyntheticCorpus(_Corpus):
    """The built-in English-German grammar: the same text everywhere, from a seed."""

    kind: Literal["synthetic"]
    source_lang: Language = "en"
    """The grammar writes English and German, in either direction."""
    target_lang: Language = "de"
    """The other of the two languages."""
    train_pairs: Annotated[int, Field(ge=100, le=100_000)] = 20_000
    """Distinct pairs to train on."""
    validation_pairs: Annotated[int, Field(ge=10, le=5_000)] = 500
    """Pairs to validate on, none of them in the training split."""
    test_pairs: Annotated[int, Field(ge=10, le=5_000)] = 500
    """Pairs to test on, none of them in the other splits."""
    seed: Seed = 1
    """Seed of the generator."""


class SplitFiles(Settings):
    """One split in files: two line-aligned text files, or one table with named columns."""

    source: FilePath | None = None
    """Plain or .gz text, one sentence a line."""
    target: FilePath | None = None
    """Plain or .gz text, line by line the translation of the source."""
    table: FilePath | None = None
    """A .jsonl, .json, .ndjson, .csv, .tsv or .parquet file instead of the two; all but the
    last may be .gz."""

    @model_validator(mode="after")
    def _is_one_form(self) -> "SplitFiles":
        pair = (self.source is not None, self.target is not None)
        if (self.table is not None and any(pair)) or (self.table is None and not all(pair)):
            raise ValueError(
                "a split is either source and target, or table. Give the two text files, or one "
                "table with source_column and target_column."
            )
        return self


class FilesCorpus(_Corpus):
    """Parallel text in files; relative paths start at the folder of the YAML file."""

    kind: Literal["files"]
    train: SplitFiles
    """What models and vocabularies are trained on."""
    validation: SplitFiles
    """What trials are compared on."""
    test: SplitFiles | None = None
    """What only the final training and ``evaluate`` use."""
    source_column: str | None = None
    """Column of the source in tables, dots for nesting; the source language when not given."""
    target_column: str | None = None
    """Column of the target in tables, dots for nesting; the target language when not given."""


class HubCorpus(_Corpus):
    """A dataset of the Hugging Face Hub, or a local folder in its form."""

    kind: Literal["hub"]
    name: str
    """Name on the Hub, as in ``bentrevett/multi30k``, or a folder."""
    subset: str | None = None
    """Configuration of the dataset, where it has several."""
    revision: str | None = None
    """Commit, tag or branch; pin it to be sure of the same text."""
    train: str = "train"
    """Name of the split, slices allowed, as in ``train[:10000]``."""
    validation: str = "validation"
    """Name of the split that trials are compared on."""
    test: str | None = "test"
    """Name of the split that only the final training and ``evaluate`` use; null for none."""
    source_column: str | None = None
    """Column of the source, dots for nesting; found by the language code when not given."""
    target_column: str | None = None
    """Column of the target, dots for nesting; found by the language code when not given."""


Corpus = Annotated[SyntheticCorpus | FilesCorpus | HubCorpus, Field(discriminator="kind")]
