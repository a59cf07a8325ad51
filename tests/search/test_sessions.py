"""The sessions of a trial, and their place in a report."""

from datetime import datetime, timedelta
from pathlib import Path

import optuna
import pytest

from automl_tf.search import sessions as recorded
from automl_tf.search.report.material import Material
from automl_tf.search.report.timeline import timeline
from automl_tf.search.schema import SECONDS
from automl_tf.search.sessions import begin_session, end_session, sessions
from tests.search.making import bench, claim, definition, finish

WORKERS = ("laptop:41:7", "server:42:8")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seconds on a clock that tests move."""
    seconds = [0]
    start = datetime.fromisoformat("2026-01-02T03:00:00+00:00")

    def now() -> str:
        return (start + timedelta(seconds=seconds[0])).isoformat()

    monkeypatch.setattr(recorded, "_now", now)
    return seconds


def trained(folder: Path, clock: list[int]) -> tuple[optuna.Study, optuna.Trial]:
    """A study whose trial was paused, lost with its worker, and finished."""
    worker = bench(folder, definition(sampler={"kind": "random"}, budget={"trials": 1}))
    trial = claim(worker)
    for number, ending in enumerate(("paused at step 400", "", None)):
        begin_session(trial, WORKERS[number % 2], 400 * min(number, 1))
        clock[0] += 60
        if ending != "":
            end_session(trial, 400 * (number or 1), ending)
        clock[0] += 5
    trial.set_user_attr(SECONDS, 170.0)
    finish(worker, trial, bleu=20.0, steps=(400, 800))
    return worker.study, trial


def test_each_time_a_worker_trained_a_trial_is_kept(tmp_path: Path, clock: list[int]) -> None:
    study, _ = trained(tmp_path, clock)
    found = sessions(study.trials[0])
    assert [one.worker for one in found] == [WORKERS[0], WORKERS[1], WORKERS[0]]
    assert [one.seconds for one in found] == [60.0, None, 60.0]
    assert [one.to_step for one in found] == [400, None, 800]
    assert found[0].reason == "paused at step 400"


def test_a_session_that_never_began_cannot_end(tmp_path: Path, clock: list[int]) -> None:
    worker = bench(tmp_path, definition(sampler={"kind": "random"}, budget={"trials": 1}))
    trial = claim(worker)
    end_session(trial, 0, "not trained")
    assert sessions(trial) == []


def test_the_report_draws_all_of_them(tmp_path: Path, clock: list[int]) -> None:
    study, _ = trained(tmp_path, clock)
    (figure,) = timeline(Material.read(study)).figures
    (bars,) = figure.plot["data"]
    assert bars["y"] == [0, 0, 0]
    # That of the lost worker takes what is left of the training.
    assert bars["x"] == [60_000, 50_000, 60_000]
    began = [datetime.fromisoformat(start) for start in bars["base"]]
    assert [start - began[0] for start in began] == [timedelta(seconds=s) for s in (0, 65, 130)]
    assert "on laptop, process 41" in bars["text"][0]
    assert "paused at step 400" in bars["text"][0]
    assert "step 400 to 800" in bars["text"][2]
