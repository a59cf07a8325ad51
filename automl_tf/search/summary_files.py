"""What a study has come to, as files that MLflow shows on its run: made while it runs."""

import functools
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import optuna

from automl_tf.errors import UserError
from automl_tf.search.export import export
from automl_tf.search.report.page import write_report
from automl_tf.search.storage import another_view
from automl_tf.search.study_view import StudyView, leaderboard

PAUSES = 100
"""How much longer the files then rest than they took to be made."""

SHORTEST_PAUSE_SECONDS = 10.0

_logger = logging.getLogger(__name__)


class SummaryFiles:
    """The leaderboard, the best configuration and the report, made by a thread of their own.

    Args:
        study: The Optuna study.
        home: The home directory.
        keep: Told of each file that was made.
    """

    def __init__(self, study: optuna.Study, home: Path, keep: Callable[[Path], None]) -> None:
        self._study = study
        self._home = home
        self._folder = home / "studies" / study.study_name / "summary"
        self._keep = keep
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @functools.cached_property
    def _view(self) -> optuna.Study:
        return another_view(self._study, self._home)

    def refresh(self) -> None:
        """Has the files made anew, at once or when they have rested long enough."""
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="summary", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the thread and makes the files a last time."""
        self._closed.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        self._make()

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed.is_set():
                return
            started = time.monotonic()
            self._make()
            pause = max(SHORTEST_PAUSE_SECONDS, PAUSES * (time.monotonic() - started))
            self._closed.wait(pause)

    def _make(self) -> None:
        """Makes the files; a search goes on without them."""
        try:
            self._write_all()
        except Exception as error:  # noqa: BLE001 - nothing that is only shown may end a search
            _logger.warning("The summary of the study is not refreshed: %s", error)

    def _write_all(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        board = leaderboard(self._view)
        self._write("leaderboard.md", lambda path: _write_text(path, markdown(board)))
        told = json.dumps(board.to_json(), indent=1)
        self._write("leaderboard.json", lambda path: _write_text(path, told))
        try:
            best = export(self._view)
        except UserError:  # no trial is complete yet
            best = None
        if best is not None:
            self._write("best.yaml", lambda path: _write_text(path, best))
        self._write("report.html", lambda path: write_report(self._view, self._home, path))

    def _write(self, name: str, write: Callable[[Path], None]) -> None:
        """Writes a file so that whoever sends it meanwhile reads the old one or the new one."""
        # Workers of one home may all be writing it.
        partial = self._folder / f".{os.getpid()}-{name}"
        write(partial)
        partial.replace(self._folder / name)
        self._keep(self._folder / name)


def markdown(board: StudyView) -> str:
    """The trials as a table, best first."""
    rows = [
        f"| {trial.number} | {trial.state} | "
        f"{'' if trial.best_bleu is None else f'{trial.best_bleu:.2f}'} | "
        f"{trial.num_parameters or ''} | {trial.seconds:.0f} | {trial.reason or ''} |"
        for trial in board.ranked()
    ]
    head = (
        "| trial | state | best BLEU | parameters | seconds | reason |\n|---|---|---|---|---|---|"
    )
    return "\n".join([f"# {board.study}", "", head, *rows, ""])


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
