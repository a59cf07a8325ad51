"""Running a study: worker processes on one storage, and what they tell."""

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import RDBStorage

from automl_tf.config.study import Study
from automl_tf.data.corpora import corpus_fingerprint
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.search.events import Event, Notice, TrialEnded, decode
from automl_tf.search.opening import open_study, return_lost_trials
from automl_tf.search.record import Definition
from automl_tf.search.storage import claiming, open_storage
from automl_tf.search.strategy import build_pruner, grid
from automl_tf.search.telling import StudyStory
from automl_tf.search.trial import Bench
from automl_tf.search.worker import work
from automl_tf.training.devices import check_devices
from automl_tf.training.leaving import asked_to_leave
from automl_tf.training.watching import Pause

STORAGE_VARIABLE = "AUTOML_TF_STORAGE"
TRACKING_VARIABLE = "AUTOML_TF_TRACKING"

MOST_DEATHS = 3
"""Workers that may die without a trial of their own ended before the search gives up."""
PATIENCE_SECONDS = 60
"""Time that workers have to save their trials after they were asked to leave."""


@dataclass(frozen=True)
class Places:
    """Where a search keeps things.

    Attributes:
        home: Directory of checkpoints and caches.
        storage: URL of the study database.
        tracking: URI of MLflow.
    """

    home: Path
    storage: str
    tracking: str


@dataclass(frozen=True)
class Opened:
    """A study that is ready to be worked on.

    Attributes:
        storage: Where Optuna keeps it.
        study: The Optuna study.
        definition: What it is.
        corpus: Sizes of the corpus and what was left out of it, in words.
    """

    storage: RDBStorage
    study: optuna.Study
    definition: Definition
    corpus: str


def open_search(study: Study, places: Places) -> Opened:
    """Checks a study and its corpus and creates it in the storage, or finds it there.

    Raises:
        UserError: If the corpus is not usable, the storage is not reachable, the study exists with
            another definition, or its trials ask for more devices than there are.
    """
    check_devices(devices_of_a_trial(study))
    if study.config.sampler.kind == "grid":
        grid(study.space)
    storage = open_storage(places.storage, places.home)
    cache = places.home / "cache"
    # A corpus that cannot be trained on is told here once, and not by every trial.
    data = prepare(study.trial_config(_some_data_settings(study), study.config.seed), cache)
    definition = Definition(
        study.config, study.space, corpus_fingerprint(study.config.corpus, cache)
    )
    opened = open_study(storage, definition)
    opened.pruner = build_pruner(
        study.config.pruner,
        first_validation=min(study.values("training.validate_every")),
        max_steps=max(study.values("training.max_steps")),
    )
    return Opened(storage, opened, definition, corpus_words(data))


def join(
    opened: Opened,
    places: Places,
    tell: Callable[[Event], None],
    deadline: float | None = None,
    *,
    leaves_with_parent: bool = False,
) -> bool:
    """Works on a study in this process.

    Args:
        opened: The study.
        places: Where it keeps things.
        tell: Where events go.
        deadline: Time, in seconds since the epoch, at which the worker leaves.
        leaves_with_parent: Whether it leaves when the process that started it is gone.

    Returns:
        Whether a signal made it leave.
    """
    with asked_to_leave() as asked, _story(opened, places) as story:

        def tell_on(event: Event) -> None:
            tell(event)
            # A worker that a search started leaves the study's own run to it.
            if isinstance(event, TrialEnded) and not leaves_with_parent:
                story.refresh()

        bench = Bench(
            storage=opened.storage,
            study=opened.study,
            definition=opened.definition,
            home=places.home,
            tracking=story.run,
            tell=tell_on,
            should_pause=_pause(asked, deadline, os.getppid() if leaves_with_parent else None),
        )
        work(bench)
        return asked.is_set()


def search(
    opened: Opened,
    places: Places,
    worker_command: Sequence[str],
    num_workers: int,
    on_event: Callable[[int, Event], None],
) -> bool:
    """Runs a study with worker processes until its budget is spent.

    Args:
        opened: The study.
        places: Where it keeps things.
        worker_command: What starts a worker that prints its events.
        num_workers: Processes.
        on_event: Told of each event with the number of its worker.

    Returns:
        Whether Ctrl-C ended it. Everything is saved either way.
    """
    with claiming(opened.storage, opened.study.study_name):
        for number in return_lost_trials(opened.storage, opened.study):
            on_event(0, Notice(f"trial {number} goes on: its worker was gone"))
    with asked_to_leave() as asked, _story(opened, places) as story:
        devices = devices_of_a_trial(opened.definition.study)
        crew = _Crew(worker_command, places, num_workers, devices)
        for worker, event in crew.events(asked):
            on_event(worker, event)
            if isinstance(event, TrialEnded):
                story.refresh()
        story.finish(interrupted=asked.is_set())
        return asked.is_set()


def default_workers(devices: int = 1) -> int:
    """One worker a GPU, or one a core: two threads of one trial gain less than two trials.

    Args:
        devices: GPUs or cores that each trial takes.
    """
    if torch.cuda.is_available():
        return max(1, torch.cuda.device_count() // devices)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return max(1, min(8, cores // devices))


def devices_of_a_trial(study: Study) -> int:
    """The most devices that a trial of a study takes."""
    return int(max(study.values("trainer.devices")))


def _story(opened: Opened, places: Places) -> AbstractContextManager[StudyStory]:
    return StudyStory.open(opened.study, opened.definition, places.home, places.tracking)


def corpus_words(data: PreparedData) -> str:
    """Sizes of a corpus and what was left out of it, in words."""
    return f"{data.report}, {len(data.validation):,} validation pairs"


def _some_data_settings(study: Study) -> dict[str, Any]:
    """The largest value of each data setting that is searched."""
    domains = study.space.domains.items()
    return {name: domain.ends()[-1] for name, domain in domains if name.startswith("data.")}


class _Crew:
    """Worker processes whose lines are read as they come."""

    def __init__(self, command: Sequence[str], places: Places, size: int, devices: int) -> None:
        self._command = list(command)
        self._places = places
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
            STORAGE_VARIABLE: self._places.storage,
            TRACKING_VARIABLE: self._places.tracking,
            "OMP_NUM_THREADS": str(threads),
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
        }
        if torch.cuda.is_available():
            gpus = range(worker * self._devices, (worker + 1) * self._devices)
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(
                str(gpu % torch.cuda.device_count()) for gpu in gpus
            )
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
        directory = self._places.home / "logs"
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"worker-{worker}.log"


def _pause(asked: threading.Event, deadline: float | None, parent: int | None) -> Pause:
    def should_pause() -> bool:
        is_late = deadline is not None and time.time() >= deadline
        is_orphan = parent is not None and os.getppid() != parent
        return asked.is_set() or is_late or is_orphan

    return should_pause
