"""Text files, plain or compressed with gzip: opened, decoded line by line, and paired."""

import codecs
import difflib
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import BinaryIO, cast

from automl_tf.data.pairs import Pair
from automl_tf.errors import Place, UserError

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class AlignedFiles:
    """Two files of which each line translates the other's; a :class:`PairReader`.

    Attributes:
        source: File of the source.
        target: File of the target.
        key: Dotted path of the setting that names the split, if one does.
    """

    source: Path
    target: Path
    key: str | None = None

    def __iter__(self) -> Iterator[Pair]:
        """Reads both files side by side.

        Raises:
            UserError: If a file cannot be read, or if the numbers of lines differ.
        """
        sources = read_lines(self.source, self.key and f"{self.key}.source")
        targets = read_lines(self.target, self.key and f"{self.key}.target")
        for number, (source, target) in enumerate(zip_longest(sources, targets)):
            if source is None or target is None:
                longer = number + 1 + sum(1 for _ in chain(sources, targets))
                counts = (number, longer) if source is None else (longer, number)
                raise UserError(
                    f"{self.source} has {counts[0]} lines and {self.target} has {counts[1]}.",
                    "Each line must be the translation of the same line in the other file.",
                    Place(self.target, key=self.key),
                )
            yield source, target

    def place(self, number: int) -> Place:
        """The line of the source's file."""
        return Place(self.source, number, self.key)


def read_lines(path: Path, key: str | None) -> Iterator[str]:
    """The lines of a text file without their ends.

    Only a line feed ends a line, with or without a carriage return before it. Other characters that
    Unicode counts as breaks stand inside sentences of real corpora.

    Args:
        path: A UTF-8 file, with or without gzip and byte order mark.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If the file is missing, empty, broken or not UTF-8.
    """
    for line in read_raw_lines(path, key):
        yield line.removesuffix("\n").removesuffix("\r")


def read_raw_lines(path: Path, key: str | None) -> Iterator[str]:
    """The lines of a text file as they stand in it, with their line feeds.

    Args:
        path: A UTF-8 file, with or without gzip and byte order mark.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If the file is missing, empty, broken or not UTF-8.
    """
    with open_binary(path, key) as file:
        number = 0
        for number, line in enumerate(file, start=1):
            data = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if data:
                yield _decoded(data, path, number, key)
        if number == 0 or (number == 1 and not data):
            raise UserError(
                f"The file {path.absolute()} is empty.",
                "Write the text into it, or name another file.",
                Place(path, key=key),
            )


@contextmanager
def open_binary(path: Path, key: str | None) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file, as a stream.

    What goes wrong while they are read, too, becomes an error for the user.

    Args:
        path: The file.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If there is no such file, or if it cannot be read or decompressed.
    """
    place = Place(path, key=key)
    try:
        with path.open("rb") as file:
            # No UTF-8 text starts with these two bytes, so that the name need not tell.
            if file.peek(2).startswith(_GZIP) or path.suffix == ".gz":
                with gzip.open(file) as decompressed:
                    yield cast("BinaryIO", decompressed)
            else:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is not a whole gzip file: {error}.", "Compress or copy it again.", place
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"There is no file {path.absolute()}.", _suggestion(path), place) from None
    except IsADirectoryError:
        raise UserError(f"{path.absolute()} is a folder.", "Name a file in it.", place) from None
    except OSError as error:
        raise UserError(
            f"{path.absolute()} cannot be read: {error.strerror}.",
            "Check the file and its permissions.",
            place,
        ) from None


def _decoded(line: bytes, path: Path, number: int, key: str | None) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"Line {number} of {path} is not UTF-8: byte {error.start + 1} of the line is "
            f"0x{line[error.start]:02x}.",
            "Convert the file to UTF-8, or correct the line.",
            Place(path, number, key),
        ) from None


def _suggestion(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    matches = difflib.get_close_matches(path.name, beside, n=1)
    return f"Did you mean {matches[0]}?" if matches else "Check the path."
