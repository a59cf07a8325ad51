"""Worker processes of this machine: their GPUs, threads, imports, and their end."""

import os
import queue
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from automl_tf.search.launchers.local import (
    LocalLauncher,
    cpu_seconds,
    default_workers,
    gpus_of_worker,
    num_threads,
    start_worker,
    visible_gpus,
    worker_variables,
)
from automl_tf.search.pool import WorkerExit


@pytest.mark.parametrize(
    ("devices", "gpus", "expected"),
    [
        (1, ["0"], [["0"], ["0"], ["0"]]),
        (1, ["0", "1"], [["0"], ["1"], ["0"]]),
        (2, ["0", "1", "2", "3"], [["0", "1"], ["2", "3"], ["0", "1"]]),
        (1, ["5", "GPU-8f2"], [["5"], ["GPU-8f2"], ["5"]]),
    ],
)
def test_gpus_are_dealt_out_in_turn(devices, gpus, expected) -> None:
    assert [list(gpus_of_worker(worker, devices, gpus)) for worker in range(3)] == expected


def test_workers_get_the_gpus_that_their_parent_was_given(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    assert visible_gpus() == ["6", "7"]


def test_several_workers_may_share_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert default_workers() == 2
    assert default_workers(workers_per_gpu=4) == 8
    assert default_workers(devices=2) == 1


def test_threads_are_those_that_a_person_set(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert num_threads(devices=1) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert num_threads(devices=1) >= 1


def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People keep their own scripts beside their corpora, under names that libraries have too."""
    for name in ("tokenize", "torch", "datasets", "automl_tf"):
        (tmp_path / f"{name}.py").write_text("open('it-ran', 'w').close()")
    monkeypatch.chdir(tmp_path)
    process = start_worker(
        ["--help"], {**os.environ, **worker_variables(1)}, tmp_path / "log" / "worker.log"
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, (tmp_path / "log" / "worker.log").read_text()
    assert "search" in output
    # Neither what a worker itself starts, one process for each device.
    environment = worker_variables(1)
    assert environment["PYTHONSAFEPATH"] == "1"
    assert not (tmp_path / "it-ran").exists()


def test_a_killed_worker_takes_its_children_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial on several devices is a tree of processes."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 60 & echo $!\nwait\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    output: queue.Queue = queue.Queue()
    handle = LocalLauncher([], {}, tmp_path, 1).start(0, output)
    child = psutil.Process(int(output.get(timeout=60)[1]))
    assert handle.cpu_seconds() >= 0
    handle.kill()
    worker, left = output.get(timeout=60)
    assert (worker, left) == (0, WorkerExit(-9, f"see {tmp_path / 'worker-0.log'}"))
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    handle.kill()


def test_cpu_time_tells_who_works() -> None:
    before, began = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() < began + 0.2:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.1
    assert cpu_seconds(2**22 + 1) == 0
