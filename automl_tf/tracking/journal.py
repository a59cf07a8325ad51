"""The journal of one run: all that was logged, in order, as lines of JSON in a growing file."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from automl_tf.tracking.home import RunKey
from automl_tf.tracking.operations import Operation, decode, encode

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One operation of a journal.

    Attributes:
        operation: What was logged.
        end: Where in the file the next one starts, in bytes.
    """

    operation: Operation
    end: int


class Journal:
    """The journal of one run; any number of processes may append to it at once.

    Args:
        outbox: Directory of the study's journals.
        key: The run.
    """

    def __init__(self, outbox: Path, key: RunKey) -> None:
        self.path = outbox / f"{key}.jsonl"
        outbox.mkdir(parents=True, exist_ok=True)
        self._end_torn_line()

    def append(self, operation: Operation) -> None:
        """Adds an operation; when this returns, it survives the end of the process."""
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{encode(operation)}\n".encode())

    def entries(self, start: int) -> Iterator[Entry]:
        """The operations from a position in the file on."""
        with self.path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                try:
                    yield Entry(decode(line.decode()), start)
                except ValueError as error:
                    if line.strip():
                        _logger.warning("%s: a line is skipped: %s", self.path, error)

    def _end_torn_line(self) -> None:
        """Ends a line that a killed process left half written, so that it costs itself alone."""
        with self.path.open("ab+") as file:
            if file.tell() == 0:
                return
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")


def written_keys(outbox: Path) -> list[RunKey]:
    """The runs that have a journal."""
    return [RunKey.parse(path.stem) for path in sorted(outbox.glob("*.jsonl"))]
