"""What MLflow is told of a study, in a real store."""

import socket
from pathlib import Path

import mlflow

from automl_tf.search.opening import requeue_stale_trials
from automl_tf.search.schema import VALIDATIONS, WORKER
from automl_tf.search.study_logger import StudyLogger
from automl_tf.search.worker import claim
from automl_tf.tracking.home import default_tracking_uri
from tests.search.making import bench, definition, new_home


def test_a_trial_that_nobody_was_left_to_end_is_failed_in_mlflow_too(tmp_path: Path) -> None:
    made = definition(sampler={"kind": "random"}, budget={"trials": 3})
    worker = bench(new_home(tmp_path), made)
    uri = default_tracking_uri(tmp_path)
    for _ in range(2):
        trial = claim(worker)
        assert trial is not None
        assert trial.number == 0
        trial.set_user_attr(VALIDATIONS, {"100": {"bleu": 12.5, "chrf": 30.0, "loss": 2.0}})
        trial.set_user_attr(WORKER, f"{socket.gethostname()}:1:0")
        requeue_stale_trials(worker.storage, worker.study)
    with StudyLogger.open(worker.study, made, tmp_path, uri) as story:
        story.refresh()
        story.refresh()
        story.finish(interrupted=False)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(made.config.name)
    runs = client.search_runs([experiment.experiment_id], "tags.`mlflow.parentRunId` != ''")
    assert [run.info.status for run in runs] == ["FAILED"]
    assert "12.5" in runs[0].info.run_name
    assert "its worker died 2 times" in runs[0].data.tags["mlflow.note.content"]
