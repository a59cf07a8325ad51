"""A worker that joins a study and shows its trials."""

import time
from pathlib import Path
from typing import Any

from automl_tf.search.join import _shown
from tests.search.making import PATIENCE_SECONDS, bench, claim, definition, finish


class RefreshedLogger:
    """A study's run that keeps by which view it was refreshed."""

    def __init__(self) -> None:
        self.views: list[Any] = []

    def refresh(self, study: Any = None) -> None:
        self.views.append(study)


def test_the_thread_that_shows_trials_leaves_the_worker_its_own_view_of_the_study(
    tmp_path: Path,
) -> None:
    made = definition(budget={"trials": 1000}, sampler={"kind": "random"})
    worker, logger = bench(tmp_path, made), RefreshedLogger()
    told: list[Any] = []
    with _shown(worker.study, tmp_path, told.append, logger):
        deadline = time.monotonic() + PATIENCE_SECONDS
        # What has ended before the display begins is no news to it.
        while not logger.views and time.monotonic() < deadline:
            finish(worker, claim(worker))
            time.sleep(0.1)
    assert logger.views
    assert all(view is not None and view is not worker.study for view in logger.views)
