"""Worker processes on this machine."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from automl_tf.cores import num_cores
from automl_tf.search.pool import WorkerExit, WorkerHandle, WorkerOutput

MAX_DEFAULT_WORKERS = 8


@dataclass(frozen=True)
class LocalLauncher:
    """Starts workers as processes of this machine.

    Attributes:
        arguments: Arguments of the command line after the program's name.
        variables: Environment variables of workers beside those of this process.
        logs: Directory of their standard error.
        devices: GPUs or cores that each trial takes.
    """

    arguments: Sequence[str]
    variables: Mapping[str, str]
    logs: Path
    devices: int

    def start(self, worker: int, output: WorkerOutput) -> WorkerHandle:
        """Starts a worker."""
        environment = {
            **os.environ,
            **self.variables,
            **worker_variables(num_threads(self.devices)),
        }
        if gpus := visible_gpus():
            chosen = gpus_of_worker(worker, self.devices, gpus)
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(chosen)
        log = worker_log(self.logs, worker)
        process = start_worker(self.arguments, environment, log)
        threading.Thread(
            target=_read, args=(worker, process, output, f"see {log}"), daemon=True
        ).start()
        return _LocalHandle(process)


@dataclass(frozen=True)
class _LocalHandle:
    """A worker process that signals reach."""

    process: subprocess.Popen[str]

    def ask_to_leave(self) -> None:
        # Not SIGINT, which processes in the background of a shell script ignore at their start.
        self.process.terminate()

    def kill(self) -> None:
        kill_group(self.process)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)


def start_worker(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> subprocess.Popen[str]:
    """Starts a process of this program that prints its events, its errors appended to a log.

    The arguments follow the program's name; the environment is the whole one of the process.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        return subprocess.Popen(  # noqa: S603 - our own command
            # With -P nothing is imported from the current folder, such as a user's tokenize.py.
            [sys.executable, "-P", "-m", "automl_tf", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env=environment,
            text=True,
            errors="replace",
            # Ctrl-C in the terminal is for the search, which asks its workers to leave once.
            start_new_session=True,
        )


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kills a worker together with the processes of its other devices."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process and its children so far, in seconds; 0 if it is gone."""
    try:
        process = psutil.Process(pid)
        times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    except psutil.Error:
        return 0.0
    return float(sum(time.user + time.system for time in times))


def worker_log(logs: Path, worker: int) -> Path:
    """Returns the file of a worker's standard error."""
    return logs / f"worker-{worker}.log"


def worker_variables(num_threads: int) -> dict[str, str]:
    """Returns the environment variables that every worker has, wherever it runs."""
    return {
        "OMP_NUM_THREADS": str(num_threads),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        # For the processes that a worker starts: one for each device of a trial.
        "PYTHONSAFEPATH": "1",
    }


def default_workers(devices: int = 1, workers_per_gpu: int = 1) -> int:
    """Returns one worker a GPU, or one a core: two threads of a trial gain less than two trials.

    Devices are the GPUs or cores that each trial takes; several workers may share a GPU.
    """
    if num_gpus := len(visible_gpus()):
        return max(1, num_gpus * workers_per_gpu // devices)
    return max(1, min(MAX_DEFAULT_WORKERS, num_cores() // devices))


def num_threads(devices: int) -> int:
    """Returns the threads of each worker: the user's number, or the share of a default worker.

    The number of workers that the user asks for does not count. Sums depend on the number of
    threads, and the result of a trial must not depend on how many others run beside it.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() else max(1, num_cores() // default_workers(devices))


def visible_gpus() -> Sequence[str]:
    """Returns the GPUs that this process sees, as CUDA_VISIBLE_DEVICES names them."""
    from automl_tf.device import num_gpus  # noqa: PLC0415 - torch takes seconds

    if not (count := num_gpus()):
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(gpu) for gpu in range(count)]


def gpus_of_worker(worker: int, devices: int, gpus: Sequence[str]) -> Sequence[str]:
    """Returns the GPUs of a worker, counted from 0, which takes so many of this machine's.

    They are dealt out in turn: surplus workers share them.
    """
    first = worker * devices
    return [gpus[gpu % len(gpus)] for gpu in range(first, first + devices)]


def _read(worker: int, process: subprocess.Popen[str], output: WorkerOutput, details: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        output.put((worker, line))
    output.put((worker, WorkerExit(process.wait(), details)))
