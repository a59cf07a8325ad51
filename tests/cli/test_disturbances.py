"""A search that is interrupted or killed ends as if nothing had happened."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest

from automl_tf.home import HomeDirectory
from tests.cli.studies import board, run, write_study

LONGER = ("--set", "training.max_steps=2000", "--set", "training.validate_every=100")
"""So long that a busy machine, which reads late what happens, still finds the trial at work."""
INTERRUPTED = 130


def start_search(study: Path, home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "automl_tf", "search", str(study), "--workers", "1", *words],
        env={**os.environ, "AUTOML_TF_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def curves(home: Path) -> list[dict[str, Any]]:
    names = ("number", "state", "params", "values", "intermediate")
    return [{name: trial[name] for name in names} for trial in board(home)["trials"]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, reversal: dict) -> dict[str, Any]:
    """A study of one trial that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    study = write_study(folder, reversal, budget={"trials": 1})
    run("search", str(study), *LONGER, "--workers", "1", home=folder / "home")
    return {"study": study, "curves": curves(folder / "home")}


def workers_of(search: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(search.pid).children()


def run_state(home: Path) -> tuple[str, str]:
    """Status and reason of the study's own run in MLflow."""
    client = mlflow.MlflowClient(HomeDirectory(home).tracking_uri)
    experiment = client.get_experiment_by_name("tour")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`automl_tf.kind` = 'study'")
    return run.info.status, run.data.tags.get("automl_tf.reason", "")


def validated_search(
    study: Path, home: Path, validated: str = "trial 0 step"
) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A search and its worker, which has just validated."""
    search = start_search(study, home, *LONGER)
    read_until(search, validated)
    (worker,) = workers_of(search)
    return search, worker


def rest_of(search: subprocess.Popen[str], worker: psutil.Process, code: int) -> str:
    """What a search prints until it ends with an exit code and its worker is gone, too."""
    rest = search.stdout.read()
    assert search.wait(timeout=120) == code
    worker.wait(timeout=120)
    return rest


def assert_waits(home: Path) -> None:
    (trial,) = board(home)["trials"]
    assert trial["state"] == "waiting"
    assert trial["reason"].startswith("paused at step")


@pytest.mark.slow
def test_a_search_that_is_disturbed_in_every_way_ends_like_an_undisturbed_one(
    undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    study = undisturbed["study"]
    # The second validation: the checkpoint of the first is on disk.
    search, worker = validated_search(study, tmp_path, "trial 0 step 200:")
    worker.kill()
    read_until(search, "trial 0 resumes")
    read_until(search, "trial 0 step")
    (worker,) = workers_of(search)
    search.send_signal(signal.SIGINT)
    assert "Interrupted. Everything is saved" in rest_of(search, worker, INTERRUPTED)
    assert_waits(tmp_path)
    assert run_state(tmp_path)[0] == "SCHEDULED"

    search, worker = validated_search(study, tmp_path)
    worker.terminate()
    rest_of(search, worker, INTERRUPTED)
    assert_waits(tmp_path)
    assert run_state(tmp_path)[0] == "SCHEDULED"

    search, worker = validated_search(study, tmp_path)
    search.kill()
    rest_of(search, worker, -signal.SIGKILL)
    assert_waits(tmp_path)

    search, worker = validated_search(study, tmp_path)
    worker.kill()
    search.kill()
    rest_of(search, worker, -signal.SIGKILL)

    run("search", str(study), *LONGER, "--workers", "1", home=tmp_path)
    assert run_state(tmp_path) == ("FINISHED", "")
    assert curves(tmp_path) == undisturbed["curves"]
    client = mlflow.MlflowClient(HomeDirectory(tmp_path).tracking_uri)
    for trial in board(tmp_path)["trials"]:
        history = client.get_metric_history(trial["mlflow_run_id"], "val_bleu")
        assert {str(point.step): point.value for point in history} == trial["intermediate"]
        assert client.get_run(trial["mlflow_run_id"]).info.status == "FINISHED"


@pytest.mark.slow
def test_the_third_interrupt_ends_a_worker_that_stands_still_and_its_trial_waits(
    undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    words = (*LONGER, "--json")
    process = start_search(undisturbed["study"], tmp_path, *words)
    for _ in range(2):
        read_until(process, '"TrialValidated"')
        (worker,) = workers_of(process)
        worker.suspend()
        for turn in range(3):
            process.send_signal(signal.SIGINT)
            if turn == 1:
                read_until(process, "once more")
            time.sleep(1)
        last = json.loads(process.stdout.read().splitlines()[-1])
        assert process.wait(timeout=60) == 130
        assert not worker.is_running()
        assert (last["event"], last["outcome"]) == ("SearchEnded", "interrupted")
        assert last["interrupted"]
        # Twice in a row: it does not count as a loss of the trial's worker.
        (trial,) = last["trials"]
        assert trial["state"] == "waiting"
        process = start_search(undisturbed["study"], tmp_path, *words)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert curves(tmp_path) == undisturbed["curves"]


@pytest.mark.slow
def test_a_search_whose_time_is_over_pauses(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    words = ("--set", "training.max_steps=100_000", "--hours", "0.004", "--workers", "1", "--json")
    output = run("search", str(undisturbed["study"]), *words, home=tmp_path)
    last = json.loads(output.splitlines()[-1])
    assert (last["outcome"], last["interrupted"]) == ("time_over", False)
    assert run_state(tmp_path)[0] == "SCHEDULED"


@pytest.mark.slow
def test_a_search_whose_workers_all_die_gives_up(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'worker' in sys.orig_argv: os._exit(7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = run("search", str(undisturbed["study"]), "--workers", "1", home=tmp_path, code=1)
    assert "worker 0 died with status 7" in told
    assert "worker-0.log" in told
    status, reason = run_state(tmp_path)
    assert status == "FAILED"
    assert "worker-0.log" in reason


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_search_and_its_trials_wait(
    undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    process = start_search(undisturbed["study"], tmp_path, "--set", "training.max_steps=100_000")
    read_until(process, "trial 0 step 60:")
    process.stdout.close()
    process.wait(timeout=120)
    (trial,) = board(tmp_path)["trials"]
    assert trial["state"] == "waiting"
    assert run_state(tmp_path)[0] == "SCHEDULED"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("only an administrator may mount a disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_told_once_and_nothing_is_lost(
    undisturbed: dict[str, Any], small_disk: Path
) -> None:
    process = start_search(undisturbed["study"], small_disk, *LONGER)
    read_until(process, "trial 0 step 200:")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))
    rest = process.stdout.read()
    assert process.wait(timeout=60) == 2
    assert "A disk is full" in rest
    assert "died" not in rest
    assert "Make room" in rest
    assert "Traceback" not in rest
    filler.unlink()
    run("search", str(undisturbed["study"]), *LONGER, "--workers", "1", home=small_disk)
    assert curves(small_disk) == undisturbed["curves"]


@pytest.mark.slow
def test_the_number_of_workers_changes_no_result(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for workers in ("1", "3"):
        words = ("--set", "training.max_steps=60", "--trials", "2", "--workers", workers)
        done = start_search(undisturbed["study"], tmp_path / workers, *words)
        done.communicate(timeout=300)
    assert curves(tmp_path / "1") == curves(tmp_path / "3")
