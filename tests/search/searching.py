"""A search in the process of the test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from automl_tf.config.files import read_study
from automl_tf.search import objective
from automl_tf.search.join import join
from automl_tf.search.run import Locations, OpenStudy, open_search
from automl_tf.search.storage import default_url
from automl_tf.training.events import FitResult
from tests.cli.studies import write_study
from tests.search.making import Listener, new_home

STEPS, EVERY = 30, 10
FEW = [f"training.max_steps={STEPS}", f"training.validate_every={EVERY}"]

Fit = Callable[..., FitResult]


class Search:
    """A search in this process, whose trainings may be replaced."""

    def __init__(self, folder: Path, corpus: dict, monkeypatch: pytest.MonkeyPatch) -> None:
        home = folder / "home"
        self.locations = Locations(
            new_home(home), default_url(home), f"sqlite:///{home / 'mlflow.db'}"
        )
        self.listener = Listener()
        self._file = folder, corpus
        self._monkeypatch = monkeypatch

    def open(self, *words: str, **changes: Any) -> OpenStudy:
        folder, corpus = self._file
        file = write_study(folder, corpus, **changes)
        return open_search(read_study(file, [*FEW, *words]), self.locations)

    def run(self, opened: OpenStudy) -> optuna.Study:
        join(opened, self.locations, self.listener)
        return opened.study

    def replace_fit(self, replacement: Fit) -> None:
        self._monkeypatch.setattr(objective, "fit", replacement)
