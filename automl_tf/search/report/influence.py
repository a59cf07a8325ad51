"""Which settings mattered, and how BLEU went with each of them."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from automl_tf.config.space import Choices, Domain
from automl_tf.search.report.axes import own_axis
from automl_tf.search.report.material import ENDED, Material
from automl_tf.search.report.panel import END_MARKS, STATE_COLOURS, Figure, Panel, hover, plot
from automl_tf.search.report.words import setting, so_far
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE, TrialRow

_LEAST_FOR_SLICES = 3


def importances(material: Material) -> Panel:
    """The share of BLEU's variance that each setting explains."""
    title, shares = "Which settings mattered", material.board.importances
    if len(material.domains) == 1:
        only = next(iter(material.domains))
        return Panel("importances", title, f"Only {only} was searched: there is nothing to rank.")
    if not shares:
        return Panel("importances", title, _why_no_importances(material))
    text = (
        f"Share of the variance of BLEU that each setting explains among the "
        f"{len(material.complete)} complete trials (functional analysis of variance)"
        + ("; pruned trials are left out" if material.has_pruned else "")
        + ". It is a rough guide: with few trials it changes from one to the next."
    )
    names = list(reversed(shares))
    figure = plot(
        [
            go.Bar(
                x=[shares[name] for name in names],
                y=names,
                orientation="h",
                marker={"color": STATE_COLOURS["complete"]},
                text=[f"{shares[name]:.0%}" for name in names],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}: %{text}<extra></extra>",
            )
        ],
        xaxis={"tickformat": ".0%", "range": [0, 1.12 * max(shares.values())]},
        yaxis={"ticksuffix": " "},
        bargap=0.35,
    )
    height = 60 + 34 * len(names)
    return Panel("importances", title, text, [Figure("importances", title, figure, height=height)])


def _why_no_importances(material: Material) -> str:
    done = len(material.complete)
    if done < LEAST_FOR_IMPORTANCE:
        return (
            f"Importances need at least {LEAST_FOR_IMPORTANCE} complete trials, or they would be "
            f"read off noise; {so_far(done)}."
        )
    return "The complete trials do not differ enough to tell which setting mattered."


def slices(material: Material) -> Panel:
    """BLEU against each setting, one plot a setting."""
    title = "Setting by setting"
    ended = [trial for trial in material.scored if trial.state in ENDED]
    if len(ended) < _LEAST_FOR_SLICES:
        return Panel(
            "slices",
            title,
            f"These plots need {_LEAST_FOR_SLICES} trials that were validated and have ended; "
            f"{so_far(len(ended))}.",
        )
    text = (
        "The best BLEU of each trial against one setting at a time"
        + (", the most important first" if material.board.importances else "")
        + "."
    )
    if material.has_pruned:
        text += " Pruned trials, the crosses, show what they had reached when they were stopped."
    figures = [_slice(name, ended, material) for name in material.settings]
    return Panel("slices", title, text, figures, is_grid=True)


def _slice(name: str, ended: Sequence[TrialRow], material: Material) -> Figure:
    domain = material.domains[name]
    traces = []
    for state in reversed(ENDED):
        here = [trial for trial in ended if trial.state == state]
        traces.append(
            go.Scatter(
                x=[_spelled(domain, trial.params[name]) for trial in here],
                y=[trial.best_bleu for trial in here],
                mode="markers",
                name=state,
                opacity=0.85,
                marker={
                    "color": STATE_COLOURS[state],
                    "symbol": END_MARKS.get(state, "circle"),
                    "size": 8,
                },
                text=[hover(trial, f"best BLEU {trial.best_bleu:.2f}") for trial in here],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    figure = plot(
        [trace for trace in traces if trace.x],
        xaxis=own_axis(domain),
        yaxis={"title": {"text": "BLEU"}},
        showlegend=False,
    )
    return Figure(f"slice-{name}", f"BLEU against {name}", figure, height=250, caption=name)


def _spelled(domain: Domain, value: Any) -> Any:  # noqa: ANN401 - any setting
    return setting(value) if isinstance(domain, Choices) else value
