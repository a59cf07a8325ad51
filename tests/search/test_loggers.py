"""Logging of studies and trials to a real store, and the summary files of a study's run."""

import dataclasses
import json
import time
from pathlib import Path

import mlflow
import optuna
import pytest

from automl_tf.home import HomeDirectory
from automl_tf.search.export import export
from automl_tf.search.loggers import StudyLogger, SummaryFiles, TrialLogger
from automl_tf.search.opening import open_study
from automl_tf.search.ownership import (
    MAX_LOSSES,
    LivenessMonitor,
    requeue_lost_trials,
    this_process,
)
from automl_tf.search.samplers.build import distribution
from automl_tf.search.schema import OWNER, REASON, TRACKING, VALIDATIONS, StudyRecord
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.study_view import StudyView
from automl_tf.tracking.outbox import RunState
from tests.search.making import bench, claim, definition, new_home

LONG = 60.0
"""Seconds; nothing waits that long unless something is wrong."""


def test_a_trial_that_nobody_was_left_to_end_is_failed_in_mlflow_too(tmp_path: Path) -> None:
    made = definition(sampler={"kind": "random"}, budget={"trials": 3})
    worker = bench(new_home(tmp_path), made)
    uri = HomeDirectory(tmp_path).tracking_uri
    gone = dataclasses.asdict(dataclasses.replace(this_process(), started=1))
    for _ in range(MAX_LOSSES):
        trial = claim(worker)
        assert trial is not None
        assert trial.number == 0
        trial.set_user_attr(VALIDATIONS, {"100": {"bleu": 12.5, "chrf": 30.0, "loss": 2.0}})
        trial.set_user_attr(OWNER, {**trial.user_attrs[OWNER], **gone})
        requeue_lost_trials(LivenessMonitor(worker.storage, worker.study), worker.storage)
    with StudyLogger.open(worker.study, made, tmp_path, uri) as story:
        story.refresh()
        story.refresh()
        story.finish(RunState.COMPLETE)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(made.config.name)
    runs = client.search_runs([experiment.experiment_id], "tags.`mlflow.parentRunId` != ''")
    assert [run.info.status for run in runs] == ["FAILED"]
    assert "12.5" in runs[0].info.run_name
    assert "its worker died 3 times" in runs[0].data.tags["mlflow.note.content"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (RunState.COMPLETE, "FINISHED"),
        (RunState.PAUSED, "SCHEDULED"),
        (RunState.FAILED, "FAILED"),
    ],
)
def test_the_study_ends_in_the_state_of_its_search(
    tmp_path: Path, state: RunState, status: str
) -> None:
    made = definition(sampler={"kind": "random"})
    worker = bench(new_home(tmp_path), made)
    uri = HomeDirectory(tmp_path).tracking_uri
    with StudyLogger.open(worker.study, made, tmp_path, uri) as logger:
        logger.finish(state, "3 of 10 trials are left")
    (run,) = runs_in(uri, made.config.name)
    assert run.info.status == status
    assert run.data.tags["automl_tf.state"] == state
    assert run.data.tags["automl_tf.reason"] == "3 of 10 trials are left"


def test_an_attempt_knows_nothing_of_the_one_before(tmp_path: Path) -> None:
    made = definition(sampler={"kind": "random"})
    worker = bench(new_home(tmp_path), made)
    uri = HomeDirectory(tmp_path).tracking_uri
    with StudyLogger.open(worker.study, made, tmp_path, uri) as logger:
        trial = claim(worker)
        assert trial is not None
        config = worker.trial_config(trial.number, trial.params)
        trial.set_user_attr(VALIDATIONS, {"100": {"bleu": 12.5, "chrf": 30.0, "loss": 2.0}})
        TrialLogger(trial, 1, config, logger.run).end(RunState.SUPERSEDED, "out of memory")
        trial.set_user_attr(VALIDATIONS, {})
        TrialLogger(trial, 2, config, logger.run).end(RunState.FAILED, "diverged")
    names = sorted(run.info.run_name for run in runs_in(uri, made.config.name))
    assert names[1].startswith("trial 0 · d")
    assert names[1].endswith(" · 12.5")
    assert names[2].startswith("trial 0, attempt 2 · d")
    assert not names[2].endswith("12.5")
    runs = {run.info.run_name: run for run in runs_in(uri, made.config.name)}
    stored = worker.study.user_attrs[TRACKING]["trials"]["0"]
    assert stored == runs[names[2]].info.run_id
    assert runs[names[1]].data.tags["automl_tf.reason"] == "out of memory"


def runs_in(uri: str, study: str) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(uri)
    return client.search_runs([client.get_experiment_by_name(study).experiment_id])


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    made: StudyRecord = definition(start_with_base=False)
    return open_study(open_storage(default_url(tmp_path), new_home(tmp_path)), made)


def add_trial(study: optuna.Study, bleu: float) -> None:
    domains = definition().space.domains
    trial = study.ask({name: distribution(domain) for name, domain in domains.items()})
    trial.set_user_attr(VALIDATIONS, {"100": {"bleu": bleu, "chrf": bleu, "loss": 1.0}})
    trial.set_user_attr(REASON, None)
    study.tell(trial, bleu)


def test_at_the_end_the_files_are_those_of_the_commands(
    study: optuna.Study, tmp_path: Path
) -> None:
    kept: list[Path] = []
    files = SummaryFiles(study, tmp_path, tmp_path / "summary", kept.append)
    for bleu in (3.0, 9.0, 5.0):
        add_trial(study, bleu)
    files.close()
    by_name = {path.name: path.read_text(encoding="utf-8") for path in kept}
    assert set(by_name) == {"leaderboard.md", "leaderboard.json", "best.yaml", "report.html"}
    assert json.loads(by_name["leaderboard.json"]) == StudyView.read(study).to_json()
    assert by_name["best.yaml"] == export(study)
    order = [line.split("|")[1].strip() for line in by_name["leaderboard.md"].splitlines()[4:]]
    assert order == ["1", "2", "0"]
    assert "made" in by_name["report.html"]


def test_without_a_complete_trial_there_is_no_best(study: optuna.Study, tmp_path: Path) -> None:
    kept: list[Path] = []
    SummaryFiles(study, tmp_path, tmp_path / "summary", kept.append).close()
    assert {path.name for path in kept} == {"leaderboard.md", "leaderboard.json", "report.html"}


def test_they_are_made_while_trials_end_but_not_for_each(
    study: optuna.Study, tmp_path: Path
) -> None:
    kept: list[Path] = []
    files = SummaryFiles(study, tmp_path, tmp_path / "summary", kept.append)
    for bleu in range(5):
        add_trial(study, float(bleu))
        files.refresh()
    until = time.monotonic() + LONG
    while not any(path.name == "report.html" for path in kept) and time.monotonic() < until:
        time.sleep(0.05)
    assert sum(path.name == "report.html" for path in kept) == 1
    add_trial(study, 50.0)
    files.close()
    assert StudyView.read(study).best == [5]
    assert "| 5 | complete | 50.00 |" in kept[-4].read_text(encoding="utf-8")


def test_a_page_that_cannot_be_made_ends_no_search(
    study: optuna.Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "summary").write_text("in the way")
    kept: list[Path] = []
    SummaryFiles(study, tmp_path, tmp_path / "summary", kept.append).close()
    assert not kept
    assert any("not refreshed" in message for message in caplog.messages)
