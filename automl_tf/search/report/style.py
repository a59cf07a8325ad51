"""Style of the report's figures: Optuna's own and those of this package look alike."""

import html
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from automl_tf.formatting import format_setting
from automl_tf.search.schema import STATE_NAMES
from automl_tf.search.study_view import TrialView

Plot = dict[str, Any]
"""A figure in Plotly's JSON form: ``data`` and ``layout``."""

STATE_COLOURS: Final = {
    "complete": "#3d8bd4",
    "pruned": "#e09b1a",
    "failed": "#d9485f",
    "running": "#23a394",
    "waiting": "#8b93a1",
}
"""Colour of each state, told apart on white and on black, and by the colour-blind."""

END_MARKS: Final = {"pruned": "x", "failed": "diamond", "running": "circle-open"}
"""Marks of trials that did not come to their end; those that did are circles."""

LOW_TO_HIGH: Final = [[0.0, "#8d99ae"], [0.45, "#3f93c9"], [0.75, "#7a4fd0"], [1.0, "#e0407b"]]
"""Colours of low to high values: the low ones recede on white and on black."""

_NAMES: Final = {
    "BLEU": "complete",
    "Best Value": "best so far",
    **{state.name: name for state, name in STATE_NAMES.items()},
}
"""Names of Optuna's traces, and the words for them here."""


class Figure(NamedTuple):
    """A figure with its description for screen readers and its size in pixels."""

    key: str
    description: str
    plot: Plot
    height: int
    min_width: int = 0
    """Width below which it scrolls sideways instead of being squeezed."""
    caption: str = ""
    """A line above it. Figures with one stand side by side where there is room."""


class Panel(NamedTuple):
    """Content of a section: figures with an explanation, or the reason why there are none."""

    text: str
    figures: Sequence[Figure] = ()


def restyled(made: Plot, **layout: Any) -> Plot:  # noqa: ANN401 - Plotly's
    """Returns a figure in the style of the page, which adds the colours of its theme.

    Removes titles, templates, colour bars and fixed colours of text, puts the legend above the
    plot, and names and colours states as everywhere in the program. The given parts of the layout
    replace those of the figure.
    """
    traces = [trace for trace in made["data"] if len(trace.get("x", ())) > 0]
    dropped = {"title", "template", "plot_bgcolor", "width", "legend"}
    kept = {name: part for name, part in made.get("layout", {}).items() if name not in dropped}
    for note in kept.get("annotations", ()):
        note["font"] = {"size": 11}
    for axis in ("xaxis", "yaxis"):
        if kept.get(axis, {}).get("type") == "log":
            kept[axis]["tickformat"] = "~g"  # 0.0002 in place of 200µ, and of a lone 2
            kept[axis] |= {"nticks": 2} if axis == "xaxis" else {}  # labels as long as these
    for trace in traces:
        _restyle_trace(trace)
    style = {
        "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
    return {"data": traces, "layout": {**style, **kept, **layout}}


def _restyle_trace(trace: Plot) -> None:
    name = trace.get("name", "")
    trace["name"] = name = _NAMES.get(name, name)
    marker = trace.setdefault("marker", {})
    marker.pop("colorbar", None)
    if "colorscale" in marker:
        marker.update(colorscale=LOW_TO_HIGH, showscale=False, line={"width": 0}, size=9)
    elif name in STATE_COLOURS:
        marker["color"] = STATE_COLOURS[name]
        if trace.get("mode") == "markers":
            marker.update(size=9, symbol=END_MARKS.get(name, "circle"))


def hover(trial: TrialView, *lines: str) -> str:
    """Returns the words at the point of a trial: the figure's own lines or else the best BLEU."""
    best = () if trial.best_bleu is None else (f"best BLEU {trial.best_bleu:.2f}",)
    settings = [
        f"{name.split('.', 1)[-1]} {format_setting(at)}" for name, at in trial.params.items()
    ]
    why = textwrap.wrap(trial.reason or "", 60, break_long_words=False, break_on_hyphens=False)
    head = f"<b>trial {trial.number}</b>, {trial.state}"
    # Tags in a reason are text.
    reason = [html.escape(line, quote=False) for line in why]
    return "<br>".join([head, *(lines or best), *settings, *reason])


def texts(words: Sequence[str]) -> Plot:
    """Returns the words at the points of a trace."""
    return {"text": words, "hovertemplate": "%{text}<extra></extra>"}


def unfinished(
    trials: Sequence[TrialView], place: Callable[[TrialView], tuple[Any, float | None]]
) -> Iterator[Plot]:
    """Yields traces of those trials that are not complete, which Optuna's figures leave out.

    The place of a trial is that on both axes.
    """
    for state in END_MARKS:
        here = [trial for trial in trials if trial.state == state]
        places = [place(trial) for trial in here]
        yield {
            "type": "scatter",
            "mode": "markers",
            "name": state,
            "legendgroup": state,
            "x": [x for x, _ in places],
            "y": [y for _, y in places],
            **texts([hover(trial) for trial in here]),
        }
