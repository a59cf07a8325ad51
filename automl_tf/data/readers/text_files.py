"""Text files: decoded line by line, and paired."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import BinaryIO

from automl_tf.data.pairs import Pair
from automl_tf.data.readers.compression import open_binary
from automl_tf.errors import Place, UserError

# The mark of UTF-32 begins with that of UTF-16.
_WIDE = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_RETURNS = re.compile(r"\r+")
_MOST_NULS = 0.4


@dataclass(frozen=True)
class AlignedFiles:
    """Two files of which each line translates the other's.

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


def read_lines(path: Path, key: str | None) -> Iterator[str]:
    """The lines of a text file without their ends.

    Only a line feed ends a line, with or without carriage returns before it. A carriage return
    inside a line becomes a space, as in cells of tables. Other characters that Unicode counts as
    breaks stand inside sentences of real corpora, and stay.

    Args:
        path: A UTF-8 file, compressed or not, or one of UTF-16 with a byte order mark.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If the file is missing, empty, broken or in another encoding.
    """
    for line in read_raw_lines(path, key):
        text = line.rstrip("\r\n")
        yield _RETURNS.sub(" ", text) if "\r" in text else text


def read_raw_lines(path: Path, key: str | None) -> Iterator[str]:
    """The lines of a text file as they stand in it, with their line feeds.

    Args:
        path: A UTF-8 file, compressed or not, or one of UTF-16 with a byte order mark.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If the file is missing, empty, broken or in another encoding.
    """
    with open_binary(path, key) as file:
        head = file.peek(4)  # type: ignore[attr-defined]
        wide = next((encoding for mark, encoding in _WIDE if head.startswith(mark)), None)
        lines = _utf8_lines(file, path, key) if wide is None else _wide_lines(file, wide, path, key)
        first = next(lines, "")
        if not first:
            raise UserError(
                f"The file {path.absolute()} is empty.",
                "Write the text into it, or name another file.",
                Place(path, key=key),
            )
        if first.endswith("\n") or "\r" not in first:
            yield first
        else:
            # A file of classic Mac OS, whose only line ends are carriage returns.
            yield from io.StringIO(first.replace("\r", "\n"))
        yield from lines


def _utf8_lines(file: BinaryIO, path: Path, key: str | None) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        data = line
        if number == 1:
            data = line.removeprefix(codecs.BOM_UTF8)
            _refuse_unmarked_utf16(data, path, key)
        try:
            yield data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"Line {number} of {path} is not UTF-8: byte {error.start + 1} of the line is "
                f"0x{data[error.start]:02x}.",
                "Convert the file to UTF-8, or correct the line.",
                Place(path, number, key),
            ) from None


def _wide_lines(file: BinaryIO, encoding: str, path: Path, key: str | None) -> Iterator[str]:
    lines = enumerate(io.TextIOWrapper(file, encoding, newline="\n"), start=1)
    number = 0
    try:
        for number, line in lines:  # noqa: B007 - the number is told where a line is broken
            yield line
    except UnicodeError as error:
        raise UserError(
            f"{path} is not whole {encoding.upper()} behind line {number}: {error}.",
            "Convert the file to UTF-8, or copy it again.",
            Place(path, number + 1, key),
        ) from None


def _refuse_unmarked_utf16(line: bytes, path: Path, key: str | None) -> None:
    """Refuses what is valid UTF-8 and yet no text: each second byte of it is zero."""
    if len(line) >= len(codecs.BOM_UTF32_LE) and line.count(0) > _MOST_NULS * len(line):
        raise UserError(
            f"{path} seems to be UTF-16 without a byte order mark: {line.count(0)} of the "
            f"{len(line)} bytes of its first line are zero.",
            "Convert the file to UTF-8.",
            Place(path, 1, key),
        )
