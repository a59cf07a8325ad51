"""Compares a run in MLflow with the operations that were sent to it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from automl_tf.tracking.outbox import (
    SAMPLES,
    STATE_TAG,
    EndRun,
    File,
    Metrics,
    Operation,
    RunState,
    Samples,
    StartRun,
    Text,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Latest = tuple[int, int, float]
"""Step, time and value of a metric's last point, in the order in which MLflow compares them."""

_NONE: Latest = (-1, 0, 0.0)


@dataclass
class Expected:
    """What a run holds once operations were sent.

    Attributes:
        params: Names of its parameters.
        metrics: Last point of each metric.
        state: Its state tag; None if that depends on what was there before.
        artifacts: Paths of its artifacts.
    """

    params: set[str] = field(default_factory=set)
    metrics: dict[str, Latest] = field(default_factory=dict)
    state: str | None = None
    artifacts: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> "Expected":
        """Returns what a run holds after these operations."""
        expected = cls()
        for operation in operations:
            expected.add(operation)
        return expected

    def add(self, operation: Operation) -> None:
        """Adds the effect of one more operation."""
        match operation:
            case StartRun():
                self.params.update(operation.params)
                self.state = "running"
            case Metrics():
                for name, value, step, time in operation.points:
                    self.metrics[name] = max(
                        self.metrics.get(name, _NONE), (step, time, value), key=_order
                    )
            case Text():
                self.artifacts.add(operation.path)
            case File():
                self.artifacts.add(operation.place)
            case Samples():
                self.artifacts.add(SAMPLES)
            case EndRun():
                is_conditional = operation.state == RunState.SUPERSEDED
                self.state = None if is_conditional else str(operation.state)

    def missing(self, client: "MlflowClient", run: "Run") -> list[str]:
        """Returns what a run lacks, in words; nothing if it is whole."""
        lacks = [f"parameter {name}" for name in sorted(self.params - set(run.data.params))]
        lacks += [
            f"metric {name}"
            for name, (_, _, value) in sorted(self.metrics.items())
            if not _is_equal(run.data.metrics.get(name), value)
        ]
        if self.state is not None and run.data.tags.get(STATE_TAG) != self.state:
            lacks.append(f"its state {self.state}")
        folders = {str(PurePosixPath(path).parent) for path in self.artifacts}
        kept = {
            artifact.path
            for folder in folders
            for artifact in client.list_artifacts(
                run.info.run_id, None if folder == "." else folder
            )
        }
        return [*lacks, *(f"artifact {path}" for path in sorted(self.artifacts - kept))]


def _order(point: Latest) -> Latest:
    """Returns what MLflow compares: a value that is not finite is 0 and a mark."""
    step, time, value = point
    return step, time, value if math.isfinite(value) else 0.0


def _is_equal(found: float | None, expected: float) -> bool:
    return found is not None and (found == expected or not math.isfinite(expected))
