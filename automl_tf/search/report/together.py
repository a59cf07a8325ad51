"""Settings seen together: all of them as lines, the two most important ones as a surface."""

from collections.abc import Iterator, Sequence
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna.trial import FrozenTrial
from plotly.colors import sample_colorscale

from automl_tf.search.report.axes import height, log_axis, marked_values, number_axis
from automl_tf.search.report.material import Material
from automl_tf.search.report.panel import LOW_TO_HIGH, Figure, Panel, colour_bar, hover, plot
from automl_tf.search.report.words import count, is_or_are, listed, setting, so_far
from automl_tf.search.study_view import TrialRow

_LEAST_FOR_PARALLEL = 3
_LEAST_FOR_CONTOUR = 12
_LEAST_VALUES = 3
_AXIS_PIXELS = 100
"""Width that an axis with its words needs."""


def parallel(material: Material) -> Panel:
    """Every trial as a line through its settings."""
    title, complete = "All settings at once", material.complete
    if len(complete) < _LEAST_FOR_PARALLEL or len(material.domains) == 1:
        return Panel(
            "parallel",
            title,
            f"Parallel coordinates need {_LEAST_FOR_PARALLEL} complete trials and two searched "
            f"settings; so far there {is_or_are(len(complete))} "
            f"{count(len(complete), 'complete trial')} over "
            f"{count(len(material.domains), 'setting')}.",
        )
    text = (
        "Each line is a complete trial on its way through its settings to its BLEU. Look where "
        "the lines that end high come together."
    )
    names = material.settings
    figure = plot(
        _lines(complete, material),
        xaxis={"visible": False, "range": [-0.2, len(names) + 0.45]},
        yaxis={"visible": False, "range": [-0.06, 1.14]},
        annotations=list(_axis_words(complete, material)),
        shapes=[
            {"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "layer": "below"}
            for place in range(len(names) + 1)
        ],
        showlegend=False,
    )
    width = _AXIS_PIXELS * (len(names) + 1)
    return Panel(
        "parallel", title, text, [Figure("parallel", title, figure, height=440, min_width=width)]
    )


def _lines(complete: Sequence[TrialRow], material: Material) -> Iterator[go.Scatter]:
    low, high = _bleu_range(complete)
    for trial in sorted(complete, key=lambda trial: trial.values or []):
        assert trial.values is not None, "a complete trial has a value"
        share = (trial.values[0] - low) / (high - low)
        heights = [height(material.domains[name], trial.params[name]) for name in material.settings]
        is_best = trial is material.winner
        yield go.Scatter(
            x=list(range(len(heights) + 1)),
            y=[*heights, share],
            mode="lines+markers",
            line={
                "color": sample_colorscale(LOW_TO_HIGH, share)[0],
                "width": 4 if is_best else 1.6,
            },
            marker={"size": 5},
            opacity=1.0 if is_best else 0.75,
            hovertemplate=hover(trial, f"BLEU {trial.values[0]:.2f}") + "<extra></extra>",
        )


def _bleu_range(complete: Sequence[TrialRow]) -> tuple[float, float]:
    """The lowest and the highest BLEU, a little apart where all are the same."""
    bleus = [trial.values[0] for trial in complete if trial.values]
    low, high = min(bleus), max(bleus)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _axis_words(complete: Sequence[TrialRow], material: Material) -> Iterator[dict[str, Any]]:
    """Names above the axes and values beside them."""
    for place, name in enumerate(material.settings):
        group, short = name.split(".", 1)
        domain = material.domains[name]
        yield _words(place, 1.06, f"{group}<br>{short}", "center")
        for value in marked_values(domain):
            yield _words(place, height(domain, value), setting(value), "left")
    low, high = _bleu_range(complete)
    place = len(material.settings)
    yield _words(place, 1.06, "validation<br>BLEU", "center")
    for share in (0.0, 0.5, 1.0):
        yield _words(place, share, f"{low + share * (high - low):.2f}", "left")


def _words(place: int, height: float, text: str, anchor: str) -> dict[str, Any]:
    return {
        "x": place,
        "y": height,
        "text": text,
        "showarrow": False,
        "xanchor": anchor,
        "xshift": 6 if anchor == "left" else 0,
        "yanchor": "middle" if anchor == "left" else "bottom",
        "font": {"size": 11},
    }


def contour(material: Material) -> Panel:
    """BLEU over the two most important settings whose values have an order."""
    title = "The two most important settings together"
    done = len(material.complete)
    if done < _LEAST_FOR_CONTOUR:
        text = (
            f"A contour plot needs at least {_LEAST_FOR_CONTOUR} complete trials; {so_far(done)}."
        )
        return Panel("contour", title, text)
    pair = [name for name in material.settings if _has_levels(name, material)][:2]
    if not material.board.importances or len(pair) < 2:  # noqa: PLR2004 - a pair
        text = (
            f"A contour plot needs two settings of known importance that took {_LEAST_VALUES} "
            "different numbers or more."
        )
        return Panel("contour", title, text)
    text = (
        f"BLEU of the complete trials over {listed(pair)}. The points are trials; the colours "
        "between them are interpolated and say little where there are no points."
    )
    figure = _contour(pair, material)
    return Panel("contour", title, text, [Figure("contour", title, figure, height=460)])


def _has_levels(name: str, material: Material) -> bool:
    """Whether a setting took enough different numbers for a surface over them."""
    values = {trial.params[name] for trial in material.complete}
    numbers = [value for value in values if isinstance(value, int | float)]
    return len(numbers) == len(values) >= _LEAST_VALUES


def _contour(pair: Sequence[str], material: Material) -> go.Figure:
    across, up = sorted(pair)  # as Optuna has them
    drawn = optuna.visualization.plot_contour(
        material.study, params=[across, up], target=_bleu, target_name="BLEU"
    )
    surface = next(trace for trace in drawn.data if trace.type == "contour")
    surface.update(
        colorscale=LOW_TO_HIGH,
        reversescale=False,
        colorbar=colour_bar("BLEU"),
        line={"width": 0.5, "color": "rgba(255,255,255,0.5)"},
    )
    points = go.Scatter(
        x=[trial.params[across] for trial in material.complete],
        y=[trial.params[up] for trial in material.complete],
        mode="markers",
        marker={"color": "#ffffff", "size": 8, "line": {"color": "#20242c", "width": 1.5}},
        text=[hover(trial, f"BLEU {trial.best_bleu:.2f}") for trial in material.complete],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    axes = {}
    for side, name in (("xaxis", across), ("yaxis", up)):
        shown = list(drawn.layout[side].range)  # as far as the trials reach
        is_log = drawn.layout[side].type == "log"
        own = log_axis(shown) if is_log else number_axis(material.domains[name])
        axes[side] = {**own, "range": shown, "title": {"text": name}, "showgrid": False}
    return plot([surface, points], **axes)


def _bleu(trial: FrozenTrial) -> float:
    return float(trial.values[0])
