"""Calls to MLflow that keep within its limits (mlflow.utils.validation)."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from automl_tf.tracking.client import mlflow

METRICS_PER_CALL = 1000
PAIRS_PER_CALL = 100
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
LONGEST_DIGEST = 36

Point = tuple[str, float, int, int]
"""Name, value, step and time (milliseconds since 1970) of a metric."""

Row = Mapping[str, Any]

_Item = TypeVar("_Item")


def log_metrics(client: mlflow.MlflowClient, run_id: str, points: Sequence[Point]) -> None:
    """Logs points in as few calls as possible: one costs about the same for 1 point as for 100.

    A value that is not finite is logged as NaN: MLflow would show infinity as 1.8e308 and flatten
    the curve.
    """
    metrics = [
        mlflow.entities.Metric(key, value if math.isfinite(value) else math.nan, time, step)
        for key, value, step, time in points
    ]
    for chunk in _chunks(metrics, METRICS_PER_CALL):
        client.log_batch(run_id, metrics=chunk)


def log_params(client: mlflow.MlflowClient, run_id: str, params: Mapping[str, str]) -> None:
    """Logs parameters, each cut to the length that MLflow keeps."""
    entities = [
        mlflow.entities.Param(key, _cut(text, LONGEST_PARAM)) for key, text in params.items()
    ]
    for chunk in _chunks(entities, PAIRS_PER_CALL):
        client.log_batch(run_id, params=chunk)


def set_tags(client: mlflow.MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a run, each cut to the length that MLflow takes."""
    entities = [mlflow.entities.RunTag(key, _cut(text, LONGEST_TAG)) for key, text in tags.items()]
    for chunk in _chunks(entities, PAIRS_PER_CALL):
        client.log_batch(run_id, tags=chunk)


def set_experiment_tag(client: mlflow.MlflowClient, run_id: str, key: str, text: str) -> None:
    """Sets a tag of the experiment that a run belongs to, cut to the length that MLflow takes."""
    experiment_id = client.get_run(run_id).info.experiment_id
    client.set_experiment_tag(experiment_id, key, _cut(text, LONGEST_TAG))


def log_dataset(
    client: mlflow.MlflowClient,
    run_id: str,
    name: str,
    fingerprint: str,
    source: Mapping[str, Any],
    sizes: Mapping[str, int],
) -> None:
    """Logs a corpus as a dataset that the run was trained on; its digest is cut to MLflow's length.

    Args:
        client: The client.
        run_id: The run.
        name: What a person calls the corpus.
        fingerprint: Hash of its text.
        source: Where it comes from.
        sizes: Sentence pairs of each split.
    """
    dataset = mlflow.entities.Dataset(
        name=name,
        digest=fingerprint[:LONGEST_DIGEST],
        source_type=str(source.get("kind", "")),
        source=json.dumps(source),
        profile=json.dumps(sizes),
    )
    tags = [mlflow.entities.InputTag("mlflow.data.context", "training")]
    client.log_inputs(run_id, [mlflow.entities.DatasetInput(dataset, tags)])


def log_rows(
    client: mlflow.MlflowClient, run_id: str, path: str, step: int, rows: Sequence[Row]
) -> None:
    """Adds a step's rows to a table that MLflow's page shows, in place of the step's older ones.

    ``MlflowClient.log_table`` would add them once more when they are sent again.
    """
    table = [row for row in _logged_rows(client, run_id, path) if row["step"] != step]
    table += [{"step": step, **row} for row in rows]
    columns = list(table[0]) if table else ["step"]
    data = [[row.get(column) for column in columns] for row in table]
    if len(table) == len(rows):  # it is new; named first, so that no crash leaves it unnamed
        named = json.dumps([{"path": path, "type": "table"}])
        client.set_tag(run_id, "mlflow.loggedArtifacts", named)
    client.log_dict(run_id, {"columns": columns, "data": data}, path)


def _logged_rows(client: mlflow.MlflowClient, run_id: str, path: str) -> list[Row]:
    if path not in {artifact.path for artifact in client.list_artifacts(run_id)}:
        return []
    with TemporaryDirectory() as directory:
        file = Path(client.download_artifacts(run_id, path, directory))
        table = json.loads(file.read_text(encoding="utf-8"))
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
