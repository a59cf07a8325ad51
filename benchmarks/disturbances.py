"""Worker processes that are killed, stopped, asked to leave and replaced, for chaos.py."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

WORKER_SECONDS = 300
SEARCH_EVERY = 4
"""One in so many processes is a search with a worker of its own, beginning with the first."""
CONTAINED_EVERY = 4
"""One in so many is in a namespace of its own, as in a container: no other sees its process."""
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
_ENDINGS = {
    0: "left at the end",
    130: "saved and left",
    -signal.SIGKILL: "died of it",
    -signal.SIGTERM: "had not begun to work",
}


def _containing() -> tuple[str, ...]:
    tried = subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True)
    return () if tried.returncode else NAMESPACE


@dataclass
class DisturbedWorkers:
    """Worker processes on one study, replaced when they end.

    Attributes:
        study: The study file.
        places: Environment variables that say where things are kept.
        freeze_seconds: Time for which a worker is stopped, in seconds.
        tally: Number of times that each thing happened.
        workers: Processes that run; some are a search, whose worker is its child.
        frozen: When each stopped process is continued, on the monotonic clock.
        containing: Command that starts another in a namespace, if that is allowed here.
    """

    study: Path
    places: dict[str, str]
    freeze_seconds: float = 60.0
    tally: Counter[str] = field(default_factory=Counter)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    frozen: dict[int, float] = field(default_factory=dict)
    containing: tuple[str, ...] = field(default_factory=_containing)

    def start(self) -> None:
        """Starts a worker, by itself or by a search."""
        number = self.tally["workers started"]
        self.tally["workers started"] += 1
        if number % SEARCH_EVERY == 0:
            self.tally["of these by a search"] += 1
            self._run(["search", str(self.study), "--workers", "1"])
        elif number % CONTAINED_EVERY == 1 and self.containing:
            self.tally["of these in a namespace"] += 1
            self._run(["worker", str(self.study)], self.containing)
        else:
            self._run(["worker", str(self.study)])

    def finish(self, trials: int, workers: int) -> None:
        """Runs a search until the study has so many trials, and all of them have ended."""
        arguments = ["--workers", str(workers), "--set", f"budget.trials={trials}"]
        self._run(["search", str(self.study), *arguments])
        for worker in self.workers:
            worker.wait()
        self.reap()

    def _run(self, command: list[str], containing: tuple[str, ...] = ()) -> None:
        home = Path(self.places["AUTOML_TF_HOME"])
        home.mkdir(exist_ok=True)
        with (home / "workers.log").open("ab") as log:
            worker = subprocess.Popen(
                [*containing, sys.executable, "-m", "automl_tf", *command],
                env={**os.environ, **self.places, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)

    def disturb(self, rng: random.Random) -> None:
        """Asks a worker to leave, stops it for a while, or kills it; a search without its worker.

        Args:
            rng: Chooses the worker and the disturbance.
        """
        worker = rng.choice(self.workers)
        match rng.randrange(4):
            case 0:
                _signal(worker, signal.SIGTERM)
                self.tally["workers asked to leave"] += 1
            case 1 if worker.pid not in self.frozen:
                _signal(worker, signal.SIGSTOP)
                self.frozen[worker.pid] = time.monotonic() + self.freeze_seconds
                self.tally["workers stopped for a while"] += 1
            case _:
                worker.kill()
                self.tally["workers killed"] += 1

    def replace(self, size: int) -> None:
        """Starts workers for those that have ended, and continues those that were stopped."""
        self.thaw()
        self.reap()
        while len(self.workers) < size:
            self.start()

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Continues processes that were stopped for long enough, or all."""
        for pid, until in list(self.frozen.items()):
            if all_of_them or time.monotonic() >= until:
                del self.frozen[pid]
                for worker in self.workers:
                    if worker.pid == pid:
                        _signal(worker, signal.SIGCONT)

    def reap(self) -> None:
        """Notes how workers ended."""
        for worker in [worker for worker in self.workers if worker.poll() is not None]:
            self.workers.remove(worker)
            self.frozen.pop(worker.pid, None)
            code = worker.returncode
            self.tally[f"workers that {_ENDINGS.get(code, f'failed with status {code}')}"] += 1

    def leave(self) -> None:
        """Asks all to save their trials and leave."""
        self.thaw(all_of_them=True)
        for worker in self.workers:
            _signal(worker, signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        """Waits until all have left."""
        for worker in self.workers:
            worker.wait(WORKER_SECONDS)
        self.reap()

    def kill(self) -> None:
        """Leaves no process behind, whatever went wrong."""
        for worker in self.workers:
            worker.kill()
            worker.wait()


def _signal(worker: subprocess.Popen[bytes], sent: signal.Signals) -> None:
    """Sends a signal to a worker: in a namespace, to the process that was begun there."""
    with contextlib.suppress(psutil.NoSuchProcess, IndexError):
        process = psutil.Process(worker.pid)
        if process.name() == NAMESPACE[0]:
            process = process.children()[0]
        process.send_signal(sent)
