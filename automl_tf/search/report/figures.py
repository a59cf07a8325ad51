"""Sections of the report with figures, most of which are Optuna's: trials, then settings."""

import re
from collections.abc import Iterator
from typing import Any, Final

import optuna.visualization as optuna_figures
from plotly.colors import sample_colorscale

from automl_tf.config.space import Choices
from automl_tf.formatting import format_list, format_setting
from automl_tf.search.analysis import REFERENCE, completed, hypervolume_history
from automl_tf.search.report.material import OBJECTIVES, Material
from automl_tf.search.report.style import (
    END_MARKS,
    LOW_TO_HIGH,
    STATE_COLOURS,
    Figure,
    Panel,
    Plot,
    hover,
    restyled,
    texts,
    unfinished,
)
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE, TrialView

GROWING: Final = (
    "Early validations take fewer sentences of the split; where their number grows, a curve may "
    "bend."
)
MIN_LEVELS: Final = 3
"""Different numbers of a setting below which there is no surface over it."""

_AXES: Final = {
    **OBJECTIVES,
    "latency": "latency (ms a sentence)",
    "train_hours": "training (hours)",
}
"""Objectives by the titles of their axes."""
_PAIR: Final = 2
_STEPS: Final = {"shape": "hv", "color": STATE_COLOURS["complete"]}
"""Line of what holds until something better comes."""
_NUMBER: Final = re.compile(r'(?<="number": )\d+')
"""Number of a trial in what Optuna writes at its point."""


def learning_curves(material: Material) -> Panel:
    """Draws validation BLEU by optimizer step for each trial, with the points of pruning."""
    scored, base, winner = material.scored, material.base, material.winner
    if not scored:
        return Panel("No trial has been validated yet.")
    has_growing = any(len(set(trial.sentences.values())) > 1 for trial in scored)
    sentences = {
        "Validation BLEU of each trial by optimizer step.": True,
        "The thick line is the best trial.": winner is not None,
        "The dotted line is the base configuration.": base in scored and base is not winner,
        "A cross marks where a trial was pruned, with the reason.": material.has_pruned,
        GROWING: has_growing,
    }
    ends = unfinished(scored, lambda trial: max(trial.intermediate.items()))
    plot = restyled(
        {"data": [*_curves(material), *ends]},
        xaxis={"title": {"text": "optimizer step"}, "rangemode": "tozero"},
        yaxis={"title": {"text": "validation BLEU"}, "rangemode": "tozero"},
    )
    text = " ".join(sentence for sentence, is_true in sentences.items() if is_true)
    return Panel(text, [Figure("curves", "Learning curves", plot, height=480)])


def _curves(material: Material) -> Iterator[Plot]:
    seen: set[str] = set()
    for trial in sorted(material.scored, key=lambda trial: trial is material.winner):
        is_best = trial is material.winner
        is_base = trial is material.base and not is_best
        group = f"trial {trial.number}" if is_best or is_base else trial.state
        label = f"best ({group})" if is_best else f"base ({group})" if is_base else group
        steps, colour = sorted(trial.intermediate), STATE_COLOURS[trial.state]
        width = 4 if is_best else 2 if is_base else 1.4
        yield {
            "type": "scatter",
            "x": steps,
            "y": [trial.intermediate[step] for step in steps],
            "mode": "lines+markers",
            "line": {"color": colour, "width": width, "dash": "dot" if is_base else "solid"},
            "marker": {"size": 4, "color": colour},
            "opacity": 1.0 if is_best or is_base else 0.7,
            "name": label,
            "legendgroup": group,
            # The mark at the end shows the state in the legend.
            "showlegend": group not in seen and group not in END_MARKS,
            "hovertemplate": f"{hover(trial, 'BLEU %{y:.2f} at step %{x:,}')}<extra></extra>",
        }
        seen.add(group)


def history(material: Material) -> Panel:
    """Draws the best BLEU of each trial and the best complete trial so far."""
    text = "The best BLEU of each trial, and the best complete trial so far."
    if material.has_pruned:
        text += (
            " A pruned trial shows what it had reached when it was stopped, not what it would "
            "have reached."
        )
    drawn = optuna_figures.plot_optimization_history(material.bleu_study, target_name="BLEU")
    points, best, *_ = drawn.to_plotly_json()["data"]
    points |= texts([hover(trial) for trial in material.complete])
    best |= {"line": {**_STEPS, "width": 2}}
    best |= {"hovertemplate": "best so far: BLEU %{y:.2f}<extra></extra>"}
    others = unfinished(material.ended, lambda trial: (trial.number, trial.best_bleu))
    plot = restyled(
        {"data": [points, *others, best]},
        xaxis={"title": {"text": "trial"}, "tickformat": "d", "minallowed": -1},
        yaxis={"title": {"text": "best validation BLEU"}},
    )
    return Panel(text, [Figure("history", "BLEU by trial", plot, height=380)])


def pareto(material: Material) -> Panel:
    """Draws BLEU against each other objective, and the hypervolume."""
    names = material.config.objectives
    text = (
        f"{format_list([OBJECTIVES[name] for name in names])} of the complete trials. What "
        "stands on the Pareto front cannot be bettered in one of them without losing in another. "
        f"Hypervolume is what the front covers above a reference point ({REFERENCE}), in units "
        "of what that trial covers alone."
    )
    figures = [
        Figure(f"pareto-{name}", f"BLEU against {OBJECTIVES[name]}", _front(index, material), 400)
        for index, name in enumerate(names[1:], start=1)
    ]
    return Panel(text, [*figures, _hypervolumes(material)])


def _front(index: int, material: Material) -> Plot:
    """Draws BLEU against one objective; trials on the front of all objectives stand out."""
    objectives = material.config.objectives
    names = [_AXES[objectives[index]], "validation BLEU"]
    drawn = optuna_figures.plot_pareto_front(
        material.plain_study(len(objectives)),
        target_names=names,
        targets=lambda trial: (trial.values[index], trial.values[0]),
    ).to_plotly_json()
    behind, front = drawn["data"]
    for trace in (behind, front):
        numbers = [int(_NUMBER.findall(text)[0]) for text in trace["text"]]
        rows = [material.view.trials[number] for number in numbers]
        trace |= {"showlegend": True, **texts([hover(row, *material.reached(row)) for row in rows])}
    behind |= {"name": "other complete trials"}
    behind["marker"] = {"color": STATE_COLOURS["waiting"], "size": 8}
    order = sorted(range(len(front["x"])), key=lambda place: front["x"][place])
    front |= {part: [front[part][place] for place in order] for part in ("x", "y", "text")}
    front |= {"name": "Pareto front", "line": {**_STEPS, "width": 1.5}}
    front["marker"] = {"color": STATE_COLOURS["complete"], "size": 11}
    if len(objectives) == _PAIR:
        front["mode"] = "lines+markers"
    return restyled(drawn, xaxis={"title": {"text": names[0]}, "rangemode": "tozero"})


def _hypervolumes(material: Material) -> Figure:
    trials = completed(material.trials)
    curve = {
        "type": "scatter",
        "x": list(range(1, len(trials) + 1)),
        "y": hypervolume_history([trial.values for trial in trials], material.config.objectives),
        "mode": "lines+markers",
        "line": {**_STEPS, "width": 1.5},
        "marker": {"color": STATE_COLOURS["complete"]},
        "hovertemplate": "%{text}: %{y:.3f}<extra></extra>",
        "text": [f"trial {trial.number}" for trial in trials],
    }
    plot = restyled(
        {"data": [curve]},
        xaxis={"title": {"text": "complete trials, in the order of their ends"}},
        yaxis={"title": {"text": "hypervolume"}},
    )
    return Figure("hypervolume", "Hypervolume by trial", plot, height=280)


def importance(material: Material) -> Panel:
    """Draws the share of BLEU's variance that each setting explains."""
    shares, done = material.view.importances, len(material.complete)
    if len(material.domains) == 1:
        (only,) = material.domains
        return Panel(f"Only {only} was searched: there is nothing to rank.")
    if done < LEAST_FOR_IMPORTANCE:
        return Panel(
            f"Importances need at least {LEAST_FOR_IMPORTANCE} complete trials, or they would be "
            f"read off noise; so far: {done}."
        )
    if not shares:
        return Panel("The complete trials do not differ enough to tell which setting mattered.")
    pruned = "; pruned trials are left out" if material.has_pruned else ""
    text = (
        f"Share of the variance of BLEU that each setting explains among the {done} complete "
        f"trials, by an additive Gaussian process{pruned}. It is a rough guide: with few trials it "
        "changes from one to the next."
    )
    names = list(reversed(shares))
    bars = {
        "type": "bar",
        "x": [shares[name] for name in names],
        "y": names,
        "orientation": "h",
        "marker": {"color": STATE_COLOURS["complete"]},
        "text": [f"{shares[name]:.0%}" for name in names],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{text}<extra></extra>",
    }
    plot = restyled(
        {"data": [bars]},
        xaxis={"tickformat": ".0%", "range": [0, 1.12 * max(shares.values())]},
        yaxis={"ticksuffix": " "},
        bargap=0.35,
    )
    return Panel(text, [Figure("importances", "Importances", plot, 80 + 34 * len(names))])


def _ranked(material: Material) -> list[str]:
    """Returns the searched settings, the most important first where that is known."""
    known = material.view.importances
    return sorted(material.domains, key=lambda name: -known.get(name, 0.0))


def slices(material: Material) -> Panel:
    """Draws BLEU against each setting, one figure for each."""
    ranked = ", the most important first" if material.view.importances else ""
    text = (
        f"The best BLEU of each trial against one setting at a time{ranked}. Later trials are "
        "redder."
    )
    if material.has_pruned:
        text += " Pruned trials, the crosses, show what they had reached when they were stopped."
    return Panel(text, [_slice(name, material) for name in _ranked(material)])


def _slice(name: str, material: Material) -> Figure:
    drawn = optuna_figures.plot_slice(
        material.bleu_study, params=[name], target_name="BLEU"
    ).to_plotly_json()
    axis, points, domain = drawn["layout"]["xaxis"], drawn["data"][0], material.domains[name]

    def place(trial: TrialView) -> Any:  # noqa: ANN401 - any setting
        value = trial.params[name]
        return format_setting(value) if isinstance(domain, Choices) else value

    rows = [material.view.trials[number] for number in points["marker"]["color"]]
    points |= texts([hover(row) for row in rows])
    points["x"] = [place(row) for row in rows]
    others = unfinished(material.ended, lambda trial: (place(trial), trial.best_bleu))
    drawn["data"] = [*others, points]
    axis.pop("title", None)
    if isinstance(domain, Choices):
        order = [format_setting(choice) for choice in domain.choices]
        axis |= {"type": "category", "categoryarray": order, "range": [-0.5, len(order) - 0.5]}
    plot = restyled(drawn, showlegend=False, margin={"l": 8, "r": 12, "t": 8, "b": 8})
    return Figure(f"slice-{name}", f"BLEU against {name}", plot, height=250, caption=name)


def parallel(material: Material) -> Panel:
    """Draws each complete trial as a line through its settings."""
    if len(material.domains) == 1:
        return Panel("Parallel coordinates need two searched settings.")
    text = (
        "Each line is a complete trial, from its BLEU on the left through its settings. Look where "
        "the lines that begin high come together."
    )
    drawn = optuna_figures.plot_parallel_coordinate(material.bleu_study, target_name="BLEU")
    figure = drawn.to_plotly_json()
    lines = [trace for trace in figure["data"] if trace["mode"] == "lines"]
    highest = max(trace["y"][0] for trace in lines)
    for trace in lines:
        # The height on the axis of BLEU, from 0 to 1.
        share = trace["y"][0]
        (colour,) = sample_colorscale(LOW_TO_HIGH, [share])
        line = {"color": colour, "width": 4 if share == highest else 1.6}
        trace.update(line=line, opacity=0.85)
    names = ["BLEU", *sorted(material.domains)]
    figure["layout"]["xaxis"] |= {
        "ticktext": [name.replace(".", ".<br>") for name in names],
        "range": [-0.5, len(names) - 0.5],
        "tickangle": 0,
    }
    plot = restyled({**figure, "data": lines})
    # An axis with its labels takes 110 pixels.
    return Panel(text, [Figure("parallel", "Parallel coordinates", plot, 460, 110 * len(names))])


def contour(material: Material) -> Panel:
    """Draws BLEU over the two most important settings whose values are numbers."""
    pair = [name for name in _ranked(material) if _has_levels(name, material)][:_PAIR]
    if not material.view.importances or len(pair) < _PAIR:
        return Panel(
            f"A contour plot needs two settings of known importance that took {MIN_LEVELS} "
            "different numbers or more."
        )
    text = (
        f"BLEU of the complete trials over {format_list(pair)}. The points are trials; the colours "
        "between them are interpolated and say little where there are no points."
    )
    drawn = optuna_figures.plot_contour(material.bleu_study, params=pair, target_name="BLEU")
    figure = drawn.to_plotly_json()
    surface, points, *_ = figure["data"]
    bar = {"title": {"text": "BLEU"}, "thickness": 10, "outlinewidth": 0}
    surface |= {"colorscale": LOW_TO_HIGH, "colorbar": bar}
    surface["line"] = {"width": 0.5, "color": "rgba(255,255,255,0.5)"}
    outline = {"color": "#20242c", "width": 1.5}
    points["marker"] = {"color": "#ffffff", "size": 8, "line": outline}
    points |= texts([hover(trial) for trial in material.complete])
    for axis in ("xaxis", "yaxis"):
        figure["layout"][axis]["showgrid"] = False
    plot = restyled({**figure, "data": [surface, points]})
    return Panel(text, [Figure("contour", "BLEU over two settings", plot, height=460)])


def _has_levels(name: str, material: Material) -> bool:
    """Returns True if a setting took enough different numbers for a surface over them."""
    values = {trial.params[name] for trial in material.complete}
    numbers = [value for value in values if isinstance(value, int | float)]
    return len(numbers) == len(values) >= MIN_LEVELS
