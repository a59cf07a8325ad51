"""How the trials learned, and how the best of them rose from trial to trial."""

from collections.abc import Iterator, Sequence
from typing import Final

import plotly.graph_objects as go

from automl_tf.search.report.material import ENDED, Material
from automl_tf.search.report.panel import (
    END_MARKS,
    STATE_COLOURS,
    Figure,
    Panel,
    hover,
    legend_above,
    plot,
)
from automl_tf.search.report.words import so_far
from automl_tf.search.study_view import TrialRow

_LEAST_FOR_HISTORY = 2
GROWING: Final = (
    " Early validations take fewer sentences of the split; where their number grows, a curve may "
    "bend."
)


def learning_curves(material: Material) -> Panel:
    """BLEU by optimizer step of every trial, and where trials were pruned."""
    title, scored = "Learning curves", material.scored
    if not scored:
        return Panel("curves", title, "No trial has been validated yet.")
    pruned = sum(trial.state == "pruned" for trial in scored)
    text = (
        "Validation BLEU of each trial by optimizer step. "
        + ("The thick line is the best trial. " if material.winner else "")
        + ("The dotted line is the base configuration. " if _shows_base(material) else "")
        + (f"A cross marks where one of {pruned} trials was pruned." if pruned > 1 else "")
        + ("The cross marks where a trial was pruned." if pruned == 1 else "")
        + (GROWING if any(len(set(trial.sentences.values())) > 1 for trial in scored) else "")
    )
    figure = plot(
        [*_curves(material), *_ends(material)],
        xaxis={"title": {"text": "optimizer step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "validation BLEU"}, "rangemode": "tozero"},
        legend=legend_above(),
    )
    return Panel("curves", title, text, [Figure("curves", title, figure, height=480)])


def _shows_base(material: Material) -> bool:
    base = material.base
    return base is not None and bool(base.intermediate) and base is not material.winner


def _curves(material: Material) -> Iterator[go.Scatter]:
    seen: set[str] = set()
    for trial in sorted(material.scored, key=lambda trial: trial is material.winner):
        group = _group(trial, material)
        in_legend = group not in seen and group not in END_MARKS
        yield _curve(trial, material, group, in_legend=in_legend)
        seen.add(group)


def _group(trial: TrialRow, material: Material) -> str:
    """The entry of the legend that shows and hides a curve."""
    if trial is material.winner:
        return f"best (trial {trial.number})"
    return f"base (trial {trial.number})" if trial is material.base else trial.state


def _curve(trial: TrialRow, material: Material, group: str, *, in_legend: bool) -> go.Scatter:
    is_best = trial is material.winner
    colour = STATE_COLOURS[trial.state]
    steps = sorted(trial.intermediate)
    is_base = trial is material.base and not is_best
    return go.Scatter(
        x=steps,
        y=[trial.intermediate[step] for step in steps],
        mode="lines+markers",
        line={
            "color": colour,
            "width": 4 if is_best else 2 if is_base else 1.4,
            "dash": "dot" if is_base else "solid",
        },
        marker={"size": 4, "color": colour},
        opacity=1.0 if is_best or is_base else 0.7,
        name=group,
        legendgroup=group,
        showlegend=in_legend,
        hovertemplate=hover(trial, "BLEU %{y:.2f} at step %{x:,}") + "<extra></extra>",
    )


def _ends(material: Material) -> Iterator[go.Scatter]:
    """Marks where trials ended before their time; in the legend they stand for their state."""
    for state, mark in END_MARKS.items():
        here = [trial for trial in material.scored if trial.state == state]
        steps = [max(trial.intermediate) for trial in here]
        if here:
            yield go.Scatter(
                x=steps,
                y=[trial.intermediate[step] for trial, step in zip(here, steps, strict=True)],
                mode="markers",
                marker={"symbol": mark, "size": 9, "color": STATE_COLOURS[state]},
                name=state,
                legendgroup=state,
                hoverinfo="skip",
            )


def history(material: Material) -> Panel:
    """The BLEU of each trial in the order of the trials, and the best so far."""
    title = "Progress of the search"
    ended = [trial for trial in material.scored if trial.state in ENDED]
    if len(ended) < _LEAST_FOR_HISTORY or not material.complete:
        return Panel(
            "history",
            title,
            f"This plot needs {_LEAST_FOR_HISTORY} trials that were validated and have ended, one "
            f"of them complete; {so_far(len(ended))}.",
        )
    text = "The best BLEU of each trial, and the best complete trial so far."
    if material.has_pruned:
        text += (
            " A pruned trial shows what it had reached when it was stopped, not what it would "
            "have reached."
        )
    figure = plot(
        [*_points(ended), _best_so_far(material.complete, ended[-1].number)],
        xaxis={"title": {"text": "trial"}, "tickformat": "d", "minallowed": -1},
        yaxis={"title": {"text": "best validation BLEU"}},
        legend=legend_above(),
    )
    return Panel("history", title, text, [Figure("history", title, figure, height=380)])


def _points(trials: Sequence[TrialRow]) -> Iterator[go.Scatter]:
    for state in ENDED:
        here = [trial for trial in trials if trial.state == state]
        if here:
            yield go.Scatter(
                x=[trial.number for trial in here],
                y=[trial.best_bleu for trial in here],
                mode="markers",
                name=state,
                marker={
                    "symbol": END_MARKS.get(state, "circle"),
                    "size": 9,
                    "color": STATE_COLOURS[state],
                },
                text=[hover(trial, f"best BLEU {trial.best_bleu:.2f}") for trial in here],
                hovertemplate="%{text}<extra></extra>",
            )


def _best_so_far(complete: Sequence[TrialRow], last: int) -> go.Scatter:
    best, numbers, highest = float("-inf"), [], []
    for trial in complete:
        assert trial.values is not None, "a complete trial has a value"
        best = max(best, trial.values[0])
        numbers.append(trial.number)
        highest.append(best)
    return go.Scatter(
        x=[*numbers, last],
        y=[*highest, best],
        mode="lines",
        line={"shape": "hv", "color": STATE_COLOURS["complete"], "width": 2},
        name="best so far",
        hovertemplate="best so far: BLEU %{y:.2f}<extra></extra>",
    )
