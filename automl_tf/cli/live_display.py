"""A study in a terminal while it runs: its budget, its trials, the best so far, what has ended."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from typing_extensions import override

from automl_tf.cli.display import Display, JsonDisplay, PlainDisplay, QuietDisplay
from automl_tf.cli.live_picture import Picture
from automl_tf.cli.live_state import LiveState
from automl_tf.cli.summary import Given
from automl_tf.config.study import StudyConfig
from automl_tf.search.events import Event
from automl_tf.search.study_view import StudyView

REFRESHES_PER_SECOND = 4


def choose_display(config: StudyConfig, workers: int, *, quiet: bool, as_json: bool) -> Display:
    """The display that suits the output and the person's wishes."""
    if as_json:
        return JsonDisplay()
    if quiet:
        return QuietDisplay()
    if sys.stdout.isatty():
        return LiveDisplay(config, workers)
    return PlainDisplay(config, workers)


class LiveDisplay(PlainDisplay):
    """A picture that is redrawn in place."""

    def __init__(self, config: StudyConfig, workers: int) -> None:
        super().__init__(config, workers)
        self._state = LiveState(config)
        self._live = Live(
            Picture(self._state), console=Console(), refresh_per_second=REFRESHES_PER_SECOND
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    @override
    def begin(self, board: StudyView, corpus: str) -> None:
        super().begin(board, corpus)
        self._state.begin(board)
        self._live.start()

    @override
    def show(self, worker: int | None, event: Event) -> None:
        self._state.note(worker, event)

    @override
    def end(self, board: StudyView, given: Given, *, interrupted: bool) -> None:
        self._live.refresh()
        self._live.stop()
        super().end(board, given, interrupted=interrupted)
