import json
import math
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from automl_tf.home import HomeDirectory
from automl_tf.tracking.client import PARENT, RunKey, TrackingTarget, connect
from automl_tf.tracking.outbox import File, Journal, RunState, Text, written_keys
from automl_tf.tracking.runs import RootRun, StudyRun
from automl_tf.tracking.sender import DeliveryCursor, deliver, delivered_run_ids, merged
from automl_tf.versions import versions
from tests.tracking.conftest import STUDY_ID

OTHER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
LONG = 60.0
"""Seconds; nothing waits that long unless something is wrong."""

FINGERPRINT = "0123456789abcdef" * 4
PARAMS = {"model.d_model": 128, "model.dropout": 0.1, "model.tie_embeddings": True}
ROWS = [{"source": "a b", "reference": "A B", "hypothesis": "A C", "bleu": 50.0}]


def runs_of(where: TrackingTarget, kind: str) -> list:
    client = connect(where.tracking_uri)
    experiment = client.get_experiment_by_name(where.study)
    return client.search_runs(
        [experiment.experiment_id],
        f"tags.\"automl_tf.kind\" = '{kind}'",
        order_by=["attributes.start_time ASC"],
    )


def curve(where: TrackingTarget, run_id: str, name: str) -> list[tuple[int, float]]:
    history = connect(where.tracking_uri).get_metric_history(run_id, name)
    return sorted((point.step, point.value) for point in history)


def table_of(where: TrackingTarget, run_id: str, directory: Path) -> list[dict]:
    file = connect(where.tracking_uri).download_artifacts(run_id, "samples.json", str(directory))
    table = json.loads(Path(file).read_text(encoding="utf-8"))
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def test_a_study_is_told_in_full(local: TrackingTarget, tmp_path: Path) -> None:
    config = tmp_path / "best.yaml"
    config.write_text("model: {}\n")
    study = StudyRun.open(local, "A *toy* study.", {"corpus": "abc"})
    trial = study.trial(7, 1, "trial 7", PARAMS, {"seed": "3"})
    trial.log_curve([(1, {"train/loss": 3.0}), (2, {"train/loss": 2.5, "train/rate": 0.1})])
    trial.log_metrics(2, {"bleu": 10.0})
    trial.log_samples(2, ROWS)
    trial.log_samples(4, ROWS + ROWS)
    trial.log_text("seed: 1\n", "config.yaml")
    for _ in range(2):
        trial.log_corpus(
            "files en-de", "0123456789abcdef" * 4, {"kind": "files"}, {"train": 29_000}
        )
    trial.rename("trial 7 · 10.0")
    trial.finish(RunState.COMPLETE)
    study.log_metrics(7, {"best/bleu": 10.0})
    study.log_artifact(config)
    study.finish(RunState.COMPLETE)
    assert study.close(LONG)

    client = connect(local.tracking_uri)
    (parent,) = runs_of(local, "study")
    assert parent.info.run_id == study.run_id
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.note.content"] == "A *toy* study."
    assert parent.data.tags["corpus"] == "abc"
    assert parent.data.metrics == {"best/bleu": 10.0}
    assert [file.path for file in client.list_artifacts(study.run_id)] == ["best.yaml"]
    experiment = client.get_experiment(parent.info.experiment_id)
    assert experiment.name == "toy"
    assert experiment.tags["mlflow.note.content"] == "A *toy* study."
    assert experiment.artifact_location == (tmp_path / "home" / "mlartifacts" / "toy").as_uri()

    (child,) = runs_of(local, "trial")
    assert child.info.run_id == trial.run_id
    assert child.info.run_name == "trial 7 · 10.0"
    assert child.info.status == "FINISHED"
    assert child.data.params == {key: str(value) for key, value in PARAMS.items()}
    assert child.data.tags["mlflow.parentRunId"] == study.run_id
    assert child.data.tags["automl_tf.trial"] == "7"
    assert child.data.tags["automl_tf.state"] == "complete"
    assert child.data.tags["seed"] == "3"
    assert child.data.metrics == {"train/loss": 2.5, "train/rate": 0.1, "bleu": 10.0}
    assert curve(local, child.info.run_id, "train/loss") == [(1, 3.0), (2, 2.5)]
    assert table_of(local, child.info.run_id, tmp_path) == [
        {"step": step, **ROWS[0]} for step in (2, 4, 4)
    ]
    assert {"path": "samples.json", "type": "table"} in json.loads(
        child.data.tags["mlflow.loggedArtifacts"]
    )
    for run in (parent, child):
        assert run.data.tags["version.torch"] == versions()["torch"]
    (told,) = child.inputs.dataset_inputs
    assert told.dataset.name == "files en-de"
    assert FINGERPRINT.startswith(told.dataset.digest)
    assert json.loads(told.dataset.profile) == {"train": 29_000}
    assert delivered_run_ids(local) == {
        RunKey("study"): study.run_id,
        RunKey("trial", "7"): trial.run_id,
    }


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (RunState.COMPLETE, "FINISHED"),
        (RunState.PRUNED, "KILLED"),
        (RunState.FAILED, "FAILED"),
        (RunState.SUPERSEDED, "FAILED"),
        (RunState.PAUSED, "SCHEDULED"),
    ],
)
def test_mlflow_shows_how_a_trial_ended(
    local: TrackingTarget, state: RunState, status: str
) -> None:
    study = StudyRun.open(local, "", {})
    trial = study.trial(0, 1, "trial 0", {}, {})
    trial.finish(state, "BLEU 3.1 at step 200 is below the median 7.9.")
    assert study.close(LONG)
    (run,) = runs_of(local, "trial")
    assert run.info.status == status
    assert run.data.tags["automl_tf.state"] == state
    assert run.data.tags["automl_tf.reason"] == "BLEU 3.1 at step 200 is below the median 7.9."
    assert (run.info.end_time is None) == (state == RunState.PAUSED)


def test_a_resumed_trial_goes_on_with_its_curve(local: TrackingTarget) -> None:
    first = StudyRun.open(local, "story", {})
    trial = first.trial(3, 1, "trial 3", PARAMS, {})
    trial.log_metrics(100, {"bleu": 1.0})
    trial.finish(RunState.PAUSED, "Ctrl-C")
    assert first.close(LONG)

    second = StudyRun.open(local, "story", {})
    again = second.trial(3, 1, "trial 3", PARAMS, {})
    again.log_metrics(200, {"bleu": 2.0})
    assert second.flush(LONG)
    (run,) = runs_of(local, "trial")
    assert run.info.status == "RUNNING"
    assert run.info.run_id == trial.run_id == again.run_id
    assert run.data.tags["automl_tf.state"] == "running"
    assert curve(local, run.info.run_id, "bleu") == [(100, 1.0), (200, 2.0)]
    again.finish(RunState.COMPLETE)
    assert second.close(LONG)
    assert [run.info.status for run in runs_of(local, "trial")] == ["FINISHED"]
    assert len(runs_of(local, "study")) == 1


def test_values_that_are_not_finite_or_too_long_break_nothing(local: TrackingTarget) -> None:
    study = StudyRun.open(local, "d" * 20_000, {"long": "t" * 20_000})
    trial = study.trial(0, 1, "trial 0", {"long": "p" * 20_000}, {})
    trial.log_curve([(1, {"loss": math.nan}), (2, {"loss": math.inf}), (3, {"loss": 1.0})])
    assert study.close(LONG)
    (run,) = runs_of(local, "trial")
    values = [value for _, value in curve(local, run.info.run_id, "loss")]
    assert [math.isfinite(value) for value in values] == [False, False, True]
    assert not any(math.isinf(value) or abs(value) > 1e300 for value in values)
    assert run.data.params["long"].startswith("ppp")
    assert run.data.params["long"].endswith("…")


def test_a_long_curve_and_many_params_are_split_at_the_limits(local: TrackingTarget) -> None:
    study = StudyRun.open(local, "", {})
    trial = study.trial(0, 1, "trial 0", {f"p{number}": number for number in range(150)}, {})
    trial.log_curve([(step, {"a": step / 3, "b": -step}) for step in range(1200)])
    assert study.close(LONG)
    (run,) = runs_of(local, "trial")
    assert len(run.data.params) == 150
    assert curve(local, run.info.run_id, "a") == [(step, step / 3) for step in range(1200)]
    assert curve(local, run.info.run_id, "b") == [(step, -step) for step in range(1200)]


def test_what_mlflow_refuses_costs_itself_alone(
    local: TrackingTarget, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    study = StudyRun.open(local, "", {})
    trial = study.trial(0, 1, "trial 0", {"p": 1}, {})
    trial.start("trial 0", {"p": 2}, {})
    trial.log_artifact(tmp_path / "never-written.txt")
    trial.log_metrics(1, {"not?a$name": 1.0})
    trial.finish(RunState.COMPLETE)
    assert study.close(LONG)
    (run,) = runs_of(local, "trial")
    assert run.info.status == "FINISHED"
    assert run.data.params == {"p": "1"}
    assert sum("MLflow refuses" in message for message in caplog.messages) == 3


def test_a_deleted_experiment_comes_back(local: TrackingTarget) -> None:
    study = StudyRun.open(local, "", {})
    assert study.close(LONG)
    client = connect(local.tracking_uri)
    before = client.get_experiment_by_name(local.study).experiment_id
    client.delete_experiment(before)
    again = StudyRun.open(local, "", {})
    assert again.close(LONG)
    assert client.get_experiment(before).lifecycle_stage == "active"
    assert again.run_id == study.run_id


def test_another_server_gets_the_whole_study(
    local: TrackingTarget, tmp_path: Path, empty_store: Path
) -> None:
    study = StudyRun.open(local, "story", {})
    trial = study.trial(1, 1, "trial 1", PARAMS, {})
    trial.log_metrics(5, {"bleu": 1.0})
    trial.finish(RunState.PRUNED, "too low")
    assert study.close(LONG)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    other = replace(local, tracking_uri=HomeDirectory(tmp_path).tracking_uri)
    assert deliver(other).problem is None
    (run,) = runs_of(other, "trial")
    assert run.info.status == "KILLED"
    assert curve(other, run.info.run_id, "bleu") == [(5, 1.0)]
    assert [parent.data.tags["mlflow.note.content"] for parent in runs_of(other, "study")] == [
        "story"
    ]


def test_a_second_delivery_doubles_nothing(local: TrackingTarget, tmp_path: Path) -> None:
    study = StudyRun.open(local, "story", {})
    trial = study.trial(1, 1, "trial 1", PARAMS, {})
    trial.log_metrics(5, {"bleu": 1.0})
    trial.log_samples(5, ROWS)
    trial.finish(RunState.COMPLETE)
    assert study.close(LONG)
    for mark in local.outbox.glob("*.sent"):
        mark.unlink()
    assert deliver(local).problem is None
    (run,) = runs_of(local, "trial")
    assert curve(local, run.info.run_id, "bleu") == [(5, 1.0)]
    assert table_of(local, run.info.run_id, tmp_path) == [{"step": 5, **ROWS[0]}]


def test_what_was_superseded_before_it_was_sent_is_not_sent(
    local: TrackingTarget, tmp_path: Path
) -> None:
    # Nothing can be delivered yet, so that all of it is delivered at once.
    study = StudyRun.open(replace(local, tracking_uri="http://127.0.0.1:9"), "", {})
    trial = study.trial(0, 1, "trial 0", {}, {})
    file = tmp_path / "page.html"
    for step in range(1, 4):
        trial.log_metrics(step, {"bleu": float(step)})
        trial.log_text(f"step {step}", "picture.svg")
        file.write_text(f"step {step}")
        trial.log_artifact(file)
        trial.set_tags({"step": str(step), f"only{step}": "here"})
    assert not study.close(LONG)
    (key,) = set(written_keys(local)) - {PARENT}
    whole = list(Journal(local, key).read(0))
    fewer = list(merged(whole))
    assert fewer[-1][1] == whole[-1][1]
    sent = [type(operation) for operation, _ in fewer]
    assert [sent.count(kind) for kind in (Text, File)] == [1, 1]

    assert deliver(local).problem is None
    (run,) = runs_of(local, "trial")
    assert curve(local, run.info.run_id, "bleu") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    client = connect(local.tracking_uri)
    for path in ("picture.svg", "page.html"):
        kept = client.download_artifacts(run.info.run_id, path, str(tmp_path))
        assert Path(kept).read_text() == "step 3"
    assert run.data.tags["step"] == "3"
    assert {f"only{step}" for step in (1, 2, 3)} <= set(run.data.tags)


def test_a_training_stands_beside_the_study(local: TrackingTarget) -> None:
    run = RootRun(local, RunKey("training", "best.1"))
    run.start("train best", PARAMS, {})
    run.log_metrics(1, {"bleu": 30.0})
    run.finish(RunState.COMPLETE)
    assert run.close(LONG)
    (found,) = runs_of(local, "training")
    assert found.info.run_id == run.run_id
    assert "mlflow.parentRunId" not in found.data.tags
    assert found.data.metrics == {"bleu": 30.0}
    assert not runs_of(local, "study")


def test_studies_of_one_name_share_an_experiment_and_no_run(
    local: TrackingTarget, tmp_path: Path
) -> None:
    others = [
        TrackingTarget.of_study(tmp_path / "home", "toy", OTHER_ID),
        replace(
            TrackingTarget.of_study(tmp_path / "elsewhere", "toy", OTHER_ID[::-1]),
            tracking_uri=local.tracking_uri,
        ),
    ]
    told = {}
    for number, where in enumerate((local, *others), start=1):
        study = StudyRun.open(where, f"story {number}", {})
        trial = study.trial(0, 1, "trial 0", {"p": number}, {})
        trial.log_metrics(number, {"bleu": float(number)})
        trial.finish(RunState.COMPLETE)
        outbox = tmp_path / f"training-{number}" / "outbox"
        training = RootRun(replace(where, outbox=outbox), RunKey("training", "toy-1"))
        training.start("training", {"p": number}, {})
        assert study.close(LONG)
        assert training.close(LONG)
        told[number] = (study.run_id, trial.run_id, training.run_id)
    assert len({run_id for run_ids in told.values() for run_id in run_ids}) == 3 * len(told)
    assert len(runs_of(local, "study")) == len(told)
    for number, (parent, child, training) in told.items():
        run = connect(local.tracking_uri).get_run(child)
        assert run.data.tags["mlflow.parentRunId"] == parent
        assert run.data.params == {"p": str(number)}
        assert curve(local, child, "bleu") == [(number, float(number))]
        assert connect(local.tracking_uri).get_run(training).data.params == {"p": str(number)}


def test_another_attempt_is_another_run_and_ends_the_one_before(local: TrackingTarget) -> None:
    study = StudyRun.open(local, "", {})
    first = study.trial(7, 1, "trial 7", {"batch": 8}, {})
    first.log_metrics(100, {"bleu": 30.0})
    # Its worker is lost: another process begins again.
    again = StudyRun.open(local, "", {})
    second = again.trial(7, 2, "trial 7, attempt 2", {"batch": 4}, {})
    second.log_metrics(100, {"bleu": 1.0})
    second.finish(RunState.FAILED, "out of memory")
    third = again.trial(7, 3, "trial 7, attempt 3", {"batch": 2}, {})
    third.log_metrics(100, {"bleu": 2.0})
    third.finish(RunState.PAUSED, "Ctrl-C")
    # It is resumed: the same run, the same curve.
    resumed = again.trial(7, 3, "trial 7, attempt 3", {"batch": 2}, {})
    resumed.log_metrics(200, {"bleu": 3.0})
    resumed.finish(RunState.COMPLETE)
    assert study.close(LONG)
    assert again.close(LONG)
    runs = {run.data.tags["automl_tf.attempt"]: run for run in runs_of(local, "trial")}
    assert [run.info.status for _, run in sorted(runs.items())] == ["FAILED", "FAILED", "FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {study.run_id}
    assert {number: run.data.params for number, run in runs.items()} == {
        "1": {"batch": "8"},
        "2": {"batch": "4"},
        "3": {"batch": "2"},
    }
    reasons = {number: run.data.tags["automl_tf.reason"] for number, run in runs.items()}
    assert reasons == {"1": "superseded by attempt 2", "2": "out of memory", "3": ""}
    assert runs["2"].data.tags["automl_tf.state"] == "failed"
    curves = [curve(local, runs[number].info.run_id, "bleu") for number in "123"]
    assert curves == [[(100, 30.0)], [(100, 1.0)], [(100, 2.0), (200, 3.0)]]


def test_trials_are_sent_while_another_process_sends_the_study(local: TrackingTarget) -> None:
    with DeliveryCursor(local, PARENT).lock:
        study = StudyRun.open(local, "story", {})
        trial = study.trial(3, 1, "trial 3", PARAMS, {})
        trial.log_metrics(5, {"bleu": 1.0})
        assert not study.flush(20.0)
        assert trial.run_id is not None
        (parent,) = runs_of(local, "study")
        (run,) = runs_of(local, "trial")
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert curve(local, run.info.run_id, "bleu") == [(5, 1.0)]
    assert study.close(LONG)
    assert [parent.data.tags["mlflow.note.content"] for parent in runs_of(local, "study")] == [
        "story"
    ]


def open_at_once(where: TrackingTarget, barrier, number: int) -> None:
    barrier.wait()
    study = StudyRun.open(where, "story", {})
    study.trial(number, 1, f"trial {number}", {}, {}).finish(RunState.COMPLETE)
    assert study.close(LONG)


def race(destinations: list[TrackingTarget]) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(destinations))
    processes = [
        context.Process(target=open_at_once, args=(where, barrier, number))
        for number, where in enumerate(destinations)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LONG)
    assert [process.exitcode for process in processes] == [0] * len(processes)
    (parent,) = runs_of(destinations[0], "study")
    children = runs_of(destinations[0], "trial")
    assert {run.data.tags["automl_tf.trial"] for run in children} == {
        str(number) for number in range(len(destinations))
    }
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}


@pytest.mark.slow
def test_workers_that_open_a_study_at_once_share_one_parent(local: TrackingTarget) -> None:
    race([local, local])


@pytest.mark.slow
def test_workers_of_two_homes_share_one_parent(server, tmp_path: Path) -> None:
    server.start()
    race(
        [
            TrackingTarget.of_study(tmp_path / name, "toy", STUDY_ID, server.url)
            for name in ("left", "right")
        ]
    )


def log_and_die(where: TrackingTarget) -> None:
    study = StudyRun.open(where, "story", {})
    trial = study.trial(0, 1, "trial 0", PARAMS, {})
    for step in range(50):
        trial.log_metrics(step, {"loss": 1.0 / (1 + step)})
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(local: TrackingTarget) -> None:
    process = multiprocessing.get_context("spawn").Process(target=log_and_die, args=(local,))
    process.start()
    process.join(LONG)
    assert process.exitcode == -signal.SIGKILL
    assert deliver(local).problem is None
    (run,) = runs_of(local, "trial")
    assert curve(local, run.info.run_id, "loss") == [(s, 1.0 / (1 + s)) for s in range(50)]
    assert run.data.params == {key: str(value) for key, value in PARAMS.items()}


@pytest.mark.slow
def test_a_server_that_was_away_ends_up_with_everything(server, tmp_path: Path) -> None:
    where = TrackingTarget.of_study(tmp_path / "home", "toy", STUDY_ID, server.url)
    study = StudyRun.open(where, "story", {})
    early = study.trial(0, 1, "trial 0", PARAMS, {})
    early.log_metrics(1, {"bleu": 1.0})
    assert not study.flush(LONG)
    assert early.run_id is None

    server.start()
    assert study.flush(LONG)
    assert early.run_id is not None
    server.stop()

    early.log_metrics(2, {"bleu": 2.0})
    early.log_samples(2, ROWS)
    early.finish(RunState.PRUNED, "below the median at step 2")
    late = study.trial(1, 1, "trial 1", PARAMS, {})
    late.log_metrics(1, {"bleu": 5.0})
    late.finish(RunState.COMPLETE)
    study.finish(RunState.COMPLETE)
    assert not study.close(LONG)

    server.start()
    assert deliver(where).problem is None
    (parent,) = runs_of(where, "study")
    first, second = runs_of(where, "trial")
    assert parent.info.status == "FINISHED"
    assert first.info.status == "KILLED"
    assert curve(where, first.info.run_id, "bleu") == [(1, 1.0), (2, 2.0)]
    assert second.info.status == "FINISHED"
    assert second.info.start_time <= second.info.end_time <= parent.info.end_time
    assert table_of(where, first.info.run_id, tmp_path) == [{"step": 2, **ROWS[0]}]
