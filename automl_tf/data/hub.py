"""Datasets of the Hugging Face Hub, and local folders in their form."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from datasets import Dataset, load_dataset
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from automl_tf.config.settings import HubCorpus
from automl_tf.data.columns import TableColumns, sentences_of
from automl_tf.data.entries import digest
from automl_tf.data.quiet import quietly
from automl_tf.data.splits import SPLITS, Splits, stored_splits
from automl_tf.errors import Place, UserError, first_line

_FORMAT = 1
_SECONDS_TO_ANSWER = 5.0


def read_hub(config: HubCorpus, columns: TableColumns, cache_dir: Path) -> Splits:
    """The splits of a dataset.

    What was fetched once is kept and served without network, so that a study reads the same text
    from its first trial to its last even where the dataset moves on. A local folder is read anew.

    Args:
        config: Which dataset.
        columns: Where the text stands.
        cache_dir: Folder for everything that is fetched.

    Raises:
        UserError: If the Hub cannot be reached, or has no such dataset, subset, split or column.
    """

    def read() -> Splits:
        return {split: _read_split(config, split, columns, cache_dir) for split in SPLITS}

    def fetch() -> Splits:
        _demand_dataset(config)
        return read()

    if Path(config.name).is_dir():
        return read()
    entry = cache_dir / "hub" / digest([_FORMAT, config.model_dump(mode="json")])
    return stored_splits(entry, fetch)


def _demand_dataset(config: HubCorpus) -> None:
    """Asks the Hub once and without patience, before anything that tries again for long."""
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


def _read_split(
    config: HubCorpus, split: str, columns: TableColumns, cache_dir: Path
) -> Dataset | None:
    name = getattr(config, split)
    if name is None:
        return None
    place = Place(key=f"corpus.{split}")
    with tempfile.TemporaryDirectory(dir=cache_dir) as folder, quietly():
        table = _load(config, name, Path(folder), cache_dir, place)
        return sentences_of(table, columns, place)


def _load(config: HubCorpus, name: str, folder: Path, cache_dir: Path, place: Place) -> Dataset:
    try:
        with _downloads_below(cache_dir / "hub" / "downloads"):
            return load_dataset(
                config.name,
                config.subset,
                split=name,
                revision=config.revision,
                cache_dir=str(folder),
            )
    except Exception as error:  # noqa: BLE001 - builders of all formats raise what they like
        reason = _first_line(error.__cause__ or error)
        raise UserError(
            f"Split {name} of {config.name} cannot be read: {reason}.",
            "Check corpus.name, corpus.subset and the splits' names; set corpus.test to null if "
            "the dataset has none.",
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


def _first_line(error: BaseException) -> str:
    return (first_line(error) or type(error).__name__).rstrip(".")
