"""The three splits of a corpus, kept in the cache where they are dear to get."""

from collections.abc import Callable
from pathlib import Path

from datasets import Dataset

from automl_tf.data.arrow_files import read_arrow, write_arrow
from automl_tf.data.entries import ensure_entry

SPLITS = ("train", "validation", "test")

Splits = dict[str, Dataset | None]
"""A table with the text columns source and target for each split; None if there is no such one."""


def stored_splits(entry: Path, get: Callable[[], Splits]) -> Splits:
    """The splits of a cache entry.

    Args:
        entry: Where they belong.
        get: Makes or fetches them if they are not there.
    """

    def build(folder: Path) -> None:
        for name, split in get().items():
            if split is not None:
                write_arrow(folder / f"{name}.arrow", split)

    ensure_entry(entry, build)
    paths = {name: entry / f"{name}.arrow" for name in SPLITS}
    return {name: read_arrow(path) if path.exists() else None for name, path in paths.items()}
