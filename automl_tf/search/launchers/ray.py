"""Worker processes on the nodes of a Ray cluster: the only module that imports Ray.

Ray finds a node with room for each worker and reports the loss of a node. The study's storage
coordinates these workers like any others.
"""

import contextlib
import logging
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray

from automl_tf.errors import Place, UserError, first_line
from automl_tf.search.events import LogMessage, encode
from automl_tf.search.launchers.local import (
    cpu_seconds,
    kill_group,
    start_worker,
    worker_log,
    worker_variables,
)
from automl_tf.search.pool import WorkerExit, WorkerHandle, WorkerOutput

CREDENTIAL_PREFIXES = ("AWS_", "AZURE_", "DATABRICKS_", "GOOGLE_", "HF_", "MLFLOW_", "PG", "S3_")
"""Beginnings of the variables of databases, object stores and trackers that workers need too."""
LOCATION_SUFFIXES = ("_HOME", "_CACHE", "_DIR")
"""Ends of names of places on one machine, which every node chooses by itself."""
SECONDS_UNTIL_MESSAGE = 20.0
"""Wait for a node with room until the user is told."""
SECONDS_UNTIL_REFUSAL = 60.0
"""A cluster's nodes may still be starting when a search begins."""
CONNECTION_SECONDS = 5.0
POLL_SECONDS = 0.5
"""Longest call that reads a worker's output, and time between two looks for a node."""
_OPTION = Place(key="--on")


@dataclass(frozen=True)
class WorkerResources:
    """Processor cores and GPUs, or a part of one, that each worker reserves on its node."""

    cores: int
    gpus: float


@dataclass(frozen=True)
class RayLauncher:
    """Starts workers on the nodes of a cluster that is connected.

    Attributes:
        arguments: Arguments of the command line after the program's name.
        variables: Environment variables of workers beside those of their node.
        logs: Directory of their standard error, on a file system that all nodes share.
        resources: Resources that each worker reserves.
    """

    arguments: Sequence[str]
    variables: Mapping[str, str]
    logs: Path
    resources: WorkerResources

    def start(self, worker: int, output: WorkerOutput) -> WorkerHandle:
        """Asks for a worker, which starts once a node has room."""
        # As arguments of a call: Ray shows a runtime environment's variables on its dashboard.
        variables = {
            **credentials(os.environ),
            **self.variables,
            **worker_variables(self.resources.cores),
        }
        remote: Any = ray.remote(_WorkerActor)
        placed = remote.options(
            num_cpus=self.resources.cores,
            num_gpus=self.resources.gpus,
            max_restarts=0,
            max_concurrency=4,
        )
        actor = placed.remote(list(self.arguments), variables, worker_log(self.logs, worker))
        handle = _RayHandle(actor)
        threading.Thread(target=_listen, args=(worker, handle, output), daemon=True).start()
        return handle


def credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables by which workers reach databases, object stores and trackers."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(CREDENTIAL_PREFIXES) and not name.endswith(LOCATION_SUFFIXES)
    }


def connect(address: str, storage: str) -> None:
    """Joins a Ray cluster.

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
    """Returns the address as Ray wants it. Fails fast: Ray would retry for a long time."""
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
    """Returns whether any node of the cluster has a GPU."""
    return bool(ray.cluster_resources().get("GPU"))


def room_for(resources: WorkerResources, say: Callable[[str], None]) -> int:
    """Returns the number of workers that the cluster has room for, its other work left aside.

    Says it to the user if a node has to join first.

    Raises:
        UserError: If no node has room for one, nor any that joins within a minute.
    """
    room = _room(resources)
    if not room:
        say("No node of the cluster has room for a worker yet: waiting for one to join.")
    deadline = time.monotonic() + SECONDS_UNTIL_REFUSAL
    while not room and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        room = _room(resources)
    if not room:
        raise UserError(
            f"No node of the cluster has {resources.cores} cores and {resources.gpus:g} GPUs, "
            f"which each worker asks for, and none has joined in {SECONDS_UNTIL_REFUSAL:.0f} s.",
            "Ask for less with --gpus-per-trial or trainer.devices, or add a node.",
            _OPTION,
        )
    return room


def _room(resources: WorkerResources) -> int:
    return sum(_room_of(node["Resources"], resources) for node in ray.nodes() if node["Alive"])


def _room_of(node: Mapping[str, float], resources: WorkerResources) -> int:
    by_cores = node.get("CPU", 0.0) / resources.cores
    by_gpus = node.get("GPU", 0.0) / resources.gpus if resources.gpus else by_cores
    return int(min(by_cores, by_gpus))


class _WorkerActor:
    """A worker process on a node. It is asked to leave when the actor is gone."""

    def __init__(self, arguments: list[str], variables: Mapping[str, str], log: Path) -> None:
        self._process = start_worker(arguments, {**os.environ, **variables}, log)
        self._log = log
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def lines(self) -> list[str | None]:
        """Returns what it has printed since the last call; None is its end."""
        found: list[str | None] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._lines.get(timeout=POLL_SECONDS))
            while True:
                found.append(self._lines.get_nowait())
        return found

    def exit(self) -> WorkerExit:
        """Waits for its end and returns it."""
        return WorkerExit(self._process.wait(), f"see {self._log}, node {socket.gethostname()}")

    def terminate(self) -> None:
        """Makes the process save its trial and exit."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends the process at once."""
        kill_group(self._process)

    def cpu_seconds(self) -> float:
        """Returns its CPU time so far, in seconds."""
        return cpu_seconds(self._process.pid)


@dataclass(frozen=True)
class _RayHandle:
    """A worker process behind an actor, which waits for a node until it has started."""

    actor: Any
    has_started: threading.Event = field(default_factory=threading.Event)

    def ask_to_leave(self) -> None:
        if self.has_started.is_set():
            self.actor.terminate.remote()
        else:
            ray.kill(self.actor)

    def kill(self) -> None:
        if self.has_started.is_set():
            self.actor.kill.remote()
        else:
            ray.kill(self.actor)

    def cpu_seconds(self) -> float:
        if not self.has_started.is_set():
            return 0.0
        try:
            return float(ray.get(self.actor.cpu_seconds.remote(), timeout=CONNECTION_SECONDS))
        except ray.exceptions.RayError:
            return 0.0


def _listen(worker: int, handle: _RayHandle, output: WorkerOutput) -> None:
    """Hands on what a worker prints, until it or its node is gone."""
    actor = handle.actor
    try:
        asked = actor.lines.remote()
        ready, _ = ray.wait([asked], timeout=SECONDS_UNTIL_MESSAGE)
        if not ready:
            text = f"worker {worker} waits: no node of the cluster has room for it yet"
            output.put((worker, encode(LogMessage(text))))
        while True:
            lines = ray.get(asked)
            handle.has_started.set()
            for line in lines:
                if line is None:
                    output.put((worker, ray.get(actor.exit.remote())))
                    return
                output.put((worker, line))
            asked = actor.lines.remote()
    except ray.exceptions.RayError as error:
        output.put((worker, WorkerExit(None, f"its node is gone: {first_line(error)}")))
