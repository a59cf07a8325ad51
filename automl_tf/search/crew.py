"""The worker processes of a search on one machine: started, listened to, started again."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from automl_tf.search.events import Event, Notice, TrialEnded, decode

MOST_DEATHS = 3
"""Workers that may die without a trial of their own ended before the search gives up."""
PATIENCE_SECONDS = 60
"""Time that workers have to save their trials after they were asked to leave."""


class Crew:
    """Worker processes whose lines are read as they come.

    Args:
        command: What starts a worker that prints its events.
        variables: What it finds in its environment beside what this process has.
        logs: Directory of what workers say beside their events.
        size: Number of workers.
        devices: GPUs that each trial takes.
    """

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        logs: Path,
        size: int,
        devices: int,
    ) -> None:
        self._command = list(command)
        self._variables = variables
        self._logs = logs
        self._size = size
        self._devices = devices
        self._lines: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._deaths = 0

    def events(self, asked: threading.Event) -> Iterator[tuple[int, Event]]:
        """What the workers tell, until the last one has left."""
        for worker in range(self._size):
            self._start(worker)
        asked_at: float | None = None
        while self._processes:
            if asked.is_set() and asked_at is None:
                asked_at = time.monotonic()
                self._signal(signal.SIGINT)
            if asked_at is not None and time.monotonic() - asked_at > PATIENCE_SECONDS:
                self._signal(signal.SIGKILL)
            try:
                worker, line = self._lines.get(timeout=0.5)
            except queue.Empty:
                continue
            if line is None:
                yield from self._left(worker, asked)
                continue
            event = decode(line)
            if event is not None:
                self._deaths = 0 if isinstance(event, TrialEnded) else self._deaths
                yield worker, event

    def _left(self, worker: int, asked: threading.Event) -> Iterator[tuple[int, Event]]:
        """Starts a worker again that died, unless death is all that workers do here."""
        process = self._processes.pop(worker)
        status = process.wait()
        if status == 0 or asked.is_set():
            return
        self._deaths += 1
        log = self._log(worker)
        yield worker, Notice(f"worker {worker} died with status {status}; see {log}")
        if self._deaths < MOST_DEATHS:
            self._start(worker)

    def _start(self, worker: int) -> None:
        threads = max(1, (os.cpu_count() or 1) // self._size)
        environment = {
            **os.environ,
            **self._variables,
            "OMP_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }
        if torch.cuda.is_available():
            gpus = gpus_of_worker(worker, self._devices, visible_gpus())
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        with self._log(worker).open("a") as log:
            process = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment,
                text=True,
                # Ctrl-C in the terminal is for the parent, which passes it on once.
                start_new_session=True,
            )
        self._processes[worker] = process
        threading.Thread(target=self._read, args=(worker, process), daemon=True).start()

    def _read(self, worker: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put((worker, line))
        self._lines.put((worker, None))

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.send_signal(number)

    def _log(self, worker: int) -> Path:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self._logs / f"worker-{worker}.log"


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
