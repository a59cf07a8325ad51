"""When and where the trials ran, and what pruning spared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from automl_tf.search.context import STATE_NAMES
from automl_tf.search.report.material import Material
from automl_tf.search.report.panel import (
    ON_COLOURS,
    STATE_COLOURS,
    Figure,
    Panel,
    hover,
    legend_above,
    plot,
)
from automl_tf.search.report.words import count, duration
from automl_tf.search.schema import SECONDS, WORKER
from automl_tf.search.study_view import TrialRow


@dataclass(frozen=True)
class Cost:
    """What a study took.

    Attributes:
        trained: Seconds of training, all trials together.
        saved: Seconds that pruned trials would have gone on for at their own pace.
        wall: Seconds from the first trial's start to the last one's end.
        by_state: Number of trained trials and their seconds of training, for each state.
    """

    trained: float
    saved: float
    wall: float
    by_state: dict[str, tuple[int, float]]


def cost(material: Material) -> Cost:
    """Adds up what the trials took."""
    rows = [trial for trial in material.board.trials if trial.seconds > 0]
    by_state = {}
    for state in STATE_NAMES.values():
        seconds = [trial.seconds for trial in rows if trial.state == state]
        if seconds:
            by_state[state] = (len(seconds), sum(seconds))
    starts = [trial.datetime_start for trial in material.trials if trial.datetime_start]
    ends = [_end(trial) for trial in material.trials if trial.datetime_start]
    return Cost(
        trained=sum(trial.seconds for trial in rows),
        saved=sum(_saved(trial) for trial in rows if trial.state == "pruned"),
        wall=(max(ends) - min(starts)).total_seconds() if starts else 0.0,
        by_state=by_state,
    )


def _saved(trial: TrialRow) -> float:
    """Seconds for the steps that a pruned trial did not make."""
    if trial.last_step is None or trial.max_steps is None:
        return 0.0
    return trial.seconds / trial.last_step * (trial.max_steps - trial.last_step)


def cost_words(material: Material) -> list[str]:
    """The cost in sentences."""
    spent = cost(material)
    if not spent.trained:
        return ["No trial has been trained yet."]
    states = ", ".join(
        f"{count(number, f'{state} trial')} {duration(seconds)}"
        for state, (number, seconds) in spent.by_state.items()
    )
    total = f"{duration(spent.trained)} of training in all ({states})"
    lines = [f"{total}, within {duration(spent.wall)} from the first start to the last end."]
    if spent.saved:
        share = spent.saved / (spent.saved + spent.trained)
        lines.append(
            f"Pruning saved about {duration(spent.saved)}, {share:.0%} of what all trials would "
            "have taken to their end: the steps that the pruned trials did not make, at the pace "
            "of those that they made."
        )
    elif material.definition.config.pruner.kind == "none":
        lines.append("Nothing was pruned: the study has no pruner.")
    else:
        lines.append("No trial has been pruned yet, so no time was saved.")
    untrained = sum(not trial.was_trained for trial in material.board.trials)
    if untrained:
        lines.append(
            f"{count(untrained, 'proposal')} broke a constraint and cost no training at all."
        )
    return lines


def timeline(material: Material) -> Panel:
    """Which worker had which trial when."""
    title = "Who did what, and when"
    started = [
        (row, trial)
        for row, trial in zip(material.board.trials, material.trials, strict=True)
        if trial.datetime_start and row.state != "waiting"
    ]
    if not started:
        return Panel("timeline", title, " ".join(cost_words(material)))
    workers = _workers([trial for _, trial in started])
    figure = plot(
        _bars(started, workers),
        barmode="overlay",
        uniformtext={"mode": "hide", "minsize": 9},
        bargap=0.3,
        xaxis={"type": "date"},
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": list(reversed(workers.values())),
            "ticksuffix": " ",
        },
        legend=legend_above(),
    )
    text = (
        f"{' '.join(cost_words(material))} Each bar is a trial: one that was interrupted shows its "
        "last session, one that runs reaches to its last validation. A worker is a process: one "
        "that was started again has a line of its own."
    )
    height = 110 + 34 * len(workers)
    return Panel("timeline", title, text, [Figure("timeline", title, figure, height=height)])


def _workers(trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """A short name for each worker, in the order of their first trials."""
    ordered = sorted(trials, key=_start)
    known = dict.fromkeys(trial.user_attrs.get(WORKER, "") for trial in ordered)
    return {worker: f"worker {number}" for number, worker in enumerate(known, start=1)}


def _bars(
    started: Sequence[tuple[TrialRow, FrozenTrial]], workers: dict[str, str]
) -> Iterator[go.Bar]:
    for state in STATE_NAMES.values():
        here = [(row, trial) for row, trial in started if row.state == state]
        if here:
            yield go.Bar(
                orientation="h",
                y=[workers[trial.user_attrs.get(WORKER, "")] for _, trial in here],
                base=[_start(trial).isoformat() for _, trial in here],
                x=[1000 * (_end(trial) - _start(trial)).total_seconds() for _, trial in here],
                name=state,
                marker={"color": STATE_COLOURS[state], "line": {"width": 0}},
                text=[str(row.number) for row, _ in here],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": ON_COLOURS, "size": 11},
                customdata=[_bar_words(row, trial) for row, trial in here],
                hovertemplate="%{customdata}<extra></extra>",
            )


def _bar_words(row: TrialRow, trial: FrozenTrial) -> str:
    host, _, process = trial.user_attrs.get(WORKER, "").partition(":")
    lasted = (_end(trial) - _start(trial)).total_seconds()
    place = f"{duration(lasted)} on {host}, process {process.partition(':')[0]}"
    best = "" if row.best_bleu is None else f"best BLEU {row.best_bleu:.2f}<br>"
    return hover(row, f"{best}{place}")


def _start(trial: FrozenTrial) -> datetime:
    assert trial.datetime_start is not None, "only trials that have started are asked"
    return trial.datetime_start


def _end(trial: FrozenTrial) -> datetime:
    """When a trial ended, or was last heard of. Optuna's times are local and say no zone."""
    if trial.datetime_complete is not None:
        return trial.datetime_complete
    now = datetime.now(tz=UTC).astimezone().replace(tzinfo=None)
    return min(now, _start(trial) + timedelta(seconds=trial.user_attrs.get(SECONDS, 0.0)))
