"""Datasets of the Hugging Face Hub, and local folders in their form."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import datasets
import huggingface_hub
from datasets import (
    Dataset,
    DatasetBuilder,
    DownloadConfig,
    DownloadManager,
    load_dataset,
    load_dataset_builder,
)
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
from automl_tf.data.readers.hub_tables import TableSplits, table_files
from automl_tf.data.readers.tables import Table
from automl_tf.errors import Place, UserError, first_line

_ROWS_AT_ONCE = 1_000
_SECONDS_TO_ANSWER = 5.0


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

        Tables are read as they are anywhere else, so that they give the same text. The datasets
        library finds them, and reads what else there is.

        Raises:
            UserError: If the dataset has no such subset, split or column, or cannot be read.
        """
        name = self.config.name
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.cache_dir)))
            stack.enter_context(_quietly())
            is_local = Path(name).is_dir()
            if is_local:
                name = str(stack.enter_context(mirrored(Path(name))))
            with self._errors_told(name):
                builder = load_dataset_builder(
                    name, self.config.subset, revision=self.config.revision, cache_dir=str(scratch)
                )
                files = table_files(builder)
            if files is None:
                yield from pairs_of(
                    self._rows(self._load(name, scratch)), self.columns, self._place
                )
                return
            splits = TableSplits(files, partial(self._tables, builder, is_local=is_local))
            with self._errors_told(name):
                slices = splits.slices(self._instruction)
            if not slices:
                raise UserError(
                    f"Split {self._instruction} of {self.config.name} has no rows.",
                    "Take a larger slice.",
                    self._place,
                )
            for one in slices:
                yield from splits.pairs(*one)

    @property
    def _place(self) -> Place:
        """The setting that names the split."""
        return Place(key=f"corpus.{self.split}")

    @property
    def _instruction(self) -> str:
        """The name of the split in the dataset, with or without a slice."""
        return str(getattr(self.config, self.split))

    def _tables(
        self, builder: DatasetBuilder, files: Sequence[str], *, is_local: bool
    ) -> list[Table]:
        """The tables of some files, which are fetched if they are not here."""
        if is_local:
            paths = [Path(link).readlink() for link in files]
        else:
            with self._errors_told(self.config.name):
                paths = [Path(path) for path in _download(builder, files)]
        return [Table(path, self.columns, f"corpus.{self.split}") for path in paths]

    def _rows(self, table: Dataset) -> Iterator[NumberedRow]:
        table = table.select_columns(self.columns.among(table.column_names))
        for rows in table.iter(_ROWS_AT_ONCE):
            for cells in zip(*rows.values(), strict=True):
                yield None, dict(zip(rows, cells, strict=True))

    def _load(self, name: str, scratch: Path) -> Dataset:
        with self._errors_told(name):
            return load_dataset(
                name,
                self.config.subset,
                split=self._instruction,
                revision=self.config.revision,
                cache_dir=str(scratch),
            )

    @contextmanager
    def _errors_told(self, name: str) -> Iterator[None]:
        """Turns whatever the library raises into an error for the user."""
        try:
            with _downloads_below(self.cache_dir / "hub" / "downloads"):
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


def _download(builder: DatasetBuilder, files: Sequence[str]) -> list[str]:
    """The paths of files of a dataset of the Hub, as the library fetches them for itself."""
    config = DownloadConfig(
        use_etag=False, token=builder.token, storage_options=builder.storage_options
    )
    manager = DownloadManager(builder.dataset_name, download_config=config)
    return list(manager.download(list(files)))


def demand_dataset(config: HubCorpus) -> None:
    """Asks the Hub once and without patience, before anything that tries again for long.

    Raises:
        UserError: If the Hub cannot be reached, or has no such dataset or revision.
    """
    place = Place(key="corpus.name")
    if Path(config.name).is_file():
        raise UserError(
            f"corpus.name = {config.name} is a file, not a dataset.",
            "Give its folder, or name it as table of a corpus of kind: files.",
            place,
        )
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
