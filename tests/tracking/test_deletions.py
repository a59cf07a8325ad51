"""Stores as people leave them: runs, experiments, files and whole databases deleted or put back."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from automl_tf.home import sqlite_file
from automl_tf.tracking import client
from automl_tf.tracking.client import PARENT, RunKey, TrackingTarget, connect
from automl_tf.tracking.outbox import RunState, written_keys
from automl_tf.tracking.runs import StudyRun
from automl_tf.tracking.sender import DeliveryCursor, deliver
from automl_tf.tracking.verification import Expected

LONG = 60.0
TRIAL = RunKey("trial", "0")


def log_study(target: TrackingTarget, number: int = 0) -> None:
    """Logs a study with one more trial."""
    study = StudyRun.open(target, "A study.", {})
    trial = study.trial(number, 1, f"trial {number}", {"model.d_model": 64}, {})
    trial.log_curve([(step, {"loss": 5.0 / step}) for step in (1, 2, 3)])
    trial.log_metrics(3, {"val_bleu": 12.5, "diverged": float("nan")})
    trial.log_text("seed: 1\n", "config.yaml")
    trial.log_samples(3, [{"source": "a", "bleu": 1.0}])
    trial.finish(RunState.COMPLETE)
    study.log_metrics(number + 1, {"best_bleu": 12.5})
    study.finish(RunState.COMPLETE)
    assert study.close(LONG)


@pytest.fixture(autouse=True)
def quick_creation(monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> None:
    """Databases are created by copying: MLflow takes seconds."""

    def create(database: Path) -> None:
        if not client._is_there(database):
            shutil.copy(empty_store, database)

    monkeypatch.setattr(client, "_create_whole", create)


@pytest.fixture
def target(local: TrackingTarget) -> TrackingTarget:
    """A study of one trial, all of it delivered."""
    log_study(local)
    return local


def run_id(target: TrackingTarget, key: RunKey) -> str:
    found = DeliveryCursor(target, key).read().run_id
    assert found is not None
    return found


def database(target: TrackingTarget) -> Path:
    found = sqlite_file(target.tracking_uri)
    assert found is not None
    return found


def execute(target: TrackingTarget, *statements: str) -> None:
    with closing(sqlite3.connect(database(target))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def assert_whole(target: TrackingTarget, trials: int = 1) -> None:
    """One active parent, with all trials under it and all of their content."""
    mlflow_client = connect(target.tracking_uri)
    experiment = mlflow_client.get_experiment_by_name(target.study)
    assert experiment.lifecycle_stage == "active"
    runs = mlflow_client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags["automl_tf.kind"] == "study"]
    assert parent.data.metrics["best_bleu"] == 12.5
    found = [run for run in runs if run.data.tags["automl_tf.kind"] == "trial"]
    assert len(found) == trials
    for run in found:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["automl_tf.state"] == "complete"
        assert run.info.status == "FINISHED"
        assert run.data.params == {"model.d_model": "64"}
        assert len(mlflow_client.get_metric_history(run.info.run_id, "loss")) == 3
        paths = {artifact.path for artifact in mlflow_client.list_artifacts(run.info.run_id)}
        assert paths == {"config.yaml", "samples.json"}


def delete_trial(target: TrackingTarget, mlflow_client: MlflowClient) -> None:
    mlflow_client.delete_run(run_id(target, TRIAL))


def delete_parent(target: TrackingTarget, mlflow_client: MlflowClient) -> None:
    mlflow_client.delete_run(run_id(target, PARENT))


def delete_all(target: TrackingTarget, mlflow_client: MlflowClient) -> None:
    delete_parent(target, mlflow_client)
    delete_trial(target, mlflow_client)


def delete_experiment(target: TrackingTarget, mlflow_client: MlflowClient) -> None:
    mlflow_client.delete_experiment(
        mlflow_client.get_experiment_by_name(target.study).experiment_id
    )


def delete_database(target: TrackingTarget, _mlflow_client: MlflowClient) -> None:
    database(target).unlink()


def empty_database(target: TrackingTarget, _mlflow_client: MlflowClient) -> None:
    database(target).write_bytes(b"")


def delete_artifacts(target: TrackingTarget, _mlflow_client: MlflowClient) -> None:
    assert target.artifact_root is not None
    shutil.rmtree(target.artifact_root)


def purge_parent(target: TrackingTarget, _mlflow_client: MlflowClient) -> None:
    gone = run_id(target, PARENT)
    tables = ("tags", "metrics", "latest_metrics", "params", "runs")
    execute(target, *(f"DELETE FROM {table} WHERE run_uuid = '{gone}'" for table in tables))


def restore_older_backup(target: TrackingTarget, _mlflow_client: MlflowClient) -> None:
    """As if the last points and the end of the trial had never been written."""
    trial = run_id(target, TRIAL)
    execute(
        target,
        f"DELETE FROM latest_metrics WHERE run_uuid = '{trial}'",
        f"DELETE FROM metrics WHERE run_uuid = '{trial}' AND step > 1",
        f"DELETE FROM tags WHERE run_uuid = '{trial}' AND key = 'automl_tf.state'",
    )


DELETIONS: list[Callable[[TrackingTarget, MlflowClient], None]] = [
    *(delete_trial, delete_parent, delete_all, delete_experiment, delete_database),
    *(empty_database, delete_artifacts, purge_parent, restore_older_backup),
]


@pytest.mark.parametrize("delete", DELETIONS, ids=lambda delete: delete.__name__)
def test_a_delivery_looks_at_every_run_and_sends_again_what_is_gone(
    target: TrackingTarget, delete: Callable[[TrackingTarget, MlflowClient], None]
) -> None:
    assert deliver(target).repaired == ()
    delete(target, connect(target.tracking_uri))
    result = deliver(target)
    assert (result.problem, result.unsent, result.describe_lacks()) == (None, (), None)
    assert result.repaired
    assert_whole(target)
    assert deliver(target).repaired == ()


@pytest.mark.parametrize(
    "delete",
    [delete_parent, delete_experiment, delete_database, purge_parent],
    ids=lambda delete: delete.__name__,
)
def test_a_search_that_goes_on_has_one_parent_with_all_trials(
    target: TrackingTarget, delete: Callable[[TrackingTarget, MlflowClient], None]
) -> None:
    delete(target, connect(target.tracking_uri))
    log_study(target, 1)
    assert_whole(target, trials=2)


@pytest.mark.parametrize(
    "delete",
    [delete_trial, delete_parent, delete_all, delete_experiment, delete_database],
    ids=lambda delete: delete.__name__,
)
def test_runs_that_are_deleted_while_they_are_written_are_whole_at_the_end(
    local: TrackingTarget, delete: Callable[[TrackingTarget, MlflowClient], None]
) -> None:
    study = StudyRun.open(local, "A study.", {})
    trial = study.trial(0, 1, "trial 0", {"model.d_model": 64}, {})
    trial.log_curve([(step, {"loss": 5.0 / step}) for step in (1, 2)])
    trial.log_text("seed: 1\n", "config.yaml")
    trial.log_samples(3, [{"source": "a", "bleu": 1.0}])
    assert study.flush(LONG)
    delete(local, connect(local.tracking_uri))
    trial.log_curve([(3, {"loss": 5.0 / 3})])
    trial.finish(RunState.COMPLETE)
    study.log_metrics(1, {"best_bleu": 12.5})
    study.finish(RunState.COMPLETE)
    for _ in range(3):
        if study.flush(LONG):
            break
    assert study.close(LONG)
    assert_whole(local)


def test_what_cannot_be_sent_again_is_told(local: TrackingTarget, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("")
    study = StudyRun.open(local, "A study.", {})
    study.log_artifact(file)
    assert study.close(LONG)
    delete_artifacts(local, connect(local.tracking_uri))
    file.unlink()
    assert deliver(local).describe_lacks() == "artifact report.html of study"


def test_a_deleted_run_that_nothing_is_sent_to_stays_deleted(target: TrackingTarget) -> None:
    mlflow_client = connect(target.tracking_uri)
    delete_trial(target, mlflow_client)
    study = StudyRun.open(target, "A study.", {})
    study.finish(RunState.COMPLETE)
    assert study.close(LONG)
    assert mlflow_client.get_run(run_id(target, TRIAL)).info.lifecycle_stage == "deleted"


def test_nothing_is_expected_of_a_run_that_nothing_was_sent_to(target: TrackingTarget) -> None:
    assert {key.kind for key in written_keys(target)} == {"study", "trial"}
    run = connect(target.tracking_uri).get_run(run_id(target, TRIAL))
    assert Expected().missing(connect(target.tracking_uri), run) == []
