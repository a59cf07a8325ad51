"""Line-aligned text files, plain or compressed with gzip."""

import codecs
import difflib
import gzip
import zlib
from pathlib import Path

from datasets import Dataset

from automl_tf.data.columns import sentences
from automl_tf.errors import Place, UserError

_GZIP = b"\x1f\x8b"


def read_text(path: Path, key: str | None) -> str:
    """The content of a text file.

    Args:
        path: A UTF-8 file, with or without gzip and byte order mark.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If the file is missing, empty, broken or not UTF-8.
    """
    data = _decompressed(read_bytes(path, key), path, key).removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise UserError(
            f"Line {line} of {path} is not UTF-8: byte {column} of the line is "
            f"0x{data[error.start]:02x}.",
            "Convert the file to UTF-8, or correct the line.",
            Place(path, line, key),
        ) from None
    if not text:
        raise UserError(
            f"The file {path.absolute()} is empty.",
            "Write the text into it, or name another file.",
            Place(path, key=key),
        )
    return text


def read_lines(path: Path, key: str | None) -> list[str]:
    """The lines of a text file.

    Only a line feed ends a line, with or without a carriage return before it. Other characters that
    Unicode counts as breaks stand inside sentences of real corpora.

    Args:
        path: A UTF-8 file, with or without gzip and byte order mark.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If the file is missing, empty, broken or not UTF-8.
    """
    lines = read_text(path, key).split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_aligned(source: Path, target: Path, key: str | None = None) -> Dataset:
    """A split from two files of which each line translates the other's.

    Args:
        source: File of the source.
        target: File of the target.
        key: Dotted path of the setting that names the split, if one does.

    Raises:
        UserError: If a file cannot be read, or if the numbers of lines differ.
    """
    sources = read_lines(source, key and f"{key}.source")
    targets = read_lines(target, key and f"{key}.target")
    if len(sources) != len(targets):
        raise UserError(
            f"{source} has {len(sources)} lines and {target} has {len(targets)}.",
            "Each line must be the translation of the same line in the other file.",
            Place(target, key=key),
        )
    return sentences(sources, targets)


def read_bytes(path: Path, key: str | None) -> bytes:
    """The bytes of a file.

    Raises:
        UserError: If there is no such file, or if it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"There is no file {path.absolute()}.", _suggestion(path), Place(path, key=key)
        ) from None
    except IsADirectoryError:
        raise UserError(
            f"{path.absolute()} is a folder.",
            "Name a file in it.",
            Place(path, key=key),
        ) from None
    except OSError as error:
        raise UserError(
            f"{path.absolute()} cannot be read: {error.strerror}.",
            "Check the file and its permissions.",
            Place(path, key=key),
        ) from None


def _decompressed(data: bytes, path: Path, key: str | None) -> bytes:
    # No UTF-8 text starts with these two bytes, so that the name need not tell.
    if not data.startswith(_GZIP) and path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(
            f"{path} is not a whole gzip file: {error}.",
            "Compress or copy it again.",
            Place(path, key=key),
        ) from None


def _suggestion(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    matches = difflib.get_close_matches(path.name, beside, n=1)
    return f"Did you mean {matches[0]}?" if matches else "Check the path."
