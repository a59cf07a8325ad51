"""Folders of data files: what is in them, and a copy of links under plain names."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_tf.data.readers.compression import without_compression
from automl_tf.data.readers.tables import is_table

_SKIPPED = (".git", ".cache")


def files_below(folder: Path) -> list[Path]:
    """The files in and below a folder, in order; links to files and folders are followed."""
    found = []
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            # A link that leads to a folder above itself.
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        found += [path for path in (Path(root, name) for name in sorted(names)) if path.is_file()]
    return found


@contextmanager
def mirrored(folder: Path) -> Iterator[Path]:
    """A temporary folder of links to the files of another one.

    The datasets library takes brackets and stars in the path of a folder for a pattern, follows no
    link to a folder, and knows the endings of tables' names in small letters alone.
    """
    with tempfile.TemporaryDirectory() as scratch:
        mirror = Path(scratch, "dataset")
        mirror.mkdir()
        for path in files_below(folder):
            link = mirror / path.relative_to(folder).with_name(_with_small_endings(path.name))
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(path.absolute())
        yield mirror


def _with_small_endings(name: str) -> str:
    if not is_table(name):
        return name
    stem = Path(without_compression(name)).stem
    return stem + name[len(stem) :].lower()
