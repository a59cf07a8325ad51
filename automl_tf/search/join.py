"""Joins a study as a worker: this process trains. A search itself imports nothing of training."""

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import optuna

from automl_tf.device import keep_to_share, resolve_precision
from automl_tf.home import HomeDirectory
from automl_tf.search.context import WorkerContext
from automl_tf.search.events import Event, EventWriter, LogMessage, TrialEnded, WorkerReady
from automl_tf.search.loggers import StudyLogger
from automl_tf.search.monitor import POLL_SECONDS, StudyMonitor
from automl_tf.search.ownership import this_process
from automl_tf.search.run import Locations, OpenStudy, logger_of
from automl_tf.search.schema import StudyRecord
from automl_tf.search.storage import another_view
from automl_tf.search.worker import Worker
from automl_tf.signals import stop_on_signals
from automl_tf.tracking.outbox import RunState


def join(
    opened: OpenStudy,
    locations: Locations,
    writer: EventWriter,
    deadline: float | None = None,
    *,
    gpu_share: float = 1.0,
    planned_end: float | None = None,
    leaves_with_parent: bool = False,
) -> bool:
    """Works on a study in this process.

    Args:
        opened: The study.
        locations: Where the study keeps things.
        writer: Output of events. A worker whose output nobody reads any more saves and leaves.
        deadline: Time, on the monotonic clock, at which the worker leaves.
        gpu_share: Part of a GPU's memory that the worker may take.
        planned_end: Unix time at which the search that has started the worker ends, to plan with.
        leaves_with_parent: Whether a search has started the worker, with which it leaves. The
            search then shows the trials and keeps the study's run in MLflow.

    Returns:
        Whether a signal made it leave.
    """
    ends = _ending(deadline, planned_end)
    keep_to_share(gpu_share)
    parent = os.getppid() if leaves_with_parent else None
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())

        def should_pause() -> bool:
            is_late = deadline is not None and time.monotonic() >= deadline
            is_orphan = parent is not None and os.getppid() != parent
            return stop.is_set() or is_late or is_orphan or writer.listener_gone()

        logger = stack.enter_context(logger_of(opened, locations))
        context = WorkerContext(
            storage=opened.storage,
            study=opened.study,
            record=opened.record,
            home=locations.home,
            tracking=logger.run,
            tell=writer.tell,
            should_pause=should_pause,
            deadline=ends,
        )

        def confirming(study: optuna.Study) -> WorkerContext:
            of_confirmations = replace(opened, study=study)
            run = stack.enter_context(logger_of(of_confirmations, locations)).run
            return replace(context, study=study, tracking=run)

        writer.tell(WorkerReady(this_process().name))
        if (notice := _precision_notice(opened.record, locations.home)) is not None:
            writer.tell(LogMessage(notice))
        worker = Worker(context, confirming)
        # Each trial ends with a search for garbage, which need not go through all the libraries.
        gc.freeze()
        if leaves_with_parent:
            worker.work()
        else:
            with _shown(opened.study, locations.home, writer.tell, logger):
                worker.work()
            logger.leave(RunState.PAUSED if should_pause() else RunState.COMPLETE)
        if stop.is_set():
            logger.run.hurry()
        return stop.is_set()


def _precision_notice(record: StudyRecord, home: Path) -> str | None:
    """Returns what to say where this machine would choose another arithmetic than the study's."""
    here = resolve_precision("auto", HomeDirectory(home).cache)
    uses_auto = record.config.fixed.get("training.precision", "auto") == "auto"
    if record.precision in (None, here) or not uses_auto:
        return None
    return (
        f"trials compute in {record.precision}, as recorded when the study began, so that they are "
        f"comparable; this machine is faster in {here}"
    )


def _ending(deadline: float | None, planned_end: float | None) -> float | None:
    """The end of the search on the monotonic clock of this process."""
    if planned_end is None:
        return deadline
    return time.monotonic() + planned_end - time.time()


@contextlib.contextmanager
def _shown(
    study: optuna.Study, home: Path, tell: Callable[[Event], None], logger: StudyLogger
) -> Iterator[None]:
    """Shows the trials of the study, and refreshes its run in MLflow, by a thread of its own."""
    done = threading.Event()

    def show() -> None:
        view = another_view(study, home)
        monitor = StudyMonitor(view, lambda _name: None)
        is_last = False
        while not is_last:
            is_last = done.wait(POLL_SECONDS)
            # A storage that is away is asked again.
            with contextlib.suppress(Exception):
                for _, event in monitor.look():
                    tell(event)
                    if isinstance(event, TrialEnded):
                        logger.refresh(view)

    thread = threading.Thread(target=show, name="monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
