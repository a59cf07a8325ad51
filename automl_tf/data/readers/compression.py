"""Files as corpora are shipped: opened, and decompressed by what is in them, not by their names."""

import bz2
import difflib
import gzip
import io
import lzma
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from automl_tf.errors import Place, UserError

_SUFFIXES = (".gz", ".bz2", ".xz", ".lzma", ".zst")
"""Endings of the names of compressed files, in small letters."""

_HEAD_BYTES = 512
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_SPREADSHEETS = (".xlsx", ".xlsm", ".ods")
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_START = 257


def _open_zstd(file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(file, "zstd")))


@dataclass(frozen=True)
class _Compression:
    """A format of compressed files: its name, its first bytes, and what opens it.

    No text starts with these bytes.
    """

    name: str
    magic: tuple[bytes, ...]
    open: Callable[[Any], Any]


# The magic number of bzip2 alone is three letters; that of its first block, or of its end, follows.
_BZIP2 = tuple(
    b"BZh%d%b" % (level, block) for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")
)
# A frame, or one of those that hold no text and may come first.
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)))
_COMPRESSIONS = (
    _Compression("gzip", (b"\x1f\x8b",), gzip.open),
    _Compression("bzip2", _BZIP2, bz2.open),
    _Compression("xz", (b"\xfd7zXZ\0", b"]\0\0"), lzma.open),
    _Compression("zstd", _ZSTD, _open_zstd),
)


@contextmanager
def open_binary(path: Path, key: str | None) -> Iterator[BinaryIO]:
    """The decompressed bytes of a file, as a stream.

    What goes wrong while they are read, too, becomes an error for the user.

    Args:
        path: The file, or a pipe.
        key: Dotted path of the setting that names the file, if one does.

    Raises:
        UserError: If there is no such file, if it cannot be read or decompressed, or if it is an
            archive of files.
    """
    place = Place(path, key=key)
    compression = None
    try:
        with ExitStack() as stack:
            file = stack.enter_context(_rewindable(path))
            head = file.read(_HEAD_BYTES)
            file.seek(0)
            compression = _compression(head)
            if compression is not None:
                file = stack.enter_context(compression.open(file))
                head = file.peek(_HEAD_BYTES)
            _refuse_what_is_no_text(head, path, place)
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"There is no file {path.absolute()}.", _suggestion(path), place) from None
    except IsADirectoryError:
        raise UserError(f"{path.absolute()} is a folder.", "Name a file in it.", place) from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        if compression is not None and getattr(error, "errno", None) is None:
            raise UserError(
                f"{path} is not a whole {compression.name} file: {error}.",
                "Compress or copy it again.",
                place,
            ) from None
        raise UserError(
            f"{path.absolute()} cannot be read: {getattr(error, 'strerror', None) or error}.",
            "Check the file and its permissions.",
            place,
        ) from None


def is_compressed(head: bytes) -> bool:
    """Returns whether a file begins as one in a known compression does."""
    return _compression(head) is not None


def _compression(head: bytes) -> _Compression | None:
    return next((one for one in _COMPRESSIONS if head.startswith(one.magic)), None)


@contextmanager
def open_seekable(path: Path, key: str | None) -> Iterator[Any]:
    """The decompressed bytes of a file, as a stream that can be read in any order.

    Raises:
        UserError: As `open_binary` does.
    """
    with open_binary(path, key) as file:
        is_plain = isinstance(file, io.BufferedReader) and file.seekable()
        yield file if is_plain else pa.BufferReader(file.read())


def without_compression(name: str) -> str:
    """The name of a file without the endings of its compression."""
    path = Path(name)
    return without_compression(path.stem) if path.suffix.lower() in _SUFFIXES else name


@contextmanager
def _rewindable(path: Path) -> Iterator[BinaryIO]:
    """The file; the content of a pipe, which can be read only once, in a temporary file."""
    with path.open("rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            yield file
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield cast("BinaryIO", copy)


def _refuse_what_is_no_text(head: bytes, path: Path, place: Place) -> None:
    """Refuses, by its first bytes, what is shipped in the place of a text."""
    if head.startswith(_LFS_POINTER):
        raise UserError(
            f"{path} is a pointer of Git LFS, not the file itself.", "Run `git lfs pull`.", place
        )
    kind = None
    if head.startswith(b"PK\x03\x04"):
        kind = "zip"
    elif head.startswith(_TAR_MAGIC, _TAR_MAGIC_START):
        kind = "tar"
    if path.suffix.lower() in _SPREADSHEETS and kind is not None:
        raise UserError(f"{path} is a spreadsheet.", "Export it as CSV in UTF-8.", place)
    if kind is not None:
        raise UserError(
            f"{path} is an archive of files ({kind}).", "Unpack it, and name a file in it.", place
        )


def _suggestion(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    matches = difflib.get_close_matches(path.name, beside, n=1)
    return f"Did you mean {matches[0]}?" if matches else "Check the path."
