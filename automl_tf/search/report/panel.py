"""A part of the page: a question's answer in words, and figures that show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go

from automl_tf.search.report.words import setting
from automl_tf.search.study_view import TrialRow

STATE_COLOURS = {
    "complete": "#3d8bd4",
    "pruned": "#e09b1a",
    "failed": "#d9485f",
    "running": "#23a394",
    "waiting": "#8b93a1",
}
"""Colour of each state, told apart on white and on black, and by the colour-blind."""

ON_COLOURS = "#10141a"
"""Colour of text on any of them."""

END_MARKS = {"pruned": "x", "failed": "diamond", "running": "circle-open"}
"""Marks of trials that did not come to their end; those that did are circles."""

LOW_TO_HIGH = [[0.0, "#8d99ae"], [0.45, "#3f93c9"], [0.75, "#7a4fd0"], [1.0, "#e0407b"]]
"""Colours of low to high BLEU: the low ones recede on white and on black."""

_ALWAYS = {"margin": {"l": 8, "r": 12, "t": 8, "b": 8}, "hovermode": "closest"}


@dataclass(frozen=True)
class Figure:
    """One plot.

    Attributes:
        key: Its name within the page.
        description: What it shows, for those who cannot see it.
        plot: The figure.
        height: Its height in pixels.
        min_width: Pixels below which it scrolls sideways instead of being squeezed.
        caption: A line above it.
    """

    key: str
    description: str
    plot: go.Figure
    height: int = 420
    min_width: int = 0
    caption: str = ""


@dataclass(frozen=True)
class Panel:
    """One part of the page.

    Attributes:
        key: Its name within the page.
        title: Its heading.
        text: What is to be seen, or what is missing for something to be seen.
        figures: The plots, if there is enough to plot.
        is_grid: Whether the figures stand side by side where there is room.
    """

    key: str
    title: str
    text: str
    figures: Sequence[Figure] = field(default=())
    is_grid: bool = False


def plot(traces: Iterable[Any], **layout: Any) -> go.Figure:  # noqa: ANN401 - Plotly's own
    """A figure without a theme: the page gives it the colours of day or night."""
    made = go.Figure(data=list(traces))
    made.update_layout(template="none", **{**_ALWAYS, **layout})
    return made


def legend_above() -> dict[str, Any]:
    """A legend in a row over the plot, where it takes no width from it."""
    return {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}


def colour_bar(title: str) -> dict[str, Any]:
    """A colour bar in a row over the plot."""
    return {
        "orientation": "h",
        "title": {"text": title, "side": "top", "font": {"size": 12}},
        "tickfont": {"size": 11},
        "thickness": 10,
        "len": 0.6,
        "x": 0,
        "xanchor": "left",
        "y": 1.02,
        "yanchor": "bottom",
        "outlinewidth": 0,
    }


def hover(trial: TrialRow, first: str) -> str:
    """What the point of a trial says: the trial, a line of the plot's own, the settings."""
    settings = [f"{name.split('.', 1)[1]} {setting(value)}" for name, value in trial.params.items()]
    return "<br>".join([f"<b>trial {trial.number}</b>, {trial.state}", first, *settings])
