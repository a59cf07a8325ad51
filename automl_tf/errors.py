"""Errors that the user can mend, and the exit codes of the program."""

import enum
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")
"""How libraries that hide the system's own error say that a disk is full."""

_OF_PATHS = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.EEXIST),
        *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    )
)


class ExitCode(enum.IntEnum):
    """Exit codes of every command."""

    SUCCESS = 0
    FAILURE = 1
    USER_ERROR = 2
    """A mistake that the user can mend."""
    INTERRUPTED = 130
    """Stopped by a signal, with everything saved."""


@dataclass(frozen=True)
class Place:
    """A position in the user's files or settings.

    Attributes:
        path: The file, if there is one.
        line: The line in that file, counted from one.
        key: The dotted path of the setting, as in ``model.num_heads``.
    """

    path: Path | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        parts = []
        if self.path is not None:
            parts.append(f"{self.path}")
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.key is not None:
            # Options of the command line are keys too, and look like what they are.
            parts.append(self.key if self.key.startswith("-") else f"key {self.key}")
        return ", ".join(parts)


class UserError(Exception):
    """A mistake that the user can mend: the rule with its values, the remedy, the place.

    The command line prints one message without a traceback and exits with ``USER_ERROR``.

    Args:
        rule: What does not hold, with the values that break it.
        remedy: What to do about it.
        place: Where it stands.
    """

    def __init__(self, rule: str, remedy: str = "", place: Place | None = None) -> None:
        self.rule = rule
        self.remedy = remedy
        self.place = place
        super().__init__(str(self))

    def __str__(self) -> str:
        text = " ".join(part for part in (self.rule, self.remedy) if part)
        where = str(self.place) if self.place is not None else ""
        return f"{text} ({where})" if where else text


class DeadDeviceError(Exception):
    """The device does not answer this process any more; a new process can use it.

    The command line prints the reason and exits with ``FAILURE``, so that whoever started a worker
    starts another one.
    """


def disk_is_full(error: BaseException) -> bool:
    """Returns True if an error, or a cause of it, says that a disk is full."""
    return any(map(_says_that_it_is_full, causes(error)))


def _says_that_it_is_full(error: BaseException) -> bool:
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(
        words in str(error) for words in FULL
    )


def is_io_error(error: BaseException) -> bool:
    """Returns whether an error, or one behind it, comes from a disk or a network."""
    return any(isinstance(cause, OSError) for cause in causes(error))


def full_disk(error: BaseException) -> UserError:
    """Returns the error that reports a full disk."""
    cause = next(filter(_says_that_it_is_full, causes(error)))
    return UserError(
        f"A disk is full: {first_line(cause)}.",
        "Make room and run the same command again: a search resumes from where it stopped.",
    )


def unusable_path(error: BaseException) -> UserError | None:
    """Returns the error that reports a path that cannot be used; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in _OF_PATHS or error.filename is None:
        return None
    name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    return UserError(
        f"{name} cannot be used: {error.strerror}.",
        "Check the path and who may read and write there.",
    )


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, without the library's explanations."""
    return str(error).strip().split("\n")[0]


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and every error behind it: its causes, and those it was raised beside."""
    seen: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen[id(one)] = one
            waiting += [one.__context__, one.__cause__]
            yield one
