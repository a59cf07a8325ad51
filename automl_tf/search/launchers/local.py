"""Worker processes on this machine."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from automl_tf.search.pool import Lines, WorkerExit, WorkerHandle

MOST_BY_DEFAULT = 8


@dataclass(frozen=True)
class LocalLauncher:
    """Starts workers as processes of this machine.

    Attributes:
        words: Words of the command line after the program's name.
        variables: What workers find in their environment beside what this process has.
        logs: Directory of what they say beside their events.
        devices: GPUs or cores that each trial takes.
    """

    words: Sequence[str]
    variables: Mapping[str, str]
    logs: Path
    devices: int

    def start(self, worker: int, lines: Lines) -> WorkerHandle:
        """Starts a worker."""
        environment = {**os.environ, **self.variables, **worker_variables(threads(self.devices))}
        if torch.cuda.is_available():
            gpus = gpus_of_worker(worker, self.devices, visible_gpus())
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        log = worker_log(self.logs, worker)
        process = start_worker(self.words, environment, log)
        threading.Thread(
            target=_read, args=(worker, process, lines, f"see {log}"), daemon=True
        ).start()
        return _Process(process)


@dataclass(frozen=True)
class _Process:
    """A worker process that signals reach."""

    process: subprocess.Popen[str]

    def ask_to_leave(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self.process.kill()


def start_worker(
    words: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[str]:
    """A process of this program that prints its events.

    Args:
        words: Words of the command line after the program's name.
        environment: All that it finds there.
        log: Where its standard error goes, behind what stands there.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "automl_tf", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env=environment,
            text=True,
            # Ctrl-C in the terminal is for the parent, which passes it on once.
            start_new_session=True,
        )


def worker_log(logs: Path, worker: int) -> Path:
    """The file of what a worker says beside its events."""
    return logs / f"worker-{worker}.log"


def worker_variables(num_threads: int) -> dict[str, str]:
    """What every worker's environment holds, wherever it runs."""
    return {
        "OMP_NUM_THREADS": str(num_threads),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


def default_workers(devices: int = 1, workers_per_gpu: int = 1) -> int:
    """One worker a GPU, or one a core: two threads of one trial gain less than two trials.

    Args:
        devices: GPUs or cores that each trial takes.
        workers_per_gpu: Workers that share a GPU.
    """
    if torch.cuda.is_available():
        return max(1, torch.cuda.device_count() * workers_per_gpu // devices)
    return max(1, min(MOST_BY_DEFAULT, _cores() // devices))


def threads(devices: int) -> int:
    """Threads of each worker: what a person set, or its share if there are as many as usual.

    The number of workers that a person asks for does not count: sums are cut by the number of
    threads, and the result of a trial shall not depend on how many others run beside it.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() else max(1, _cores() // default_workers(devices))


def visible_gpus() -> Sequence[str]:
    """Names of the GPUs that this process sees, as CUDA_VISIBLE_DEVICES spells them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = torch.cuda.device_count()
    return named.split(",")[:count] if named else [str(gpu) for gpu in range(count)]


def gpus_of_worker(worker: int, devices: int, gpus: Sequence[str]) -> Sequence[str]:
    """The GPUs of one of several workers, dealt out in turn: more workers than GPUs share them.

    Args:
        worker: Its number, counted from 0.
        devices: GPUs that each trial takes.
        gpus: Those there are.
    """
    first = worker * devices
    return [gpus[gpu % len(gpus)] for gpu in range(first, first + devices)]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _read(worker: int, process: subprocess.Popen[str], lines: Lines, account: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put((worker, line))
    lines.put((worker, WorkerExit(process.wait(), account)))
