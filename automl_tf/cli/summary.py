"""A search in words: its header, an event, and the end with what to type next."""

import shlex
from collections.abc import Mapping
from typing import Any

from automl_tf.config.study import StudyConfig
from automl_tf.search.confirming.words import confirmation_words
from automl_tf.search.events import Event, Notice, TrialEnded, TrialStarted, TrialValidated
from automl_tf.search.study_view import StudyView, TrialRow

Given = Mapping[str, str]
"""Options of places by name, as the next commands need them."""


def header(config: StudyConfig, workers: int, board: StudyView, corpus: str) -> str:
    """What is about to run, in two lines."""
    resumed = f", {board.spent} done before" if board.spent else ""
    noun = "worker" if workers == 1 else "workers"
    asked = config.confirm
    again = "" if asked is None else f", then the best {asked.top} with {asked.seeds} fresh seeds"
    return (
        f"study {config.name}: {config.budget.trials} trials{resumed}{again}, {workers} {noun}, "
        f"sampler {config.sampler.kind}, pruner {config.pruner.kind}\n{corpus}"
    )


def plain_line(event: Event) -> str | None:
    """An event in words, if it is worth a line."""
    match event:
        case TrialStarted():
            verb = "goes on" if event.resumed else "starts"
            if event.confirms is not None:
                verb = f"{verb}, confirms trial {event.confirms}"
            settings = " ".join(f"{name}={_value(value)}" for name, value in event.params.items())
            return f"trial {event.trial} {verb}: {event.num_parameters:,} parameters, {settings}"
        case TrialValidated():
            scores = f"BLEU {event.bleu:.2f} chrF {event.chrf:.2f}"
            return f"trial {event.trial} step {event.step}: {scores}"
        case TrialEnded():
            bleu = "" if event.bleu is None else f", best BLEU {event.bleu:.2f}"
            reason = "" if event.reason is None else f": {event.reason}"
            return f"trial {event.trial} {event.state}{bleu}, {event.seconds:.0f} s{reason}"
        case Notice():
            return event.text
    return None


def standing_words(spent: int, budget: int, counts: Mapping[str, int]) -> str:
    """How much of a budget of trials is spent, and the trials by their states."""
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{spent} of {budget} trials" + (f": {states}" if states else "")


def clock(seconds: float) -> str:
    """A time as a clock shows it, as in ``2:05`` or ``1:02:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def summary(board: StudyView, given: Given, *, interrupted: bool) -> list[str]:
    """The end of a search in lines: the best configuration and what to type next.

    Args:
        board: The study as it stands.
        given: The options that the person gave for places, which the next commands need too.
        interrupted: Whether the search was left before its budget was spent.
    """
    counts = ", ".join(f"{count} {state}" for state, count in board.counts.items() if count)
    lines = ["", f"study {board.study}: {counts or 'no trials'}"]
    if interrupted:
        lines.append("Interrupted; everything is saved. The same command goes on from here.")
    best = [trial for trial in board.trials if trial.number in board.best]
    if not best:
        return [*lines, "No trial is complete yet."]
    for trial in best:
        lines += best_lines(trial, [name for name, _ in board.objectives])
    if board.confirmation is not None:
        lines += confirmation_words(board.confirmation)
    return [
        *lines,
        "next:",
        f"  automl-tf ui{_again(given, '--home', '--tracking')}",
        f"  automl-tf export {board.study} -o best.yaml{_again(given, '--home', '--storage')}",
        f"  automl-tf train best.yaml{_again(given, '--home', '--tracking')}",
    ]


def _again(given: Given, *names: str) -> str:
    return "".join(f" {name} {shlex.quote(given[name])}" for name in names if name in given)


def best_lines(trial: TrialRow, objectives: list[str]) -> list[str]:
    """A trial with its values and its settings."""
    values = ", ".join(
        f"{name} {value:.4g}" for name, value in zip(objectives, trial.values or [], strict=False)
    )
    settings = [f"  {name}: {_value(value)}" for name, value in trial.params.items()]
    return [f"best: trial {trial.number}, {values}, {trial.num_parameters:,} parameters", *settings]


def _value(value: Any) -> str:  # noqa: ANN401 - any setting
    return f"{value:.4g}" if isinstance(value, float) else str(value)
