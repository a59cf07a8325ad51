"""Launches the processes of a training on several devices, one for each rank.

The launching process is outside of the process group. It alone calls the observer, which may hold a
study or a tracking run; the ranks ask it through pipes. They are forked from a server that has
imported everything once, so that the second training of a worker starts at once, and no script is
run again as Lightning's own launcher would.
"""

import contextlib
import multiprocessing
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from automl_tf.device import check_devices
from automl_tf.errors import UserError
from automl_tf.training.distributed import (
    SIGNALS,
    Answer,
    Failure,
    OwnershipQuestion,
    RankSetup,
    Work,
    run_rank,
)
from automl_tf.training.events import (
    CurvePoint,
    FitResult,
    TrainingHooks,
    Validation,
)

IMPORTED_ONCE = "automl_tf.training.fit"
"""The module that imports all that the ranks need."""
RENDEZVOUS = "automl-tf-rendezvous-"
"""How the names of the temporary directories begin in which the ranks find each other."""
QUESTION_SECONDS = 0.1
"""Interval at which the launcher asks whether to pause."""
CAUSE_SECONDS = 1.0
"""Time after a failure in which the death of another rank, which may be its cause, shows."""
EXIT_SECONDS = 30.0
"""Time that processes have to exit after their training has ended."""


def launch(work: Work, world_size: int, hooks: TrainingHooks) -> FitResult:
    """Trains on several devices of this machine and returns the result of rank zero.

    Args:
        work: What each rank does.
        world_size: Number of ranks.
        hooks: The caller's side, which is called in this process. Whether to pause is asked several
            times a second.

    Raises:
        UserError: If there are fewer GPUs, or if a process was killed.
        Exception: What a process raised, with that process's traceback as its cause.
    """
    check_devices(world_size)
    with (
        tempfile.TemporaryDirectory(prefix=RENDEZVOUS) as folder,
        _RankProcesses(work, world_size, Path(folder)) as processes,
    ):
        return processes.serve(hooks)


class _RemoteTracebackError(Exception):
    """Shows the traceback of another process above that of this one."""

    def __str__(self) -> str:
        return "\n" + "\n".join(map(str, self.args))


class _RankProcesses:
    """The processes of the ranks, as the launcher sees them."""

    def __init__(self, work: Work, world_size: int, folder: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([IMPORTED_ONCE])
        threads = max(1, torch.get_num_threads() // world_size)
        self._processes: dict[Connection, BaseProcess] = {}
        try:
            for rank in range(world_size):
                ours, theirs = context.Pipe()
                setup = RankSetup(rank, world_size, threads, folder / "rendezvous")
                process = context.Process(target=run_rank, args=(work, setup, theirs))
                self._processes[ours] = process
                with theirs, _signals_blocked():
                    process.start()
        except BaseException:
            self._end()
            raise
        self._connections = tuple(self._processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            for process in self._processes.values():
                process.join(EXIT_SECONDS)
        self._end()

    def serve(self, hooks: TrainingHooks) -> FitResult:
        """Answers the questions of rank zero until all ranks have ended. Returns its result."""
        working = list(self._connections)
        rank_zero, result, asked = working[0], None, False
        while working:
            for connection in wait(working, QUESTION_SECONDS):
                assert isinstance(connection, Connection)
                match _received(connection):
                    case CurvePoint() as point:
                        hooks.progress(point)
                    case Validation() as validation:
                        decision = hooks.observe(validation)
                        _send(connection, Answer(hooks.should_pause(), decision=decision))
                    case OwnershipQuestion():
                        _send(connection, Answer(hooks.should_pause(), owns=hooks.is_owner()))
                    case FitResult() as result_of_rank:
                        result = result_of_rank if connection is rank_zero else result
                        working.remove(connection)
                    case failure:
                        raise self._cause(connection, failure, working)
            if not asked and rank_zero in working and hooks.should_pause():
                asked = True
                _send(rank_zero, Answer(pause=True))
        assert result is not None, "rank zero ends with a result"
        return result

    def _cause(
        self, connection: Connection, failure: Failure | None, working: list[Connection]
    ) -> BaseException:
        """Returns the error to raise.

        A rank that loses another fails too, so a process that died without a word comes first.
        """
        others = [other for other in working if other is not connection]
        while failure is not None and others and (ready := wait(others, CAUSE_SECONDS)):
            for other in ready:
                assert isinstance(other, Connection)
                told = _received(other)
                if told is None:
                    connection, failure = other, None
                elif isinstance(told, Failure):
                    others.remove(other)
        name = f"device {self._connections.index(connection) + 1} of {len(self._connections)}"
        if failure is None:
            return self._death(self._processes[connection], name)
        failure.error.__cause__ = _RemoteTracebackError(f"In the process of {name}:", failure.trace)
        return failure.error

    def _death(self, process: BaseProcess, name: str) -> UserError:
        process.join(EXIT_SECONDS)
        status = process.exitcode or 0
        how = f"killed by signal {-status}" if status < 0 else f"gone with status {status}"
        return UserError(
            f"The process of {name} was {how}.",
            "If memory ran out, lower training.batch_tokens or use fewer devices.",
        )

    def _end(self) -> None:
        for connection, process in self._processes.items():
            if process.pid is not None:
                process.kill()
                process.join()
            connection.close()


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Blocks the signals, also in processes that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _received(connection: Connection) -> Any:  # noqa: ANN401 - what the process sent
    """Returns what a process sent next; None if it is gone."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def _send(connection: Connection, answer: Answer) -> None:
    # A process that is gone is noticed by `_received`.
    with contextlib.suppress(OSError):
        connection.send(answer)
