"""Sharing GPUs out among workers."""

import pytest
import torch

from automl_tf.search.launchers.local import default_workers, gpus_of_worker, threads, visible_gpus


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
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    assert visible_gpus() == ["6", "7"]


def test_several_workers_may_share_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert default_workers() == 2
    assert default_workers(workers_per_gpu=4) == 8
    assert default_workers(devices=2) == 1


def test_threads_are_those_that_a_person_set(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads(devices=1) == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads(devices=1) >= 1
