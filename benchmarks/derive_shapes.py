"""Derives the prior of ``pruner: {kind: auto}`` from learning curves of trained Transformers.

    python benchmarks/derive_shapes.py FOLDER      # writes automl_tf/search/pruners/shapes.yaml
    python benchmarks/derive_shapes.py FOLDER --print

At each of some steps of each run, what the next doubling of the steps added to BLEU is divided by
what the last one had added. The quantiles of that ratio are taken for each corpus and averaged, so
that corpora count alike, however many runs they have.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from automl_tf.search.pruners.curves import (
    LONG,
    RESTING,
    RISING,
    SLACK,
    STALLED,
    CurvePrior,
    LearningCurve,
    state,
)
from derive_prior import derived
from hpo_curves import CurveTable, read_curves

SHAPES = Path(__file__).parents[1] / "automl_tf" / "search" / "pruners" / "shapes.yaml"
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99)
PLACES = 8
"""Steps of a run at which it is asked, evenly spaced on a logarithmic scale."""
FEWEST = 20
"""Ratios of one corpus of which quantiles say something."""


def derive(tables: Iterable[CurveTable]) -> CurvePrior:
    """The shapes of these curves.

    Args:
        tables: Runs of Transformers trained from scratch.
    """
    by_table = [_ratios(table) for table in tables]
    found = {
        name: np.mean(
            [
                np.quantile(ratios[name], QUANTILES)
                for ratios in by_table
                if len(ratios[name]) >= FEWEST
            ],
            axis=0,
        )
        for name in (RISING, RESTING, STALLED)
    }
    return CurvePrior(QUANTILES, {name: [float(one) for one in row] for name, row in found.items()})


def _ratios(table: CurveTable) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {RISING: [], RESTING: [], STALLED: []}
    for bleu in table.curves:
        curve = LearningCurve.of(bleu)
        steps = curve.steps[1:]
        for place in np.unique(np.geomspace(steps[0], curve.last / 2, PLACES)):
            step = float(steps[np.abs(steps - place).argmin()])
            if 2 * step <= curve.last:
                added = curve.at(2 * step) - curve.at(step)
                found[state(curve.staleness(step))].append(added / (curve.rise(step) + SLACK))
    return found


def usable(tables: dict[str, CurveTable]) -> dict[str, CurveTable]:
    """The tables of Transformers trained from scratch."""
    return {name: table for name, table in tables.items() if "embed" in table.table.rows[0]}


def to_yaml(shapes: CurvePrior, names: Iterable[str]) -> str:
    """The file of shapes."""
    rows = {"quantiles": shapes.quantiles, **shapes.ratios}
    body = "\n".join(
        f"{name}: [{', '.join(f'{figure:.2f}' for figure in row)}]" for name, row in rows.items()
    )
    return f"""\
# How BLEU goes on rising: the prior of pruner {{kind: auto}}.
# Derived by benchmarks/derive_shapes.py from {", ".join(names)} (Zhang and Duh 2020, 2024).
# What a doubling of the steps adds to BLEU, over what the doubling before it added (plus {SLACK:g}
# BLEU), at these quantiles of all curves that
#   {RISING}    have their best BLEU at the last validation
#   {RESTING}   had it before, less than {LONG:.0%} of their steps ago
#   {STALLED}   had it longer ago
{body}
"""


def main() -> None:
    """Writes or prints the shapes."""
    derived(__doc__, SHAPES, _file)


def _file(folder: Path) -> str:
    tables = usable(read_curves(folder, {}))
    return to_yaml(derive(tables.values()), tables)


if __name__ == "__main__":
    main()
