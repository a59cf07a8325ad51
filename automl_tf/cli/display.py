"""Displays of a running search or training: plain lines, JSON lines, or the result only."""

import dataclasses
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from typing_extensions import override

from automl_tf.cli.terminal import SignOfLife, is_interactive
from automl_tf.cli.text import (
    PlaceOptions,
    format_event,
    format_header,
    format_plan,
    format_progress,
    format_summary,
)
from automl_tf.config.study import StudyConfig
from automl_tf.formatting import format_count, format_json, format_loss, format_score
from automl_tf.search.events import Event, LogMessage, StudyProgress, TrialProgress
from automl_tf.search.pool import OutcomeKind, SearchOutcome
from automl_tf.search.study_view import StudyView

if TYPE_CHECKING:
    from automl_tf.search.plan import SearchPlan
    from automl_tf.training.events import CurvePoint, Validation


class Display(AbstractContextManager["Display"]):
    """Base class of the displays of a search. It shows nothing."""

    def begin(self, view: StudyView, corpus: str, plan: "SearchPlan | None" = None) -> None:
        """Shows the study before the search, the corpus in words, and what is planned."""

    def show(self, worker: int | None, event: Event) -> None:
        """Shows an event of a worker by its number, None for workers of other processes."""

    def end(self, view: StudyView, options: PlaceOptions, outcome: SearchOutcome) -> None:
        """Shows the study after the search, with the options that the next commands need."""

    def __exit__(self, *error: object) -> None:
        """Restores the terminal."""


class JsonDisplay(Display):
    """JSON lines: each event, then the leaderboard."""

    @override
    def show(self, worker: int | None, event: Event) -> None:
        kind = type(event).__name__
        _print(format_json({"worker": worker, "event": kind, **dataclasses.asdict(event)}))

    @override
    def begin(self, view: StudyView, corpus: str, plan: "SearchPlan | None" = None) -> None:
        if plan is not None:
            _print(format_json({"event": "SearchPlanned", **dataclasses.asdict(plan)}))

    @override
    def end(self, view: StudyView, options: PlaceOptions, outcome: SearchOutcome) -> None:
        head = {
            "event": "SearchEnded",
            "outcome": outcome.kind,
            "reason": outcome.reason or None,
            "interrupted": outcome.kind is OutcomeKind.INTERRUPTED,
        }
        _print(format_json({**head, **view.to_json()}))


class QuietDisplay(Display):
    """The result only."""

    @override
    def end(self, view: StudyView, options: PlaceOptions, outcome: SearchOutcome) -> None:
        _print("\n".join(format_summary(view, options, outcome)))


class PlainDisplay(QuietDisplay):
    """One line an event, for logs and pipes, and a sign of life where there is none for long."""

    def __init__(self, config: StudyConfig, workers: int) -> None:
        self._config = config
        self._workers = workers
        self._spent = 0
        self._life = SignOfLife("starting the workers")

    def __exit__(self, *error: object) -> None:
        self._life.stop()

    @override
    def begin(self, view: StudyView, corpus: str, plan: "SearchPlan | None" = None) -> None:
        self._spent = view.spent
        _print(format_header(self._config, self._workers, view, corpus))
        if plan is not None and plan.num_trainings != 0:
            _print(format_plan(plan))
        self._life.start()

    @override
    def show(self, worker: int | None, event: Event) -> None:
        if isinstance(event, TrialProgress):
            self._life.doing = f"trial {event.trial} is at step {event.step}"
        elif isinstance(event, StudyProgress):
            if event.spent != self._spent:
                self._show_progress(event)
        elif line := format_event(event):
            is_elsewhere = worker is None and not isinstance(event, LogMessage)
            _print(f"{line} (another worker)" if is_elsewhere else line)
            self._life.printed()

    def _show_progress(self, now: StudyProgress) -> None:
        self._spent = now.spent
        progress = format_progress(now.spent, self._config.budget.trials, now.counts)
        best = "" if now.best_bleu is None else f"; best BLEU {format_score(now.best_bleu)}"
        trial = "" if now.best_trial is None else f" (trial {now.best_trial})"
        _print(f"{progress}{best}{trial}")


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is the command's output


class TrainingDisplay(Progress):
    """A progress bar of a full training, and one line a validation; nothing where it is quiet.

    Where no bar can be drawn, there is a sign of life instead.
    """

    def __init__(self, max_steps: int, *, quiet: bool) -> None:
        has_bar = is_interactive() and not quiet
        super().__init__(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(quiet=quiet),
            disable=not has_bar,
        )
        self._max_steps = max_steps
        self._task = self.add_task("training", total=max_steps, state="")
        self._life = None if has_bar or quiet else SignOfLife("preparing the corpus")

    @override
    def start(self) -> None:
        super().start()
        if self._life is not None:
            self._life.start()

    @override
    def stop(self) -> None:
        if self._life is not None:
            self._life.stop()
        super().stop()

    def progress(self, point: "CurvePoint") -> None:
        """Moves the bar."""
        state = f"loss {format_loss(point.loss)}  {format_count(point.tokens_per_second)} tok/s"
        self.update(self._task, completed=point.step, state=state)
        if self._life is not None:
            self._life.doing = f"step {point.step} of {self._max_steps}  {state}"

    def validated(self, validation: "Validation") -> None:
        """Prints the scores of a validation."""
        scores, best = validation.scores, "  best so far" if validation.is_best else ""
        self.console.print(
            f"step {validation.step}: BLEU {format_score(scores.bleu)}  "
            f"chrF {format_score(scores.chrf)}  loss {format_loss(validation.loss)}  "
            f"{format_count(len(validation.sentences))} sentences{best}",
            highlight=False,
        )
        if self._life is not None:
            self._life.printed()
            if validation.step >= self._max_steps:
                self._life.doing = "testing and writing the bundle"
