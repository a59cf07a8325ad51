"""What a person or a program reads while a study runs: plain lines, JSON lines, or the result."""

import json
from contextlib import AbstractContextManager
from types import TracebackType

from typing_extensions import override

from automl_tf.cli.summary import Given, header, plain_line, standing_words, summary
from automl_tf.config.study import StudyConfig
from automl_tf.search.events import Event, Notice, StudyProgress, encode
from automl_tf.search.study_view import StudyView


class Display(AbstractContextManager["Display"]):
    """Shows nothing but is a display."""

    def begin(self, board: StudyView, corpus: str) -> None:
        """Told once what the study holds already, and of its corpus."""

    def show(self, worker: int | None, event: Event) -> None:
        """Told of each event and the number of its worker, if this search has started it."""

    def end(self, board: StudyView, given: Given, *, interrupted: bool) -> None:
        """Told once how the study stands."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the terminal as it was."""


class JsonDisplay(Display):
    """One JSON object a line: the events, then the leaderboard."""

    @override
    def show(self, worker: int | None, event: Event) -> None:
        _print(json.dumps({"worker": worker, **json.loads(encode(event))}))

    @override
    def end(self, board: StudyView, given: Given, *, interrupted: bool) -> None:
        _print(json.dumps({"event": "SearchEnded", "interrupted": interrupted, **board.to_json()}))


class QuietDisplay(Display):
    """The result alone."""

    @override
    def end(self, board: StudyView, given: Given, *, interrupted: bool) -> None:
        _print("\n".join(summary(board, given, interrupted=interrupted)))


class PlainDisplay(QuietDisplay):
    """A line an event, for logs and pipes."""

    def __init__(self, config: StudyConfig, workers: int) -> None:
        self._config = config
        self._workers = workers
        self._spent = 0

    @override
    def begin(self, board: StudyView, corpus: str) -> None:
        self._spent = board.spent
        _print(header(self._config, self._workers, board, corpus))

    @override
    def show(self, worker: int | None, event: Event) -> None:
        if isinstance(event, StudyProgress):
            self._show_standing(event)
            return
        line = plain_line(event)
        if line:
            is_others = worker is None and not isinstance(event, Notice)
            _print(f"{line} (another worker)" if is_others else line)

    def _show_standing(self, now: StudyProgress) -> None:
        """How much of the budget is spent, when that has changed."""
        if now.spent == self._spent:
            return
        self._spent = now.spent
        words = standing_words(now.spent, self._config.budget.trials, now.counts)
        best = "" if now.best_bleu is None else f"; best BLEU {now.best_bleu:.2f}"
        trial = "" if now.best_trial is None else f" (trial {now.best_trial})"
        _print(f"{words}{best}{trial}")


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is the command's output
