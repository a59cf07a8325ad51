"""A search that is interrupted or killed ends as if nothing had happened."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from automl_tf.tracking.home import default_tracking_uri
from tests.cli.studies import board, run, write_study


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
    study = write_study(folder, reversal, budget={"trials": 2})
    words = ("--set", "training.max_steps=300", "--workers", "1")
    run("search", str(study), *words, home=folder / "home")
    return {"study": study, "curves": curves(folder / "home")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "disturbance", ["interrupt", "terminate worker", "kill worker", "kill all"]
)
def test_disturbed_search_ends_like_an_undisturbed_one(
    undisturbed: dict[str, Any], tmp_path: Path, disturbance: str
) -> None:
    words = ("--set", "training.max_steps=300")
    process = start_search(undisturbed["study"], tmp_path, *words)
    read_until(process, "trial 0 step 60:")
    if disturbance == "interrupt":
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 130
        assert "Interrupted; everything is saved" in rest
        assert [trial["state"] for trial in curves(tmp_path)] == ["waiting"]
    elif disturbance == "terminate worker":
        subprocess.run(["pkill", "-TERM", "-P", str(process.pid)], check=True)
        process.communicate(timeout=120)
        assert [trial["state"] for trial in curves(tmp_path)] == ["waiting"]
    else:
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=True)
        if disturbance == "kill all":
            process.kill()
            process.wait(timeout=60)
            time.sleep(1)
        else:
            process.communicate(timeout=120)
            assert process.returncode == 0
    output = run("search", str(undisturbed["study"]), *words, "--workers", "1", home=tmp_path)
    if disturbance != "kill worker":
        assert "trial 0 goes on" in output
    assert curves(tmp_path) == undisturbed["curves"]
    client = mlflow.MlflowClient(default_tracking_uri(tmp_path))
    for trial in board(tmp_path)["trials"]:
        history = client.get_metric_history(trial["mlflow_run_id"], "val_bleu")
        assert {str(point.step): point.value for point in history} == trial["intermediate"]
        assert client.get_run(trial["mlflow_run_id"]).info.status == "FINISHED"


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
    words = ("--set", "training.max_steps=300")
    process = start_search(undisturbed["study"], small_disk, *words)
    read_until(process, "trial 0 step 60:")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))
    rest = process.stdout.read()
    assert process.wait(timeout=60) == 2
    assert "A disk is full" in rest
    assert "Make room" in rest
    assert "Traceback" not in rest
    filler.unlink()
    run("search", str(undisturbed["study"]), *words, "--workers", "1", home=small_disk)
    assert curves(small_disk) == undisturbed["curves"]


@pytest.mark.slow
def test_the_number_of_workers_changes_no_result(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for workers in ("1", "3"):
        words = ("--set", "training.max_steps=60", "--workers", workers)
        done = start_search(undisturbed["study"], tmp_path / workers, *words)
        done.communicate(timeout=300)
    assert curves(tmp_path / "1") == curves(tmp_path / "3")
