"""Ownership of trials: which worker trains a trial, and how others find out that it is gone.

A worker that claims a trial writes a fresh token beside its own identity, and proves the token at
each validation. On one machine the process itself tells whether a worker is alive. Of other
machines its heartbeats tell: they are overdue by the clock of the database, and this process has
watched them stand still, so that a step of a clock declares nobody dead.
"""

import contextlib
import dataclasses
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import optuna
import psutil
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from automl_tf.search.optuna_compat import heartbeats, overdue_trials, trial_id_of
from automl_tf.search.schema import (
    ATTEMPT,
    FAILURE,
    LOSSES,
    OWNER,
    PROGRESS,
    REASON,
    WORKER,
    FailureKind,
    validations,
)

MAX_LOSSES = 3
"""Workers that a trial may lose in a row without a validation between, before it fails."""
WATCHED_HEARTBEATS = 2.5
"""Heartbeats that are watched to fail to come before a worker counts as gone."""
PROGRESS_SECONDS = 2.0
"""Shortest time between two notes of a trial's progress in the storage."""


@dataclass(frozen=True)
class Process:
    """A process, told apart from all others on all machines.

    Attributes:
        host: Name of the machine, for people: containers may share it.
        boot_id: Identifier of the run of the machine's kernel.
        pid_namespace: Identifier of the set of processes in which ``pid`` is counted.
        pid: Process identifier.
        started: Start of the process since the boot, in clock ticks.
    """

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: int

    @property
    def name(self) -> str:
        """The process as people and logs name it."""
        return f"{self.host}:{self.pid}:{self.started}"

    def is_gone(self) -> bool | None:
        """Returns whether the process has ended; None if it runs, or ran, out of sight."""
        here = this_process()
        if (self.boot_id, self.pid_namespace) != (here.boot_id, here.pid_namespace):
            return None
        return _started(self.pid) != self.started


def this_process() -> Process:
    """Returns the identity of this process."""
    pid = os.getpid()
    started = _started(pid)
    assert started is not None, "this process runs"
    return Process(socket.gethostname(), _boot_id(), _pid_namespace(), pid, started)


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{uuid.getnode():x}"


def _pid_namespace() -> str:
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _started(pid: int) -> int | None:
    """Start of a living process since the boot; None if there is none, or only its remains."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            # The second field, the name, may hold blanks and brackets.
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else int(fields[19])
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return int(process.create_time() - psutil.boot_time())
    except psutil.NoSuchProcess:
        return None


@dataclass(frozen=True)
class Ownership:
    """The right of this process to train one trial, from its claim until another takes it.

    Attributes:
        storage: The storage.
        trial_id: Identifier of the trial in the storage.
        token: What the claim wrote.
    """

    storage: RDBStorage
    trial_id: int
    token: str

    @classmethod
    def take(cls, storage: RDBStorage, trial_id: int) -> "Ownership":
        """Makes this process the owner of a running trial. The lock of the study is held."""
        token = uuid.uuid4().hex
        owner = {"token": token, "reached": _reached(storage.get_trial(trial_id))}
        owner |= dataclasses.asdict(this_process())
        storage.set_trial_user_attr(trial_id, OWNER, owner)
        storage.set_trial_user_attr(trial_id, WORKER, this_process().name)
        storage.record_heartbeat(trial_id)
        return cls(storage, trial_id, token)

    def holds(self) -> bool:
        """Returns False once another worker has the trial, or it runs no more."""
        trial = self.storage.get_trial(self.trial_id)
        owner = trial.user_attrs.get(OWNER, {})
        return trial.state == TrialState.RUNNING and owner.get("token") == self.token


class Heartbeat:
    """Heartbeats and progress of a trial, written to the storage by a thread of its own.

    A storage that is away delays them and never stops the training.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._progress: dict[str, Any] | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join(PROGRESS_SECONDS)

    def note_progress(self, progress: dict[str, Any]) -> None:
        """Has the progress of the training written at the next occasion."""
        self._progress = progress

    def _beat(self) -> None:
        storage, trial_id = self._ownership.storage, self._ownership.trial_id
        interval = storage.heartbeat_interval or PROGRESS_SECONDS
        next_beat = time.monotonic() + interval
        while not self._done.wait(min(PROGRESS_SECONDS, interval / 2)):
            progress, self._progress = self._progress, None
            # What a database that is away refuses is old news when it is back.
            with contextlib.suppress(Exception):
                if progress is not None:
                    storage.set_trial_user_attr(trial_id, PROGRESS, progress)
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + interval
                    storage.record_heartbeat(trial_id)


def owner_of(trial: FrozenTrial) -> Process | None:
    """Returns the process that has a trial, or had it last."""
    owner = trial.user_attrs.get(OWNER)
    if owner is None:
        return None
    fields = {field.name for field in dataclasses.fields(Process)}
    return Process(**{name: value for name, value in owner.items() if name in fields})


def lost_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Returns the running trials whose worker is gone, as far as one look can tell."""
    overdue = overdue_trials(study)
    return [
        trial
        for trial, is_gone in _running(study)
        if is_gone or (is_gone is None and trial_id_of(trial) in overdue)
    ]


def _running(study: optuna.Study) -> Iterator[tuple[FrozenTrial, bool | None]]:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = owner_of(trial)
        yield trial, None if owner is None else owner.is_gone()


class LivenessMonitor:
    """Watches the heartbeats of workers on other machines over the time of this process.

    Args:
        storage: The storage.
        study: The study.
    """

    def __init__(self, storage: RDBStorage, study: optuna.Study) -> None:
        self._storage = storage
        self._study = study
        self._since: dict[tuple[int, object], float] = {}

    def lost(self) -> list[FrozenTrial]:
        """Returns the running trials whose worker is certainly gone."""
        out_of_sight = []
        found = []
        for trial, is_gone in _running(self._study):
            if is_gone:
                found.append(trial)
            elif is_gone is None:
                out_of_sight.append(trial)
        return [*found, *self._silent(out_of_sight)]

    def suspects(self) -> bool:
        """Returns whether heartbeats are watched that may turn out to have stopped."""
        return bool(self._since)

    def _silent(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        if not trials:
            self._since = {}
            return []
        overdue, now = overdue_trials(self._study), time.monotonic()
        beats = heartbeats(self._storage, self._study)
        watched = {
            (trial_id_of(trial), beats.get(trial_id_of(trial))): trial
            for trial in trials
            if trial_id_of(trial) in overdue
        }
        self._since = {key: self._since.get(key, now) for key in watched}
        enough = WATCHED_HEARTBEATS * (self._storage.heartbeat_interval or 0)
        return [trial for key, trial in watched.items() if now - self._since[key] >= enough]


def requeue_lost_trials(monitor: LivenessMonitor, storage: RDBStorage) -> list[int]:
    """Puts trials whose worker is gone back into the queue, to resume from their checkpoint.

    A trial that loses one worker after the other without a validation between fails. The lock of
    the study is held.

    Args:
        monitor: The monitor of the study's workers.
        storage: The storage.

    Returns:
        Numbers of the trials that were requeued or failed.
    """
    lost = monitor.lost()
    for trial in lost:
        _requeue(storage, trial)
    return [trial.number for trial in lost]


def count_loss(storage: RDBStorage, trial_id: int) -> int:
    """Counts the loss of a trial's worker. Returns the losses since its last validation."""
    trial = storage.get_trial(trial_id)
    reached, before = _reached(trial), trial.user_attrs.get(LOSSES, {})
    count = 1 + (before["count"] if before.get("reached") == reached else 0)
    storage.set_trial_user_attr(trial_id, LOSSES, {"count": count, "reached": reached})
    return int(count)


def _requeue(storage: RDBStorage, trial: FrozenTrial) -> None:
    trial_id = trial_id_of(trial)
    count = count_loss(storage, trial_id)
    if count >= MAX_LOSSES:
        reason = f"its worker died {count} times without a validation between"
        storage.set_trial_user_attr(trial_id, REASON, reason)
        storage.set_trial_user_attr(trial_id, FAILURE, FailureKind.WORKER_LOST)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    else:
        storage.set_trial_user_attr(trial_id, REASON, "its worker died; it will resume")
        requeue(storage, trial_id)


def _reached(trial: FrozenTrial) -> list[int]:
    """The attempt at a trial and the step of its last validation."""
    return [trial.user_attrs.get(ATTEMPT, 0), max(validations(trial), default=0)]


def resumed_from(trial: FrozenTrial) -> int:
    """Returns the step of the last validation before the present claim of a trial."""
    attempt, step = trial.user_attrs.get(OWNER, {}).get("reached", (0, 0))
    return step if attempt == trial.user_attrs.get(ATTEMPT) else 0


def requeue(storage: RDBStorage, trial_id: int) -> None:
    """Puts a running trial back into the queue."""
    storage.set_trial_state_values(trial_id, TrialState.WAITING)
