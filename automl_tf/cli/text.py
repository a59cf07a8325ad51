"""Texts and tables about studies: header, events and end of a search; leaderboards."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from automl_tf.config.study import StudyConfig
from automl_tf.formatting import (
    HOUR,
    format_amount,
    format_count,
    format_counts,
    format_duration,
    format_plural,
    format_score,
    format_setting,
)
from automl_tf.search.confirmation import COLUMNS, confirmation_rows, confirmation_words
from automl_tf.search.events import (
    Event,
    LogMessage,
    TrialEnded,
    TrialEvent,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.pool import OutcomeKind, SearchOutcome
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE, StudyView, TrialView

if TYPE_CHECKING:
    from automl_tf.search.plan import SearchPlan

PlaceOptions = Mapping[str, str]
"""Values of ``--home``, ``--storage`` and ``--tracking`` that the next commands need."""

_ENDINGS = {OutcomeKind.TIME_OVER: "The time is over", OutcomeKind.INTERRUPTED: "Interrupted"}

STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "failed": "red",
    "running": "cyan",
    "waiting": "cyan",
    "paused": "cyan",
}
"""Colour of each state."""

BARS = "▁▂▃▄▅▆▇█"
PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, where no terminal sets a width."""


def format_header(config: StudyConfig, workers: int, view: StudyView, corpus: str) -> str:
    """Returns two lines about a search that begins; the corpus is given in words."""
    done = f", {view.spent} done before" if view.spent else ""
    again = ""
    if config.confirm is not None:
        again = f", then the best {config.confirm.top} with {config.confirm.seeds} fresh seeds"
    return (
        f"study {config.name}: {format_plural(config.budget.trials, 'trial')}{done}{again}, "
        f"{format_plural(workers, 'worker')}, "
        f"sampler {config.sampler.kind}, pruner {config.pruner.kind}\n{corpus}"
    )


def format_plan(plan: "SearchPlan") -> str:
    """Returns a line that says what a search is about to take."""
    needs = f"up to {plan.memory_mb / 1e3:.1f} GB of memory and {plan.disk_mb / 1e3:.1f} GB of disk"
    if plan.seconds_a_training is None or plan.hours is None or plan.num_trainings is None:
        return f"plan: {needs}"
    trainings = format_plural(plan.num_trainings, "whole training")
    return (
        f"plan: about {format_duration(HOUR * plan.hours)}, {trainings} of about "
        f"{format_duration(plan.seconds_a_training)}; {needs}"
    )


def format_event(event: Event) -> str | None:
    """Returns a line about an event, or None for an event that is not worth one."""
    match event:
        case TrialStarted():
            verb = "resumes" if event.resumed else "starts"
            settings = [f"{name}={format_setting(value)}" for name, value in event.params.items()]
            size = f"{format_count(event.num_parameters)} parameters"
            return f"{_name(event)} {verb}: {size}, {' '.join(settings)}"
        case TrialValidated():
            scores = f"BLEU {format_score(event.bleu)} chrF {format_score(event.chrf)}"
            return f"{_name(event)} step {event.step}: {scores}"
        case TrialEnded():
            bleu = "" if event.bleu is None else f", best BLEU {format_score(event.bleu)}"
            reason = "" if event.reason is None else f": {event.reason}"
            spent = format_duration(event.seconds)
            return f"{_name(event)} {event.state}{bleu}, {spent}{reason}"
        case LogMessage():
            return event.text
    return None


def _name(event: TrialEvent) -> str:
    if event.confirms is None:
        return f"trial {event.trial}"
    return f"confirmation {event.trial} of trial {event.confirms}"


def format_progress(spent: int, budget: int, counts: Mapping[str, int]) -> str:
    """Returns how much of a budget of trials is spent, and the number of trials in each state."""
    states = format_counts(counts)
    return f"{spent} of {format_plural(budget, 'trial')}" + (f": {states}" if states else "")


def format_summary(view: StudyView, options: PlaceOptions, outcome: SearchOutcome) -> list[str]:
    """Returns the lines at the end of a search: the best configuration and the next commands."""
    lines = ["", f"study {view.study}: {format_counts(view.counts) or 'no trials'}"]
    if outcome.is_resumable:
        ending = _ENDINGS[outcome.kind]
        lines.append(f"{ending}. Everything is saved; the same command resumes the search.")
    best = [trial for trial in view.trials if trial.number in view.best]
    if not best:
        return [*lines, "No trial is complete yet."]
    for trial in best:
        lines += _format_best(trial, [name for name, _ in view.objectives])
    if view.confirmation is not None:
        lines += confirmation_words(view.confirmation)
    return [
        *lines,
        "next:",
        f"  automl-tf ui{_repeat(options, '--home', '--tracking')}",
        f"  automl-tf export {view.study} -o best.yaml{_repeat(options, '--home', '--storage')}",
        f"  automl-tf train best.yaml{_repeat(options, '--home', '--tracking')}",
    ]


def _repeat(options: PlaceOptions, *names: str) -> str:
    return "".join(f" {name} {shlex.quote(options[name])}" for name in names if name in options)


def _format_best(trial: TrialView, objectives: Sequence[str]) -> list[str]:
    """Returns lines with the values and the settings of a trial."""
    pairs = zip(objectives, _values(trial, objectives), strict=True)
    values = ", ".join(f"{name} {value}" for name, value in pairs)
    settings = [f"  {name}: {format_setting(value)}" for name, value in trial.params.items()]
    size = f"{format_count(trial.num_parameters)} parameters"
    return [f"best: trial {trial.number}, {values}, {size}", *settings]


def print_studies(views: Sequence[StudyView]) -> None:
    """Prints a table with one row a study."""
    if not views:
        _console().print("no studies yet: automl-tf search studies/quickstart.yaml")
        return
    table = plain_table(("study", *views[0].counts, "best BLEU"), left=("study",))
    table.columns[0].no_wrap = False
    for view in views:
        merits = [merit for trial in view.trials if (merit := trial.best_merit) is not None]
        best = format_score(max(merits).bleu) if merits else ""
        table.add_row(view.study, *(format_count(count) for count in view.counts.values()), best)
    _console().print(table)


def print_leaderboard(view: StudyView) -> None:
    """Prints the trials, best first, the reasons of their ends, and what matters of the settings.

    Settings get columns of their own where the terminal is wide enough.
    """
    console = _console()
    objectives = ", ".join(f"{name} ({direction})" for name, direction in view.objectives)
    counts = format_counts(view.counts) or "no trials"
    console.print(f"{view.study}: {counts}; objectives {objectives}")
    settings = sorted({name for trial in view.trials for name in trial.params})
    # In a terminal, one word a line keeps columns narrow; in a file, names stay whole.
    gap = "\n" if console.is_terminal else "_"
    table = _trials_table(view, settings, gap)
    unlimited = console.options.update(max_width=sys.maxsize)
    is_wide = Measurement.get(console, unlimited, table).maximum <= console.width
    # Rich would cut off the numbers of columns that it has to squeeze.
    console.print(table if is_wide else _trials_table(view, [], gap))
    console.print(_remarks(view, [] if is_wide else settings))
    if view.confirmation is not None:
        table = plain_table(COLUMNS)
        for row in confirmation_rows(view.confirmation):
            table.add_row(*row)
        console.print(table)
        console.print("\n".join(confirmation_words(view.confirmation)))
    if len(view.objectives) > 1 and view.best:
        console.print(f"Pareto front: trials {', '.join(map(str, view.best))}")
    _print_importances(view, console)
    console.print(f"MLflow: {view.mlflow['tracking_uri']}, experiment {view.study}")


def _print_importances(view: StudyView, console: Console) -> None:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in view.importances.items())
    if shares:
        console.print(f"importance for {view.objectives[0][0]}: {shares}")
    elif view.counts["complete"] < LEAST_FOR_IMPORTANCE:
        console.print(f"importances are shown from {LEAST_FOR_IMPORTANCE} complete trials on")


def plain_table(names: Sequence[str], left: Sequence[str] = ()) -> Table:
    """Returns an empty table without lines; cells are on the right but in the columns of `left`."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return table


def _trials_table(view: StudyView, settings: Sequence[str], gap: str) -> Table:
    titles = [name.split(".")[-1].replace("_", gap) for name in settings]
    objectives = [name for name, _ in view.objectives]
    columns = ("trial", "state", *objectives, "BLEU by step", *titles, "parameters", "seconds")
    table = plain_table(columns, left=("state", "BLEU by step"))
    bleus = [bleu for trial in view.trials for bleu in trial.intermediate.values()]
    for trial in view.ranked():
        table.add_row(
            f"{'*' if trial.number in view.best else ''}{trial.number}",
            Text(trial.state, style=STYLES[trial.state]),
            *_values(trial, objectives),
            sparkline(list(trial.intermediate.values()), max(bleus, default=0.0)),
            *(format_setting(trial.params.get(name, "")) for name in settings),
            format_count(trial.num_parameters),
            format_count(trial.seconds),
        )
    return table


def _values(trial: TrialView, objectives: Sequence[str]) -> list[str]:
    """Returns the values of a trial; the best BLEU, in brackets, of one that has none."""
    if trial.values:
        pairs = zip(objectives, trial.values, strict=False)
        return [format_amount(name, value) for name, value in pairs]
    best = "" if trial.best_bleu is None else f"({format_score(trial.best_bleu)})"
    return [best, *[""] * (len(objectives) - 1)]


def _remarks(view: StudyView, settings: Sequence[str]) -> Table:
    """Returns a line for each trial with a reason or settings to show."""
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    for trial in view.ranked():
        shown = ", ".join(
            f"{name.split('.')[1]} {format_setting(trial.params[name])}"
            for name in settings
            if name in trial.params
        )
        remark = "; ".join(part for part in (_position(trial), trial.reason or "", shown) if part)
        if remark:
            table.add_row(f"trial {trial.number}:", remark)
    return table


def _position(trial: TrialView) -> str:
    """Returns the last validation of a running trial."""
    if trial.state != "running":
        return ""
    if trial.last_step is None:
        return "not validated yet"
    bleu = format_score(trial.intermediate[trial.last_step])
    return f"BLEU {bleu} at step {trial.last_step} of {trial.max_steps}"


def sparkline(values: Sequence[float], highest: float) -> str:
    """Returns values from zero up as a row of bars; the tallest one stands for `highest`."""
    top = highest or 1.0
    return "".join(BARS[min(len(BARS) - 1, int(value / top * len(BARS)))] for value in values)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_WIDTH)
