"""Datasets of the Hugging Face Hub, and local folders in their form."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path

import datasets
import huggingface_hub
from datasets import Dataset, ReadInstruction, load_dataset, load_dataset_builder
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from automl_tf.config.settings import HubCorpus
from automl_tf.data.pairs import Pair
from automl_tf.data.readers.columns import NumberedRow, TableColumns, pairs_of
from automl_tf.data.readers.folders import mirrored
from automl_tf.data.readers.tables import Table, is_table
from automl_tf.errors import Place, UserError, first_line

_ROWS_AT_ONCE = 1_000
_SECONDS_TO_ANSWER = 5.0
_OWN_OPTIONS = ("name", "version", "data_dir", "data_files", "description", "features", "sep")
"""Options of the library's readers that our own do without."""


@dataclass(frozen=True)
class HubSplit:
    """One split of a dataset, read anew each time that it is iterated.

    Attributes:
        config: Which dataset.
        split: Name of the split in the configuration: train, validation or test.
        columns: Where the text stands.
        cache_dir: Folder for everything that is fetched.
    """

    config: HubCorpus
    split: str
    columns: TableColumns
    cache_dir: Path

    def __iter__(self) -> Iterator[Pair]:
        """Fetches the split and reads it row by row.

        Tables of a local folder are read as they are anywhere else, so that they give the same
        text. The datasets library finds them, and reads what else there is.

        Raises:
            UserError: If the dataset has no such subset, split or column, or cannot be read.
        """
        name = self.config.name
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.cache_dir)))
            stack.enter_context(_quietly())
            if Path(name).is_dir():
                name = str(stack.enter_context(mirrored(Path(name))))
                tables = self._tables(name, scratch)
                if tables is not None:
                    yield from self._pairs_of_tables(tables)
                    return
            rows = self._rows(self._load(name, scratch))
            yield from pairs_of(rows, self.columns, self._place)

    @property
    def _place(self) -> Place:
        """The setting that names the split."""
        return Place(key=f"corpus.{self.split}")

    @property
    def _instruction(self) -> str:
        """The name of the split in the dataset, with or without a slice."""
        return str(getattr(self.config, self.split))

    def _tables(self, folder: str, scratch: Path) -> "dict[str, _TableSplit] | None":
        """The tables of each split; None if the folder has other files, or options for them."""
        with self._errors_told(folder):
            builder = load_dataset_builder(folder, self.config.subset, cache_dir=str(scratch))
            config = builder.config
            options = [field for field in fields(config) if field.name not in _OWN_OPTIONS]
            has_options = any(getattr(config, one.name) != one.default for one in options)
            files = config.data_files or {}
            if has_options or not all(map(is_table, chain(*files.values()))):
                return None
            key = f"corpus.{self.split}"
            return {
                str(split): _TableSplit(
                    [Table(Path(link).readlink(), self.columns, key) for link in links]
                )
                for split, links in files.items()
            }

    def _pairs_of_tables(self, tables: "Mapping[str, _TableSplit]") -> Iterator[Pair]:
        if self._instruction in tables:
            for table in tables[self._instruction].tables:
                yield from table
            return
        with self._errors_told(self.config.name):
            wanted = ReadInstruction.from_spec(self._instruction)
            slices = wanted.to_absolute(_RowCounts(tables))
        if all(one.from_ >= one.to for one in slices):
            raise UserError(
                f"Split {self._instruction} of {self.config.name} has no rows.",
                "Take a larger slice.",
                self._place,
            )
        for one in slices:
            yield from tables[one.splitname].pairs_between(one.from_, one.to)

    def _rows(self, table: Dataset) -> Iterator[NumberedRow]:
        table = table.select_columns(self.columns.among(table.column_names))
        for rows in table.iter(_ROWS_AT_ONCE):
            for cells in zip(*rows.values(), strict=True):
                yield None, dict(zip(rows, cells, strict=True))

    def _load(self, name: str, scratch: Path) -> Dataset:
        with self._errors_told(name), _downloads_below(self.cache_dir / "hub" / "downloads"):
            return load_dataset(
                name,
                self.config.subset,
                split=self._instruction,
                revision=self.config.revision,
                cache_dir=str(scratch),
            )

    @contextmanager
    def _errors_told(self, name: str) -> Iterator[None]:
        """Turns whatever goes wrong into an error for the user."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 - builders of all formats raise what they like
            reason = _first_line(error.__cause__ or error).replace(name, self.config.name)
            raise UserError(
                f"Split {self._instruction} of {self.config.name} cannot be read: {reason}.",
                "Check corpus.name, corpus.subset and the splits' names; set corpus.test to null "
                "if the dataset has none.",
                self._place,
            ) from None


@dataclass(frozen=True)
class _TableSplit:
    """The tables that make up a split.

    Attributes:
        tables: The tables in their order.
    """

    tables: list[Table]

    def pairs_between(self, start: int, stop: int) -> Iterator[Pair]:
        """The pairs of some of the split's rows."""
        position = 0
        for table in self.tables:
            num_rows = sum(1 for _ in table.rows())
            first, last = max(0, start - position), min(num_rows, stop - position)
            if first < last:
                rows = islice(table.rows(), first, last)
                yield from pairs_of(rows, table.columns, table.place, first + 1)
            position += num_rows

    def num_rows(self) -> int:
        """The number of rows of all tables."""
        return sum(1 for table in self.tables for _ in table.rows())


@dataclass(frozen=True)
class _RowCounts(Mapping[str, int]):
    """The numbers of rows of splits, each counted when it is asked for."""

    splits: Mapping[str, _TableSplit]

    def __getitem__(self, name: str) -> int:
        return self.splits[name].num_rows()

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def __contains__(self, name: object) -> bool:
        return name in self.splits


def demand_dataset(config: HubCorpus) -> None:
    """Asks the Hub once and without patience, before anything that tries again for long.

    Raises:
        UserError: If the Hub cannot be reached, or has no such dataset or revision.
    """
    place = Place(key="corpus.name")
    try:
        huggingface_hub.HfApi().dataset_info(
            config.name, revision=config.revision, timeout=_SECONDS_TO_ANSWER
        )
    except HFValidationError:
        raise UserError(
            f"There is no folder {Path(config.name).absolute()}, and no dataset of the Hub can "
            f"be named {config.name}.",
            "Check the path, or give a name as in owner/dataset.",
            place,
        ) from None
    except RevisionNotFoundError:
        raise UserError(
            f"The dataset {config.name} has no revision {config.revision}.",
            "Name a commit, a tag or a branch of it.",
            Place(key="corpus.revision"),
        ) from None
    except (GatedRepoError, RepositoryNotFoundError):
        raise UserError(
            f"There is no dataset {config.name} on the Hub that can be read from here.",
            "Check the name; a private or gated one needs HF_TOKEN, a local one its folder.",
            place,
        ) from None
    except OfflineModeIsEnabled:
        raise UserError(
            f"The dataset {config.name} is not in the cache, and HF_HUB_OFFLINE forbids to "
            "fetch it.",
            "Unset HF_HUB_OFFLINE for the first run, or give a local folder.",
            place,
        ) from None
    except Exception as error:  # noqa: BLE001 - the client's transport has its own family of errors
        raise UserError(
            f"The Hub does not answer for the dataset {config.name}: {_first_line(error)}.",
            "Check the network, or give a local folder or files.",
            place,
        ) from None


@contextmanager
def _downloads_below(folder: Path) -> Iterator[None]:
    """Keeps the Hub's client from writing into the user's home.

    Its folder cannot be passed through ``load_dataset``, and its second protocol, xet, keeps a
    cache of its own.
    """
    constants = huggingface_hub.constants
    before = constants.HF_HUB_CACHE, constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_CACHE, constants.HF_HUB_DISABLE_XET = str(folder), True
    try:
        yield
    finally:
        constants.HF_HUB_CACHE, constants.HF_HUB_DISABLE_XET = before


@contextmanager
def _quietly() -> Iterator[None]:
    """Silences the datasets library for a while: its failures are told as our own errors."""
    bars = not datasets.are_progress_bars_disabled()
    verbosity = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()


def _first_line(error: BaseException) -> str:
    return (first_line(error) or type(error).__name__).rstrip(".")
