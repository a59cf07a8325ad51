"""Reads lines of text as they arrive: many at once where many wait, one where one does."""

import io
import itertools
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from automl_tf.errors import Place, UserError

LINES_AT_ONCE = 1024
"""Most lines of a block."""
_CHUNK = 1 << 16


def read_blocks(file: Path | None) -> Iterator[list[str]]:
    """Yields blocks of lines of a file or of standard input.

    A block is what has arrived by the time that it is asked for, one line at least. A line ends
    with a line feed and with nothing else; carriage returns before it are left out.

    Args:
        file: File to read; None for standard input, which may be a terminal or a pipe.

    Raises:
        UserError: If the file cannot be read, or when a line that is not UTF-8 is reached.
    """
    name = str(file or "standard input")
    first = 1
    try:
        with sys.stdin.buffer if file is None else file.open("rb") as stream:
            for block in _raw_blocks(stream):
                lines, bad = _decoded(block)
                if lines:
                    yield lines
                if bad is not None:
                    rule = f"Line {first + bad} of {name} is not UTF-8."
                    raise UserError(rule, "Convert the text to UTF-8.")
                first += len(block)
    except OSError as error:
        rule = f"{name} cannot be read: {error.strerror}."
        raise UserError(rule, "Check the path.", Place(file)) from None


def _decoded(block: list[bytes]) -> tuple[list[str], int | None]:
    """The lines before the first that is not UTF-8, and the index of that line."""
    lines = []
    for index, line in enumerate(block):
        try:
            lines.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError:
            return lines, index
    return lines, None


def _raw_blocks(stream: BinaryIO) -> Iterator[list[bytes]]:
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # it is in memory
        while block := list(itertools.islice(stream, LINES_AT_ONCE)):
            yield block
        return
    lines: list[bytes] = []
    unfinished: list[bytes] = []
    while chunk := os.read(descriptor, _CHUNK):
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = b"".join([*unfinished, whole[0]])
            lines += whole
            unfinished = []
        unfinished.append(rest)
        while len(lines) >= LINES_AT_ONCE or (lines and not _has_more(descriptor)):
            yield lines[:LINES_AT_ONCE]
            del lines[:LINES_AT_ONCE]
    last = b"".join(unfinished)
    lines += [last] if last else []
    for start in range(0, len(lines), LINES_AT_ONCE):
        yield lines[start : start + LINES_AT_ONCE]


def _has_more(descriptor: int) -> bool:
    """Whether more can be read without waiting; the end of a file can."""
    return bool(select.select([descriptor], [], [], 0)[0])
