"""Derives the prior of ``pruner: {kind: auto}`` from learning curves of trained Transformers.

    python benchmarks/derive_shapes.py FOLDER      # writes automl_tf/search/pruners/shapes.yaml
    python benchmarks/derive_shapes.py FOLDER --print

At each of some steps of each run, what the next doubling of the steps added to BLEU is divided by
what the last one had added. The prior is the mixture of the distributions of that ratio over the
corpora, each with the same weight, however many runs it has: the next corpus may be like any of
them. It is smoothed, for the next corpus is like none of them exactly.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_tf.search.pruners.curves import (
    LONG,
    RESTING,
    RISING,
    SLACK,
    STALLED,
    STARTING,
    STATES,
    TAKEN_OFF,
    CurvePrior,
    LearningCurve,
)
from automl_tf.search.pruners.extrapolation import DEPARTURES
from derive_prior import derived
from hpo_curves import CurveTable, read_curves

SHAPES = Path(__file__).parents[1] / "automl_tf" / "search" / "pruners" / "shapes.yaml"
QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
PLACES = 8
"""Steps of a run at which it is asked, evenly spaced on a logarithmic scale."""
FEWEST = 20
"""Ratios of one corpus of which quantiles say something."""


def derive(tables: Iterable[CurveTable]) -> CurvePrior:
    """Returns the prior that these curves give."""
    by_table = [_ratios(table) for table in tables]
    found = {}
    for state in STATES:
        enough = [np.array(those[state]) for those in by_table if len(those[state]) >= FEWEST]
        found[state] = _mixture(enough).tolist()
    return CurvePrior(QUANTILES, found)


def _mixture(ratios: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns quantiles of the smoothed mixture of the ratios of each corpus."""
    smoothed = [np.outer(those, DEPARTURES).ravel() for those in ratios]
    ratio_N = np.concatenate(smoothed)
    weight_N = np.concatenate([np.full(len(those), 1 / len(those)) for those in smoothed])
    order = np.argsort(ratio_N, kind="stable")
    shares_N = np.cumsum(weight_N[order]) - weight_N[order] / 2
    found: NDArray[np.float64] = np.interp(QUANTILES, shares_N / weight_N.sum(), ratio_N[order])
    return found


def _ratios(table: CurveTable) -> dict[str, list[float]]:
    """Returns the ratios of a table's curves by what they do."""
    found: dict[str, list[float]] = {state: [] for state in STATES}
    for bleu in table.curves:
        curve = LearningCurve.of(bleu)
        steps = curve.steps[1:]
        for place in np.unique(np.geomspace(steps[0], curve.last / 2, PLACES)):
            step = float(steps[np.abs(steps - place).argmin()])
            if 2 * step <= curve.last:
                added = curve.at(2 * step) - curve.at(step)
                found[curve.state(step)].append(added / (curve.rise(step) + SLACK))
    return found


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
# BLEU), at these quantiles of the mixture of corpora, of curves that
#   {STARTING}  are below {TAKEN_OFF:g} BLEU
#   {RISING}    have their best BLEU at the last validation
#   {RESTING}   had it before, less than {LONG:.0%} of their steps ago
#   {STALLED}   had it longer ago
{body}
"""


def main() -> None:
    """Writes or prints the shapes."""
    derived(__doc__, SHAPES, _file)


def _file(folder: Path) -> str:
    tables = read_curves(folder, {})
    return to_yaml(derive(tables.values()), tables)


if __name__ == "__main__":
    main()
