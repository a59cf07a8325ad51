"""What several objectives cost each other."""

from collections.abc import Iterator, Sequence

import plotly.graph_objects as go

from automl_tf.search.report.material import Material
from automl_tf.search.report.panel import (
    STATE_COLOURS,
    Figure,
    Panel,
    hover,
    legend_above,
    plot,
)
from automl_tf.search.report.words import AXES, OBJECTIVES, listed, objective, so_far
from automl_tf.search.study_view import TrialRow
from automl_tf.search.volume import REFERENCE, completed, hypervolumes

_PAIR = 2


def pareto(material: Material) -> Panel | None:
    """BLEU against each other objective, if there is another one."""
    names = [name for name, _ in material.board.objectives]
    if len(names) < _PAIR:
        return None
    title, complete = "What BLEU costs", material.complete
    if len(complete) < _PAIR:
        text = f"A front needs at least {_PAIR} complete trials; {so_far(len(complete))}."
        return Panel("pareto", title, text)
    text = (
        f"{listed([OBJECTIVES[name] for name in names])} of the complete trials. What "
        "stands on the Pareto front cannot be bettered in one of them without losing in another."
    )
    figures = [
        Figure(
            f"pareto-{name}",
            f"BLEU against {OBJECTIVES[name]}",
            _front(index, material),
            height=400,
        )
        for index, name in enumerate(names)
        if index > 0
    ]
    text += (
        f" Hypervolume is what the front covers above a reference point ({REFERENCE}), in units "
    )
    text += "of what that trial covers alone."
    return Panel("pareto", title, text, [*figures, _volumes(names, material)])


def _volumes(names: Sequence[str], material: Material) -> Figure:
    """Hypervolume by trial."""
    trials = completed(material.trials)
    volumes = hypervolumes([trial.values for trial in trials], names)
    curve = go.Scatter(
        x=list(range(1, len(trials) + 1)),
        y=volumes,
        mode="lines+markers",
        line={"shape": "hv", "color": STATE_COLOURS["complete"], "width": 1.5},
        text=[f"trial {trial.number}" for trial in trials],
        hovertemplate="%{text}: %{y:.3f}<extra></extra>",
    )
    drawn = plot(
        [curve],
        xaxis={"title": {"text": "complete trials, in the order of their ends"}},
        yaxis={"title": {"text": "hypervolume"}},
    )
    return Figure("hypervolume", "Hypervolume by trial", drawn, height=280)


def _front(index: int, material: Material) -> go.Figure:
    name = material.board.objectives[index][0]
    on_front = [trial for trial in material.complete if trial.number in material.board.best]
    behind = [trial for trial in material.complete if trial.number not in material.board.best]
    front = sorted(on_front, key=lambda trial: _values(trial)[index])
    is_line = len(material.board.objectives) == _PAIR
    return plot(
        _groups(behind, front, index, material, is_line=is_line),
        xaxis={"title": {"text": AXES[name]}, "rangemode": "tozero"},
        yaxis={"title": {"text": "validation BLEU"}},
        legend=legend_above(),
    )


def _groups(
    behind: Sequence[TrialRow],
    front: Sequence[TrialRow],
    index: int,
    material: Material,
    *,
    is_line: bool,
) -> Iterator[go.Scatter]:
    names = [name for name, _ in material.board.objectives]
    groups = (
        ("other complete trials", behind, STATE_COLOURS["waiting"], 8, False),
        ("Pareto front", front, STATE_COLOURS["complete"], 11, is_line),
    )
    for label, trials, colour, size, has_line in groups:
        if trials:
            yield go.Scatter(
                x=[_values(trial)[index] for trial in trials],
                y=[_values(trial)[0] for trial in trials],
                mode="lines+markers" if has_line else "markers",
                name=label,
                line={"shape": "hv", "color": colour, "width": 1.5},
                marker={"color": colour, "size": size},
                text=[hover(trial, _reached(names, trial)) for trial in trials],
                hovertemplate="%{text}<extra></extra>",
            )


def _reached(names: Sequence[str], trial: TrialRow) -> str:
    pairs = zip(names, _values(trial), strict=True)
    return "<br>".join(f"{OBJECTIVES[name]} {objective(name, value)}" for name, value in pairs)


def _values(trial: TrialRow) -> list[float]:
    assert trial.values is not None, "a complete trial has a value an objective"
    return trial.values
