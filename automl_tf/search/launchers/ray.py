"""Worker processes on the nodes of a Ray cluster: the only home of Ray.

Ray finds each worker a node with room and tells when the node is lost. What was asked and told
stays in the study's storage: a worker on a cluster is one like any other.
"""

import contextlib
import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from automl_tf.errors import Place, UserError, first_line
from automl_tf.search.events import Notice, encode
from automl_tf.search.launchers.local import start_worker, worker_log, worker_variables
from automl_tf.search.pool import Lines, WorkerExit, WorkerHandle

SECRETS = (
    "PGPASSWORD",
    "PGPASSFILE",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "HF_TOKEN",
)
"""Variables that workers need as this process has them."""
SECONDS_UNTIL_NOTICE = 20.0
"""Wait for a node with room until the person is told of it."""
SECONDS_UNTIL_REFUSAL = 60.0
"""A cluster's nodes may still be starting when a search begins."""
CONNECTION_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 0.5
"""Of a call that asks for what a worker has printed, and between two looks for a node."""
_OPTION = Place(key="--on")


@dataclass(frozen=True)
class Share:
    """What each worker is given of a node.

    Attributes:
        cores: Processor cores.
        gpus: GPUs, or a part of one.
    """

    cores: int
    gpus: float


@dataclass(frozen=True)
class RayLauncher:
    """Starts workers on the nodes of a cluster that is connected.

    Attributes:
        words: Words of the command line after the program's name.
        variables: What workers find in their environment beside what their node has.
        logs: Directory, on a file system that all nodes share, of what they say beside events.
        share: What each is given.
    """

    words: Sequence[str]
    variables: Mapping[str, str]
    logs: Path
    share: Share

    def start(self, worker: int, lines: Lines) -> WorkerHandle:
        """Asks for a worker; it starts once a node has room."""
        here = {name: os.environ[name] for name in SECRETS if name in os.environ}
        # As arguments of a call: Ray shows a runtime environment's variables on its dashboard.
        variables = {**here, **self.variables, **worker_variables(self.share.cores)}
        remote: Any = ray.remote(_Worker)
        placed = remote.options(
            num_cpus=self.share.cores, num_gpus=self.share.gpus, max_restarts=0, max_concurrency=4
        )
        actor = placed.remote(list(self.words), variables, worker_log(self.logs, worker))
        threading.Thread(target=_listen, args=(worker, actor, lines), daemon=True).start()
        return _Remote(actor)


def connect(address: str, storage: str) -> None:
    """Joins a cluster.

    Args:
        address: ``ray`` for the cluster that this machine belongs to (or RAY_ADDRESS names), a new
            one of this machine alone where there is none; else ``ray://HOST:PORT``, the address
            that its head was started with. This machine has to be one of its nodes.
        storage: URL of the study database.

    Raises:
        UserError: If it cannot be reached, or if its nodes cannot share the database.
    """
    where = _answering(address)
    try:
        ray.init(
            address=where,
            include_dashboard=None if where else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, error) from error
    hosts = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if len(hosts) > 1 and storage.startswith("sqlite"):
        raise UserError(
            f"The cluster has {len(hosts)} machines, and the study's database is an SQLite file.",
            "Name a PostgreSQL with --storage: SQLite's locks do not hold between machines.",
            _OPTION,
        )


def _answering(address: str) -> str | None:
    """The address as Ray wants it, once something listens there: Ray itself waits for long."""
    if address == "ray":
        return None
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"{address} is no address.", "Give ray or ray://HOST:PORT.", _OPTION)
    try:
        socket.create_connection((host, int(port)), timeout=CONNECTION_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error) from error
    return f"{host}:{port}"


def _no_cluster(address: str, error: Exception) -> UserError:
    return UserError(
        f"No Ray cluster answers at {address}: {first_line(error)}.",
        "Start one with `ray start --head`, join it with `ray start --address=HOST:6379`, and say "
        "--on ray on one of its nodes.",
        _OPTION,
    )


def has_gpus() -> bool:
    """Whether any node of the cluster has a GPU."""
    return bool(ray.cluster_resources().get("GPU"))


def room_for(share: Share, say: Callable[[str], None]) -> int:
    """How many workers the cluster has room for, its other work left aside.

    Args:
        share: What each worker is given.
        say: Told once that a node has to join first.

    Raises:
        UserError: If no node has room for one, nor any that joins within a minute.
    """
    room = _room(share)
    if not room:
        say("No node of the cluster has room for a worker yet: waiting for one to join.")
    deadline = time.monotonic() + SECONDS_UNTIL_REFUSAL
    while not room and time.monotonic() < deadline:
        time.sleep(LONGEST_WAIT_SECONDS)
        room = _room(share)
    if not room:
        raise UserError(
            f"No node of the cluster has {share.cores} cores and {share.gpus:g} GPUs, which each "
            f"worker asks for, and none has joined in {SECONDS_UNTIL_REFUSAL:.0f} s.",
            "Ask for less with --gpus-per-trial or trainer.devices, or add a node.",
            _OPTION,
        )
    return room


def _room(share: Share) -> int:
    return sum(_room_of(node["Resources"], share) for node in ray.nodes() if node["Alive"])


def _room_of(resources: Mapping[str, float], share: Share) -> int:
    by_cores = resources.get("CPU", 0.0) / share.cores
    by_gpus = resources.get("GPU", 0.0) / share.gpus if share.gpus else by_cores
    return int(min(by_cores, by_gpus))


class _Worker:
    """A worker process on a node, which ends with this actor."""

    def __init__(self, words: list[str], variables: Mapping[str, str], log: Path) -> None:
        self._process = start_worker(words, {**os.environ, **variables}, log)
        self._log = log
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def lines(self) -> list[str | None]:
        """What it has printed since the last call; None is its end."""
        heard: list[str | None] = []
        with contextlib.suppress(queue.Empty):
            heard.append(self._lines.get(timeout=LONGEST_WAIT_SECONDS))
            while True:
                heard.append(self._lines.get_nowait())
        return heard

    def end(self) -> WorkerExit:
        """How it ended."""
        return WorkerExit(self._process.wait(), f"see {self._log}, node {socket.gethostname()}")

    def signal(self, number: int) -> None:
        """Sends the process a signal."""
        self._process.send_signal(number)


@dataclass(frozen=True)
class _Remote:
    """A worker process behind an actor."""

    actor: Any

    def ask_to_leave(self) -> None:
        self.actor.signal.remote(signal.SIGINT)

    def kill(self) -> None:
        ray.kill(self.actor)


def _listen(worker: int, actor: Any, lines: Lines) -> None:  # noqa: ANN401 - made by Ray
    """Hands on what a worker prints, until it or its node is gone."""
    try:
        asked = actor.lines.remote()
        ready, _ = ray.wait([asked], timeout=SECONDS_UNTIL_NOTICE)
        if not ready:
            waits = f"worker {worker} waits: no node of the cluster has room for it yet"
            lines.put((worker, encode(Notice(waits))))
        while True:
            for line in ray.get(asked):
                if line is None:
                    lines.put((worker, ray.get(actor.end.remote())))
                    return
                lines.put((worker, line))
            asked = actor.lines.remote()
    except ray.exceptions.RayError as error:
        lines.put((worker, WorkerExit(None, f"its node is gone: {first_line(error)}")))
