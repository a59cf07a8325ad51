"""Reads lines of text as they arrive: many at once where many wait, one where one does."""

import io
import select
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from automl_tf.errors import Place, UserError

LINES_AT_ONCE = 1024
"""Most lines of a block."""
_CHUNK = 1 << 16
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_blocks(
    file: Path | None, found_invalid: Callable[[int], None] = lambda _: None
) -> Iterator[list[str]]:
    """Yields blocks of lines of a file or of standard input.

    A block is what has arrived by the time that it is asked for, one line at least. A line ends
    with a line feed and with nothing else; carriage returns before it are left out. Bytes that are
    not UTF-8 become U+FFFD, so that there is one line for each.

    Args:
        file: File to read, compressed or not; None for standard input, which may be a terminal or
            a pipe.
        found_invalid: Called with the number of each line that is not UTF-8.

    Raises:
        UserError: If the file cannot be read, or is UTF-16.
    """
    name = str(file or "standard input")
    number = 0
    try:
        with _opened(file) as stream:
            for block in _raw_blocks(stream):
                lines = []
                for line in block:
                    number += 1
                    if number == 1 and line.startswith(_UTF_16):
                        raise UserError(f"{name} is UTF-16.", "Convert it to UTF-8.", Place(file))
                    lines.append(_decoded(line, number, found_invalid))
                yield lines
    except OSError as error:
        rule = f"{name} cannot be read: {error.strerror}."
        raise UserError(rule, "Check the path.", Place(file)) from None


def _decoded(line: bytes, number: int, found_invalid: Callable[[int], None]) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        found_invalid(number)
        text = line.decode("utf-8", errors="replace")
    return text.rstrip("\r\n")


@contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    """The decompressed bytes; what arrives bit by bit is not waited for."""
    from automl_tf.data.readers.compression import is_compressed, open_binary

    with ExitStack() as stack:
        if file is not None and not _is_stream(file):
            yield stack.enter_context(open_binary(file, None))
            return
        stream = stack.enter_context(_stream(file))
        if is_compressed(stream.peek(1)):
            copy = stack.enter_context(tempfile.NamedTemporaryFile())
            shutil.copyfileobj(stream, copy)
            copy.flush()
            yield stack.enter_context(open_binary(Path(copy.name), None))
        else:
            yield cast("BinaryIO", stream)


def _is_stream(file: Path) -> bool:
    """Whether a path is a pipe or a terminal, as of process substitution."""
    return file.is_fifo() or file.is_char_device() or file.is_socket()


def _stream(file: Path | None) -> AbstractContextManager[io.BufferedReader]:
    if file is not None:
        return file.open("rb")
    if sys.stdin is None:
        raise UserError("Standard input is closed.", "Name a file, or pipe text into the command.")
    return nullcontext(cast("io.BufferedReader", sys.stdin.buffer))


def _raw_blocks(stream: BinaryIO) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    unfinished: list[bytes] = []
    while chunk := stream.read1(_CHUNK):  # type: ignore[attr-defined]
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*unfinished, whole[0]])
            lines += whole
            unfinished = []
        unfinished.append(rest)
        while len(lines) >= LINES_AT_ONCE or (lines and not _has_more(stream)):
            yield lines[:LINES_AT_ONCE]
            del lines[:LINES_AT_ONCE]
    last = b"".join(unfinished)
    lines += [last] if last else []
    for start in range(0, len(lines), LINES_AT_ONCE):
        yield lines[start : start + LINES_AT_ONCE]


def _has_more(stream: BinaryIO) -> bool:
    """Whether more can be read without waiting; the end of a file can."""
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # it is in memory
        return True
    return bool(select.select([descriptor], [], [], 0)[0])
