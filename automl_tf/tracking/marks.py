"""How much of a journal a server has, and under which id.

Beside a journal lies a mark for each server that it was delivered to, so that a server that comes
back, or another one, gets what it lacks, from whichever process is there to send it.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from automl_tf.tracking.home import HIDDEN, RunKey, TrackingTarget, redacted

LONGEST_LOCK_SECONDS = 30.0
"""A process that holds a lock for longer is waiting for a server that does not answer."""


@dataclass(frozen=True)
class Delivered:
    """What a server has of a run.

    Attributes:
        position: Where in the journal the undelivered part starts, in bytes.
        run_id: The run's id in MLflow.
    """

    position: int = 0
    run_id: str | None = None


class Mark:
    """The mark of one run for one server.

    Args:
        destination: The study and the server.
        key: The run.
    """

    def __init__(self, destination: TrackingTarget, key: RunKey) -> None:
        stem = f"{key}.{_server(destination)}"
        self._path = destination.outbox / f"{stem}.sent"
        self.lock = FileLock(destination.outbox / f"{stem}.lock")
        """Held by the one process that delivers."""

    def read(self) -> Delivered:
        """What the server has; nothing if that is unknown, as sending twice does no harm."""
        return _read(self._path)

    def write(self, delivered: Delivered) -> None:
        """Notes what the server has."""
        self._path.write_text(json.dumps(asdict(delivered)), encoding="utf-8")


def delivered_run_ids(destination: TrackingTarget) -> dict[RunKey, str]:
    """MLflow's ids of the runs of a study that were delivered, without asking MLflow."""
    ending = f".{_server(destination)}.sent"
    marks = {
        RunKey.parse(path.name.removesuffix(ending)): _read(path)
        for path in destination.outbox.glob(f"*{ending}")
    }
    return {key: mark.run_id for key, mark in marks.items() if mark.run_id is not None}


def _read(path: Path) -> Delivered:
    try:
        return Delivered(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return Delivered()


def _server(destination: TrackingTarget) -> str:
    """A short name for the server; a password, or another one, makes no other server of it."""
    uri = redacted(destination.tracking_uri).replace(f"{HIDDEN}@", "")
    return hashlib.sha256(uri.encode()).hexdigest()[:8]
