"""What can be told to MLflow about one run, as small values that survive on disk.

Every operation may be sent again without harm, because a killed process leaves open whether its
last one had arrived: points and parameters that are already there are ignored by MLflow, the rest
takes the place of what was there.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

from automl_tf.tracking import calls
from automl_tf.tracking.client import mlflow

NOTE_TAG = "mlflow.note.content"
STATE_TAG = "automl_tf.state"
REASON_TAG = "automl_tf.reason"
SAMPLES = "samples.json"


class RunState(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    PAUSED = "paused"


# A paused run waits to go on, which MLflow calls scheduled and shows as a clock.
MLFLOW_STATUS = {
    RunState.COMPLETE: "FINISHED",
    RunState.PRUNED: "KILLED",
    RunState.FAILED: "FAILED",
    RunState.PAUSED: "SCHEDULED",
}


def now() -> int:
    """The time in MLflow's unit: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Operation(ABC):
    """One thing to tell MLflow about a run.

    Attributes:
        time: When it happened, in milliseconds since 1970.
    """

    time: int = field(default_factory=now)

    @abstractmethod
    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Tells it; raises what the client raises."""

    @property
    def place(self) -> str | None:
        """What an operation with an equal place, sent later, makes this one needless for."""
        return None

    def joined(self, later: "Operation") -> "Operation | None":  # noqa: ARG002
        """One operation for this one and the next, or None if they are to be sent apart."""
        return None


@dataclass(frozen=True)
class Begin(Operation):
    """A run starts, or goes on after a pause."""

    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Marks the run as running under its name and logs what is known of it."""
        client.update_run(run_id, status="RUNNING", name=self.name)
        calls.set_tags(client, run_id, {STATE_TAG: "running", REASON_TAG: "", **self.tags})
        calls.log_params(client, run_id, self.params)


@dataclass(frozen=True)
class Metrics(Operation):
    """Points of curves."""

    points: Sequence[calls.Point]

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Logs the points."""
        calls.log_metrics(client, run_id, self.points)

    def joined(self, later: Operation) -> Operation | None:
        """The points of both, as many as one call takes."""
        if not isinstance(later, Metrics):
            return None
        points = [*self.points, *later.points]
        return Metrics(points, time=self.time) if len(points) <= calls.METRICS_PER_CALL else None


@dataclass(frozen=True)
class Tags(Operation):
    """Tags of the run."""

    tags: Mapping[str, str]

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Sets the tags."""
        calls.set_tags(client, run_id, self.tags)

    def joined(self, later: Operation) -> Operation | None:
        """The tags of both, the later ones where both have them."""
        if not isinstance(later, Tags):
            return None
        return Tags({**self.tags, **later.tags}, time=self.time)


@dataclass(frozen=True)
class ExperimentNote(Operation):
    """The description of the run's experiment, in Markdown."""

    text: str

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Sets the description."""
        calls.set_experiment_tag(client, run_id, NOTE_TAG, self.text)


@dataclass(frozen=True)
class Rename(Operation):
    """A new name for the run."""

    name: str

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Renames the run."""
        client.update_run(run_id, name=self.name)


@dataclass(frozen=True)
class Text(Operation):
    """A text that becomes an artifact."""

    text: str
    path: str

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Writes the artifact."""
        client.log_text(run_id, self.text, self.path)

    @property
    def place(self) -> str | None:
        """The artifact."""
        return f"artifact {self.path}"


@dataclass(frozen=True)
class File(Operation):
    """A file that becomes an artifact, as it is when it is sent."""

    file: str
    directory: str

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Copies the file into the run's artifacts."""
        client.log_artifact(run_id, self.file, self.directory or None)

    @property
    def place(self) -> str | None:
        """The artifact."""
        return f"artifact {(PurePosixPath(self.directory) / Path(self.file).name)}"


@dataclass(frozen=True)
class Samples(Operation):
    """Rows of the table of sample translations."""

    step: int
    rows: Sequence[calls.Row]

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Puts the rows into the table."""
        calls.log_rows(client, run_id, SAMPLES, self.step, self.rows)


@dataclass(frozen=True)
class Corpus(Operation):
    """The text that the run is trained on: MLflow's dataset."""

    name: str
    fingerprint: str
    source: Mapping[str, Any]
    sizes: Mapping[str, int]

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Logs it as an input; the same one again changes nothing."""
        calls.log_dataset(client, run_id, self.name, self.fingerprint, self.source, self.sizes)


@dataclass(frozen=True)
class End(Operation):
    """The run ends, or pauses."""

    state: RunState
    reason: str

    def send(self, client: mlflow.MlflowClient, run_id: str) -> None:
        """Sets the state as tags and as the run's status, with the time at which it came about."""
        calls.set_tags(client, run_id, {STATE_TAG: self.state, REASON_TAG: self.reason})
        status = MLFLOW_STATUS[RunState(self.state)]
        if self.state == RunState.PAUSED:
            client.update_run(run_id, status=status)
        else:
            client.set_terminated(run_id, status, end_time=self.time)


_KINDS: dict[str, type[Operation]] = {
    kind.__name__: kind
    for kind in (Begin, Metrics, Tags, ExperimentNote, Rename, Text, File, Samples, Corpus, End)
}


def encode(operation: Operation) -> str:
    """An operation as one line of JSON."""
    kind = type(operation).__name__
    return json.dumps({"operation": kind, **asdict(operation)}, ensure_ascii=False)


def decode(line: str) -> Operation:
    """The operation that `encode` wrote.

    Raises:
        ValueError: If the line holds none.
    """
    try:
        fields = json.loads(line)
        return _KINDS[fields.pop("operation")](**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no operation: {error}") from error
