"""The one family of errors that are the user's to mend."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded")
"""How libraries that hide the system's own error say that a disk is full."""


@dataclass(frozen=True)
class Place:
    """Where in a person's own files or settings the cause of an error stands.

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

    The command line prints it as one message without a traceback and exits with code 2.

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


def disk_is_full(error: BaseException) -> bool:
    """Whether an error, or one behind it, says that a disk is full."""
    return any(
        getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or any(words in str(cause) for words in FULL)
        for cause in _causes(error)
    )


def full_disk(error: BaseException) -> UserError:
    """What a person is told of a full disk."""
    return UserError(
        f"A disk is full: {first_line(error)}.",
        "Make room and run the same command again: a search goes on where it stood.",
    )


def first_line(error: BaseException) -> str:
    """The first line of what an error says: the libraries' own stories are longer."""
    return str(error).strip().split("\n")[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
