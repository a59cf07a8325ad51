"""A worker of a study: this process, which trains. A search itself imports nothing of training."""

import os
import threading
import time
from collections.abc import Callable

from automl_tf.search.context import WorkerContext
from automl_tf.search.events import Event, TrialEnded
from automl_tf.search.run import Locations, OpenStudy, story_of
from automl_tf.search.worker import work
from automl_tf.training.leaving import asked_to_leave
from automl_tf.training.machine import keep_to_share
from automl_tf.training.watching import Pause


def join(
    opened: OpenStudy,
    places: Locations,
    tell: Callable[[Event], None],
    deadline: float | None = None,
    *,
    gpu_share: float = 1.0,
    leaves_with_parent: bool = False,
) -> bool:
    """Works on a study in this process.

    Args:
        opened: The study.
        places: Where it keeps things.
        tell: Where events go.
        deadline: Time, on the monotonic clock, at which the worker leaves.
        gpu_share: Part of a GPU's memory that the worker may take.
        leaves_with_parent: Whether it leaves when the process that started it is gone.

    Returns:
        Whether a signal made it leave.
    """
    keep_to_share(gpu_share)
    with asked_to_leave() as asked, story_of(opened, places) as story:

        def tell_on(event: Event) -> None:
            tell(event)
            # A worker that a search started leaves the study's own run to it.
            if isinstance(event, TrialEnded) and not leaves_with_parent:
                story.refresh()

        bench = WorkerContext(
            storage=opened.storage,
            study=opened.study,
            definition=opened.definition,
            home=places.home,
            tracking=story.run,
            tell=tell_on,
            should_pause=_pause(asked, deadline, os.getppid() if leaves_with_parent else None),
        )
        work(bench)
        if not leaves_with_parent:
            story.leave(interrupted=asked.is_set())
        return asked.is_set()


def _pause(asked: threading.Event, deadline: float | None, parent: int | None) -> Pause:
    def should_pause() -> bool:
        is_late = deadline is not None and time.monotonic() >= deadline
        is_orphan = parent is not None and os.getppid() != parent
        return asked.is_set() or is_late or is_orphan

    return should_pause
