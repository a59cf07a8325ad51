"""The report: one HTML file that needs nothing but a browser."""

import json
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import optuna
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from automl_tf.search.confirming.words import COLUMNS as CONFIRMED
from automl_tf.search.confirming.words import confirmation_rows
from automl_tf.search.report.curves import history, learning_curves
from automl_tf.search.report.effort import timeline
from automl_tf.search.report.fronts import pareto
from automl_tf.search.report.influence import importances, slices
from automl_tf.search.report.listing import sample_table, trial_table
from automl_tf.search.report.material import Material
from automl_tf.search.report.panel import Figure
from automl_tf.search.report.summary import (
    circumstances,
    commands,
    searched_settings,
    tiles,
    verdict,
)
from automl_tf.search.report.together import contour, parallel

_PLOTS = (
    learning_curves,
    history,
    pareto,
    importances,
    slices,
    parallel,
    contour,
    timeline,
)
"""The parts with plots, in the order in which a person asks."""


def write_report(study: optuna.Study, home: Path, output: Path) -> None:
    """Writes a page about a study that can be sent to anyone.

    Args:
        study: The study; it may be running, or have no trials yet.
        home: The home directory, for the commands that come next.
        output: The file. It is replaced if it exists.
    """
    text = render(Material.read(study), home)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


def render(material: Material, home: Path) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("automl_tf.search.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    panels = [panel for make in _PLOTS if (panel := make(material)) is not None]
    figures = [figure for panel in panels for figure in panel.figures]
    corpus, confirmation = material.definition.config.corpus, material.board.confirmation
    return environment.get_template("page.html.jinja").render(
        name=material.board.study,
        written=datetime.now(tz=UTC).astimezone().strftime("%d %B %Y, %H:%M"),
        source_lang=corpus.source_lang,
        target_lang=corpus.target_lang,
        tiles=tiles(material),
        verdict=verdict(material),
        circumstances=circumstances(material),
        settings=searched_settings(material),
        confirmed=[] if confirmation is None else confirmation_rows(confirmation),
        confirmed_columns=CONFIRMED,
        has_base=material.base is not None,
        has_best=material.winner is not None,
        panels=panels,
        samples=sample_table(material),
        table=trial_table(material),
        commands=commands(material, home),
        style=_file("page.css"),
        script=_file("page.js"),
        plotly=Markup(get_plotlyjs()) if figures else "",  # noqa: S704 - the library's own
        figures=_json(figures),
    )


def _file(name: str) -> Markup:
    """A file of this package, to stand in the page as it is."""
    text = resources.files("automl_tf.search.report").joinpath(name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - our own


def _json(figures: list[Figure]) -> Markup:
    """The figures for the page's script; no text in them can end the script's element."""
    plots = {figure.key: figure.plot.to_plotly_json() for figure in figures}
    for made in plots.values():
        made["layout"].pop("template", None)
    text = json.dumps(plots, ensure_ascii=False, default=list)
    for sign, spelled in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(sign, spelled)
    return Markup(text)  # noqa: S704 - escaped above
