"""Page of the report: one HTML file that needs nothing but a browser, and its tables."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import optuna
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from automl_tf import formatting
from automl_tf.search.confirmation import COLUMNS, confirmation_rows
from automl_tf.search.report import figures, summary
from automl_tf.search.report.material import OBJECTIVES, Material
from automl_tf.search.report.style import Panel
from automl_tf.search.report.timeline import timeline
from automl_tf.search.schema import SAMPLES
from automl_tf.search.study_view import TrialView


class Section(NamedTuple):
    """Section of the page, with the numbers of trials below which its figures show nothing."""

    key: str
    title: str
    draw: Callable[[Material], Panel]
    min_complete: int = 0
    min_ended: int = 0

    def panel(self, material: Material) -> Panel:
        """Returns the content, or what is missing for it."""
        needs = (
            (self.min_complete, len(material.complete), "complete trials"),
            (self.min_ended, len(material.ended), "trials that were validated and have ended"),
        )
        for least, found, noun in needs:
            if found < least:
                return Panel(f"This needs at least {least} {noun}; so far: {found}.")
        return self.draw(material)


SECTIONS: Final = (
    Section("curves", "Learning curves", figures.learning_curves),
    Section("history", "Progress of the search", figures.history, 1, 2),
    Section("pareto", "What BLEU costs", figures.pareto, 2),
    Section("importances", "Which settings mattered", figures.importance),
    Section("slices", "Setting by setting", figures.slices, 1, 3),
    Section("parallel", "All settings at once", figures.parallel, 3),
    Section("contour", "The two most important settings together", figures.contour, 12),
    Section("timeline", "When each trial ran", timeline),
)
"""In the order in which a person asks. What BLEU costs is asked of several objectives alone."""


def write_report(study: optuna.Study, home: Path, output: Path) -> None:
    """Writes the report of a study, which may be running or empty; replaces a file that exists."""
    text = render(Material.read(study), home)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")


def render(material: Material, home: Path) -> str:
    """Returns the page as HTML; the home directory is for the commands that come next."""
    environment = Environment(
        loader=PackageLoader("automl_tf.search.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": formatting.format_duration,
        "objective": formatting.format_objective,
        "setting": formatting.format_setting,
        "size": formatting.format_size,
    }
    objectives, confirmation = material.config.objectives, material.view.confirmation
    panels = [
        (section, section.panel(material))
        for section in SECTIONS
        if section.draw is not figures.pareto or len(objectives) > 1
    ]
    plots = {figure.key: figure.plot for _, panel in panels for figure in panel.figures}
    leading = material.winner or material.view.incumbent
    base = None if material.base is leading else material.base
    return environment.get_template("page.html.jinja").render(
        material=material,
        view=material.view,
        corpus=material.config.corpus,
        written=datetime.now(tz=UTC).astimezone().strftime("%d %B %Y, %H:%M (%Z)"),
        tiles=summary.tiles(material),
        verdict=summary.verdict(material),
        circumstances=summary.circumstances(material),
        confirmed=[] if confirmation is None else confirmation_rows(confirmation),
        confirmed_columns=COLUMNS,
        panels=panels,
        leading=leading,
        samples=_samples(leading, material),
        base_samples={row["source"]: row for row in _samples(base, material)},
        objectives={name: OBJECTIVES[name] for name in objectives},
        commands=summary.commands(material, home),
        plotly=Markup(get_plotlyjs()) if plots else "",  # noqa: S704 - the library's own
        figures=plots,
    )


def _samples(trial: TrialView | None, material: Material) -> list[dict[str, Any]]:
    """Returns the translations that a trial kept, with their sources and references."""
    attributes = {} if trial is None else material.trials[trial.number].user_attrs
    rows: list[dict[str, Any]] = attributes.get(SAMPLES, [])
    return rows
