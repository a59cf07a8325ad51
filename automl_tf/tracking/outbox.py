"""The outbox of a study: a journal for each run, of the operations that MLflow is to receive.

Every operation is idempotent, because a killed process leaves open whether its last one arrived:
MLflow ignores points and parameters that it has, and the rest takes the place of what was there.
"""

import json
import logging
import math
import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_tf.tracking.client import OWNER, RunKey, TrackingTarget

if TYPE_CHECKING:
    from mlflow import MlflowClient

NOTE_TAG = "mlflow.note.content"
STATE_TAG = "automl_tf.state"
REASON_TAG = "automl_tf.reason"
SAMPLES = "samples.json"

MAX_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_DIGEST = 36

Point = tuple[str, float, int, int]
"""Name, value, step and time (milliseconds since 1970) of a metric."""

Row = Mapping[str, Any]

_logger = logging.getLogger(__name__)


class RunState(StrEnum):
    """Final or paused state of a run."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    SUPERSEDED = "superseded"  # by another attempt at the trial
    PAUSED = "paused"


# MLflow calls a run that is to be resumed scheduled and shows it with a clock.
MLFLOW_STATUS = {
    RunState.COMPLETE: "FINISHED",
    RunState.PRUNED: "KILLED",
    RunState.FAILED: "FAILED",
    RunState.SUPERSEDED: "FAILED",
    RunState.PAUSED: "SCHEDULED",
}


def now() -> int:
    """Returns the time in MLflow's unit: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Operation(ABC):
    """One change of a run in MLflow, with its time in milliseconds since 1970."""

    time: int = field(default_factory=now)

    @abstractmethod
    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Makes the change; raises what the client raises."""

    @property
    def place(self) -> str | None:
        """Name of what this overwrites: a later operation of equal place makes it needless."""
        return None

    def joined(self, later: "Operation") -> "Operation | None":  # noqa: ARG002
        """Returns one operation for this one and the next, or None if they cannot be joined."""
        return None


@dataclass(frozen=True)
class StartRun(Operation):
    """Start of a run, or its resumption after a pause."""

    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Marks the run as running under its name and logs what is known of it."""
        from mlflow.entities import Param

        client.update_run(run_id, status="RUNNING", name=self.name)
        _set_tags(client, run_id, {STATE_TAG: "running", REASON_TAG: "", **self.tags})
        params = [Param(key, _cut(text, MAX_PARAM)) for key, text in self.params.items()]
        _log_batches(client, run_id, "params", params)


@dataclass(frozen=True)
class Metrics(Operation):
    """Points of curves."""

    points: Sequence[Point]

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Logs the points in as few calls as possible: one costs the same for 1 and for 100.

        A value that is not finite is logged as NaN: MLflow would show infinity as 1.8e308 and
        flatten the curve.
        """
        from mlflow.entities import Metric

        metrics = [
            Metric(key, value if math.isfinite(value) else math.nan, time, step)
            for key, value, step, time in self.points
        ]
        _log_batches(client, run_id, "metrics", metrics)

    def joined(self, later: Operation) -> Operation | None:
        """Returns the points of both, as many as one call takes."""
        if not isinstance(later, Metrics):
            return None
        points = [*self.points, *later.points]
        return Metrics(points, time=self.time) if len(points) <= MAX_BATCH["metrics"] else None


@dataclass(frozen=True)
class Tags(Operation):
    """Tags of the run."""

    tags: Mapping[str, str]

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Sets the tags."""
        _set_tags(client, run_id, self.tags)

    def joined(self, later: Operation) -> Operation | None:
        """Returns the tags of both; the later ones win."""
        if not isinstance(later, Tags):
            return None
        return Tags({**self.tags, **later.tags}, time=self.time)


@dataclass(frozen=True)
class ExperimentNote(Operation):
    """Description of the run's experiment, in Markdown."""

    text: str

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Sets the description."""
        experiment_id = client.get_run(run_id).info.experiment_id
        client.set_experiment_tag(experiment_id, NOTE_TAG, _cut(self.text, MAX_TAG))


@dataclass(frozen=True)
class Rename(Operation):
    """New name of the run."""

    name: str

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Renames the run."""
        client.update_run(run_id, name=self.name)


@dataclass(frozen=True)
class Text(Operation):
    """Text that becomes an artifact."""

    text: str
    path: str

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Writes the artifact."""
        client.log_text(run_id, self.text, self.path)

    @property
    def place(self) -> str:
        """Path of the artifact."""
        return self.path


@dataclass(frozen=True)
class File(Operation):
    """File that becomes an artifact, with its content at the time of sending."""

    file: str

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Copies the file into the run's artifacts."""
        client.log_artifact(run_id, self.file)

    @property
    def place(self) -> str:
        """Path of the artifact."""
        return Path(self.file).name


@dataclass(frozen=True)
class Samples(Operation):
    """Rows of the table of sample translations."""

    step: int
    rows: Sequence[Row]

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Adds the rows to the table that MLflow's page shows, in place of the step's older ones.

        ``MlflowClient.log_table`` would add them once more when they are sent again.
        """
        table = [row for row in _logged_samples(client, run_id) if row["step"] != self.step]
        table += [{"step": self.step, **row} for row in self.rows]
        columns = list(table[0]) if table else ["step"]
        data = [[row.get(column) for column in columns] for row in table]
        if len(table) == len(self.rows):  # it is new; named first, so that no crash leaves it so
            named = json.dumps([{"path": SAMPLES, "type": "table"}])
            client.set_tag(run_id, "mlflow.loggedArtifacts", named)
        client.log_dict(run_id, {"columns": columns, "data": data}, SAMPLES)


@dataclass(frozen=True)
class Corpus(Operation):
    """Corpus that the run is trained on: MLflow's dataset."""

    name: str
    fingerprint: str
    source: Mapping[str, Any]
    sizes: Mapping[str, int]

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Logs it as an input; the same one again changes nothing."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=self.name,
            digest=self.fingerprint[:MAX_DIGEST],
            source_type=str(self.source.get("kind", "")),
            source=json.dumps(self.source),
            profile=json.dumps(self.sizes),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        client.log_inputs(run_id, [DatasetInput(dataset, tags)])


@dataclass(frozen=True)
class EndRun(Operation):
    """End of a run, or a pause."""

    state: RunState
    reason: str

    def send(self, client: "MlflowClient", run_id: str) -> None:
        """Sets the state as tags and as the run's status, with the time at which it ended."""
        if self.state == RunState.SUPERSEDED and (
            client.get_run(run_id).info.status not in ("RUNNING", "SCHEDULED")
        ):
            return  # it ended for a reason of its own
        _set_tags(client, run_id, {STATE_TAG: self.state, REASON_TAG: self.reason})
        status = MLFLOW_STATUS[RunState(self.state)]
        if self.state == RunState.PAUSED:
            client.update_run(run_id, status=status)
        else:
            client.set_terminated(run_id, status, end_time=self.time)


_KINDS: dict[str, type[Operation]] = {kind.__name__: kind for kind in Operation.__subclasses__()}


def _set_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    entities = [RunTag(key, _cut(text, MAX_TAG)) for key, text in tags.items()]
    _log_batches(client, run_id, "tags", entities)


def _logged_samples(client: "MlflowClient", run_id: str) -> list[Row]:
    if SAMPLES not in {artifact.path for artifact in client.list_artifacts(run_id)}:
        return []
    with tempfile.TemporaryDirectory() as directory:
        file = Path(client.download_artifacts(run_id, SAMPLES, directory))
        table = json.loads(file.read_text(encoding="utf-8"))
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def _log_batches(client: "MlflowClient", run_id: str, kind: str, items: Sequence[Any]) -> None:
    size = MAX_BATCH[kind]
    for start in range(0, len(items), size):
        client.log_batch(run_id, **{kind: items[start : start + size]})


def _cut(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


Entry = tuple[Operation, int]
"""An operation and the position in the journal after it, in bytes."""


class Journal:
    """Append-only file of one run; any number of processes may append to it at once."""

    def __init__(self, target: TrackingTarget, key: RunKey) -> None:
        self.path = target.outbox / f"{key}.jsonl"
        target.outbox.mkdir(parents=True, exist_ok=True)
        owner = target.outbox / OWNER
        if not owner.exists():
            partial = target.outbox / f".{os.getpid()}-{OWNER}"
            partial.write_text(json.dumps({"study": target.study, "study_id": target.study_id}))
            partial.replace(owner)
        self._end_torn_line()

    def append(self, operation: Operation) -> None:
        """Adds an operation, which survives the end of the process once this returns."""
        entry = {"operation": type(operation).__name__, **asdict(operation)}
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{json.dumps(entry, ensure_ascii=False)}\n".encode())

    def read(self, start: int) -> Iterator[Entry]:
        """Yields the complete operations from a position in bytes on, and skips what is none."""
        with self.path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                try:
                    fields = json.loads(line)
                    operation = _KINDS[fields.pop("operation")](**fields)
                except (KeyError, TypeError, AttributeError, ValueError) as error:
                    if line.strip():
                        _logger.warning("%s: skipping a line: no operation: %s", self.path, error)
                else:
                    yield operation, start

    def _end_torn_line(self) -> None:
        """Ends a line that a killed process left half written, so that no other entry is lost."""
        with self.path.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")


def written_keys(target: TrackingTarget) -> list[RunKey]:
    """Returns the runs that have a journal."""
    return [RunKey.parse(path.stem) for path in sorted(target.outbox.glob("*.jsonl"))]
