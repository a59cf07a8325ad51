"""Data-parallel training: the process group, and the life of the process of one rank.

Each rank has its own device, its part of every batch and the same weights. It asks the launcher
(``launch.py``), which is outside of the group, through a pipe.
"""

import multiprocessing
import os
import pickle
import shutil
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from automl_tf.device import collective_backend, take_gpu_of_rank
from automl_tf.training.events import (
    CurvePoint,
    Decision,
    FitResult,
    TrainingHooks,
    Validation,
)

Value = TypeVar("Value")


@dataclass(frozen=True)
class ProcessGroup:
    """The rank of this process among those that train together.

    The methods are collective: all ranks have to call them, in the same order.

    Attributes:
        rank: Number of this process, counted from 0.
        world_size: Number of processes.
        objects: Group of torch that carries Python objects; None for a single process. Tensors go
            through torch's default group.
    """

    rank: int = 0
    world_size: int = 1
    objects: dist.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is rank zero, which writes the files and talks to the caller."""
        return self.rank == 0

    def all_reduce(self, tensor: Tensor) -> None:
        """Replaces a tensor by its sum over all ranks."""
        if self.world_size > 1:
            dist.all_reduce(tensor)

    def shard(self, values: Sequence[Value]) -> Sequence[Value]:
        """Returns this rank's part of the values, which are the same on all ranks."""
        return values[self.rank :: self.world_size]

    def all_gather(self, value: Value) -> list[Value]:
        """Returns the values of all ranks in the order of the ranks."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value, group=self.objects)
        return values

    def all_gather_shards(self, results: Sequence[Value]) -> list[Value]:
        """Returns one result for each value, from what each rank made of its ``shard``."""
        shards = self.all_gather(results)
        merged: list[Any] = [None] * sum(map(len, shards))
        for rank, shard in enumerate(shards):
            merged[rank :: self.world_size] = shard
        return merged

    def broadcast(self, value: Value) -> Value:
        """Returns the value of rank zero; those of the other ranks do not matter."""
        if self.world_size == 1:
            return value
        values: list[Any] = [value]
        dist.broadcast_object_list(values, src=0, group=self.objects)
        result: Value = values[0]
        return result


SINGLE_PROCESS = ProcessGroup()
"""A process that trains alone."""


Work = Callable[[ProcessGroup, TrainingHooks], FitResult]
"""The training as one rank does it; it has to be picklable."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The launcher handles these for all ranks: Ctrl-C in a terminal reaches every process."""


@dataclass(frozen=True)
class RankSetup:
    """What the process of a rank needs to join its group.

    Attributes:
        rank: Its number, counted from 0.
        world_size: Number of processes.
        threads: Threads of its arithmetic on the CPU.
        rendezvous: A file through which they find each other, alone in its directory.
    """

    rank: int
    world_size: int
    threads: int
    rendezvous: Path


@dataclass(frozen=True)
class OwnershipQuestion:
    """Rank zero's question whether its caller still owns the training."""


@dataclass(frozen=True)
class Answer:
    """The launcher's answer to rank zero.

    Attributes:
        pause: Whether to pause.
        decision: The decision after a validation, if the rank asked for one.
        owns: Whether the caller still owns the training, if the rank asked for that.
    """

    pause: bool
    decision: Decision | None = None
    owns: bool | None = None


@dataclass(frozen=True)
class Failure:
    """An exception in the process of a rank, with its traceback as text."""

    error: BaseException
    trace: str


def run_rank(work: Work, setup: RankSetup, connection: Connection) -> None:
    """Trains as one rank. This is the main function of its process.

    Args:
        work: The training.
        setup: What it needs to join the others.
        connection: To the launcher. Rank zero sends points and validations; every rank ends with
            its result or a ``Failure``.
    """
    # Ignored and not blocked: threads of libraries, which start while the arguments are unpickled,
    # would take what this thread alone blocks.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_exit_with_launcher, args=(setup,), daemon=True).start()
    try:
        processes = _init_process_group(setup)
        questions = _Questions(processes, connection)
        hooks = TrainingHooks(
            questions.observe, questions.progress, questions.should_pause, questions.is_owner
        )
        result = work(processes, hooks)
        connection.send(result)
    except BaseException as error:  # noqa: BLE001 - the launcher raises it
        connection.send(Failure(_picklable(error), traceback.format_exc()))
        return
    dist.destroy_process_group()


def _init_process_group(setup: RankSetup) -> ProcessGroup:
    # All are on this machine: what they say need not leave it.
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    torch.set_num_threads(setup.threads)
    dist.init_process_group(
        collective_backend(),
        # As a URL, torch would not decode a name of the directory that is odd.
        store=dist.FileStore(  # type: ignore[attr-defined]
            str(setup.rendezvous), setup.world_size
        ),
        rank=setup.rank,
        world_size=setup.world_size,
        device_id=take_gpu_of_rank(setup.rank),
    )
    return ProcessGroup(setup.rank, setup.world_size, dist.new_group(backend="gloo"))


class _Questions:
    """The hooks of a training in the process of a rank.

    Rank zero asks the launcher; all ranks carry out the same answer at the same step.
    """

    def __init__(self, processes: ProcessGroup, connection: Connection) -> None:
        self._processes = processes
        self._connection = connection
        self._pause = torch.zeros((), dtype=torch.uint8)

    def observe(self, validation: Validation) -> Decision:
        decision = None
        if self._processes.is_main:
            self._connection.send(validation)
            while decision is None:
                decision = self._receive().decision
        decided = self._processes.broadcast(decision)
        assert decided is not None
        return decided

    def progress(self, point: CurvePoint) -> None:
        if self._processes.is_main:
            self._connection.send(point)

    def is_owner(self) -> bool:
        owns = None
        if self._processes.is_main:
            self._connection.send(OwnershipQuestion())
            while owns is None:
                owns = self._receive().owns
        return bool(self._processes.broadcast(owns))

    def should_pause(self) -> bool:
        while self._processes.is_main and self._connection.poll():
            self._receive()
        dist.broadcast(self._pause, src=0, group=self._processes.objects)
        return bool(self._pause)

    def _receive(self) -> Answer:
        answer: Answer = self._connection.recv()
        if answer.pause:
            self._pause.fill_(1)
        return answer


def _exit_with_launcher(setup: RankSetup) -> None:
    """Ends this process when the launcher is gone, and removes the file that it has left."""
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    launcher.join()
    shutil.rmtree(setup.rendezvous.parent, ignore_errors=True)
    os._exit(1)


def _picklable(error: BaseException) -> BaseException:
    """Returns the error itself, or one of the same text if it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made a moment ago
    except Exception:  # noqa: BLE001 - any class may refuse in any way
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
