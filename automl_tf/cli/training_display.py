"""What a person sees of a full training: a bar in the terminal and a line a validation."""

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from automl_tf.training.watching import CurvePoint, Validation


class TrainingDisplay(AbstractContextManager["TrainingDisplay"]):
    """Shows one training.

    Args:
        max_steps: Optimizer steps until it ends.
        quiet: Whether to show nothing.
    """

    def __init__(self, max_steps: int, *, quiet: bool) -> None:
        self._quiet = quiet
        console = Console()
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("training", total=max_steps, state="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the terminal as it was."""
        self._bar.stop()

    def progress(self, point: CurvePoint) -> None:
        """Moves the bar."""
        state = f"loss {point.loss:.3f}  {point.tokens_per_second:,.0f} tok/s"
        self._bar.update(self._task, completed=point.step, state=state)

    def validated(self, validation: Validation) -> None:
        """Prints the scores of a validation."""
        if self._quiet:
            return
        scores, best = validation.scores, "  best so far" if validation.is_best else ""
        size = len(validation.sentences)
        self._bar.console.print(
            f"step {validation.step}: BLEU {scores.bleu:.2f}  chrF {scores.chrf:.2f}  loss "
            f"{validation.loss:.3f}  {size:,} sentences{best}",
            highlight=False,
        )
