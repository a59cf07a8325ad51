"""The process of one device: it joins the others, trains, and asks the process outside."""

import multiprocessing
import os
import pickle
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy

from automl_tf.training.checkpoints import WholeCheckpoints
from automl_tf.training.events import (
    CurvePoint,
    Decision,
    FitResult,
    TrainingHooks,
    Validation,
)
from automl_tf.training.team import Team

Work = Callable[[Team, TrainingHooks], FitResult]
"""The training as one member of a team does it; it has to be picklable."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What the process outside answers for all: Ctrl-C in a terminal reaches every process."""


@dataclass(frozen=True)
class Place:
    """Where a process stands in its team, before the team has met.

    Attributes:
        rank: Its number, counted from 0.
        size: How many there are.
        threads: Threads of its arithmetic on the CPU.
        meeting: A file through which they find each other.
    """

    rank: int
    size: int
    threads: int
    meeting: Path


@dataclass(frozen=True)
class OwnershipQuestion:
    """The leading process's question whether the training is still its caller's."""


@dataclass(frozen=True)
class Answer:
    """The caller's answer to the leading process.

    Attributes:
        pause: Whether to pause.
        decision: The decision after a validation, if the process asked for one.
        owns: Whether the caller still owns the training, if the process asked for that.
    """

    pause: bool
    decision: Decision | None = None
    owns: bool | None = None


@dataclass(frozen=True)
class Failure:
    """An exception in the process of a device, with its traceback as text."""

    error: BaseException
    trace: str


def trainer_options(team: Team) -> dict[str, Any]:
    """What Lightning's trainer has to know of the devices."""
    if team.size == 1:
        return {"accelerator": "auto", "devices": 1, "plugins": [WholeCheckpoints()]}
    return {
        "accelerator": "cuda" if torch.cuda.is_available() else "cpu",
        "devices": team.size,
        # The model's buffers are tables that never change.
        "strategy": DDPStrategy(broadcast_buffers=False, gradient_as_bucket_view=True),
        "plugins": [TorchElasticEnvironment(), WholeCheckpoints()],
        # The batches are divided already.
        "use_distributed_sampler": False,
    }


def member(work: Work, place: Place, connection: Connection) -> None:
    """The life of a device's process.

    Args:
        work: The training.
        place: Where it stands among the others.
        connection: To the process outside: points, validations, and last the result or a failure.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    try:
        team = _met(place)
        line = _Line(team, connection)
        hooks = TrainingHooks(line.observe, line.progress, line.should_pause, line.is_owner)
        result = work(team, hooks)
        connection.send(result)
    except BaseException as error:  # noqa: BLE001 - the process outside raises it
        connection.send(Failure(_portable(error), traceback.format_exc()))
        return
    dist.destroy_process_group()


def _met(place: Place) -> Team:
    """Joins the others; Lightning finds its place in the environment, as torchrun sets it."""
    rank = str(place.rank)
    # Lightning counts threads by itself where the last of these does not say how many.
    os.environ.update(
        RANK=rank,
        LOCAL_RANK=rank,
        WORLD_SIZE=str(place.size),
        LOCAL_WORLD_SIZE=str(place.size),
        OMP_NUM_THREADS=str(place.threads),
    )
    # All are on this machine: what they say need not leave it.
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
    torch.set_num_threads(place.threads)
    device = None
    if torch.cuda.is_available():
        device = torch.device("cuda", place.rank)
        torch.cuda.set_device(device)
    dist.init_process_group(
        "gloo" if device is None else "nccl",
        init_method=place.meeting.as_uri(),
        rank=place.rank,
        world_size=place.size,
        device_id=device,
    )
    return Team(place.rank, place.size, dist.new_group(backend="gloo"))


class _Line:
    """What an observer, a progress and a pause come to in the process of a device.

    The leading one asks the process outside; all carry out the same answer at the same step.
    """

    def __init__(self, team: Team, connection: Connection) -> None:
        self._team = team
        self._connection = connection
        self._pause = torch.zeros((), dtype=torch.uint8)

    def observe(self, validation: Validation) -> Decision:
        decision = None
        if self._team.leads:
            self._connection.send(validation)
            while decision is None:
                decision = self._hear().decision
        decided = self._team.follow(decision)
        assert decided is not None
        return decided

    def progress(self, point: CurvePoint) -> None:
        if self._team.leads:
            self._connection.send(point)

    def is_owner(self) -> bool:
        owns = None
        if self._team.leads:
            self._connection.send(OwnershipQuestion())
            while owns is None:
                owns = self._hear().owns
        return bool(self._team.follow(owns))

    def should_pause(self) -> bool:
        while self._team.leads and self._connection.poll():
            self._hear()
        dist.broadcast(self._pause, src=0, group=self._team.channel)
        return bool(self._pause)

    def _hear(self) -> Answer:
        answer: Answer = self._connection.recv()
        if answer.pause:
            self._pause.fill_(1)
        return answer


def _leave_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """The error itself, or one that says the same if it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made a moment ago
    except Exception:  # noqa: BLE001 - any class may refuse in any way
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
