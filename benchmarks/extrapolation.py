"""Whether forecasts of learning curves are as sure as they say, on curves of real trainings.

    python benchmarks/extrapolation.py FILE      # curves with BLEU by step, one JSON object a line
    python benchmarks/extrapolation.py FOLDER    # PAIR.curves.jsonl files

At each validation of each run, the forecast of its best BLEU at twice the steps is compared with
what it then was; only steps whose double was reached count, so that runs that end early say nothing
of what they would have become. ``stays`` is the forecast that BLEU stays where it is. Each forecast
is made twice: from the run alone, and with the complete curves of other trials of its study.

A file has ``steps`` and ``bleu`` in each line, and names the study in any of ``submission``,
``study``, ``round``, ``framework``. It is judged with the shipped prior. In a folder each corpus is
a study, judged with a prior that is derived from the other corpora; BLEU is that of ``hpo_curves``.
BLEU between 0 and 1 is multiplied by 100.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import derive_shapes
from automl_tf.search.pruners.curves import CurvePrior, LearningCurve, shipped_curve_prior
from automl_tf.search.pruners.extrapolation import Extrapolation, extrapolate
from hpo_curves import read_curves
from reporting import Table, new_plot, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STUDY = ("workload", "submission", "study", "round", "framework", "ruleset")
"""Keys of a line that together name its study."""
FEWEST = 2
"""Validations before the first forecast."""
SEEN = (2, 3, 5, 9, 17, 33)
"""Validations seen from which a line of the table begins."""
MAX_OTHERS = 10
"""Other trials of a study that a forecast is given."""
ALONE, WITH_OTHERS = "alone", "with others"

Curve = Mapping[int, float]


@dataclass(frozen=True)
class Study:
    """Runs that one study could have made.

    Attributes:
        name: What it belongs to.
        curves: BLEU by step of each run.
        prior: What is known of other curves.
    """

    name: str
    curves: Sequence[Curve]
    prior: CurvePrior


@dataclass(frozen=True)
class Case:
    """One forecast and what came.

    Attributes:
        name: What its study belongs to.
        seen: Validations that the forecast knew.
        intervals: The 5, 25, 50, 75 and 95 % quantiles of the forecast.
        stays: The best BLEU so far.
        came: The best BLEU at twice the steps.
        validation: BLEU of the validation there, or between the two about it.
    """

    name: str
    seen: int
    intervals: tuple[float, ...]
    stays: float
    came: float
    validation: float

    def holds(self, share: float, bleu: float) -> bool:
        """Returns whether the central interval of such a share holds a BLEU."""
        low, early, _, late, high = self.intervals
        return low <= bleu <= high if share > 0.5 else early <= bleu <= late  # noqa: PLR2004


def read_studies(path: Path, runs: int) -> list[Study]:
    """Returns the studies of a file or folder.

    Args:
        path: The file or folder.
        runs: Runs that are read of each corpus of a folder.
    """
    if path.is_file():
        return _of_file(path)
    if (path / "curves.jsonl").is_file():
        return _of_file(path / "curves.jsonl")
    tables = read_curves(path, {})
    studies = []
    for name, table in tables.items():
        prior = derive_shapes.derive(those for other, those in tables.items() if other != name)
        draw = np.random.default_rng(0).permutation(len(table.curves))[:runs]
        studies.append(Study(name, [table.curves[index] for index in draw], prior))
    return studies


def _of_file(path: Path) -> list[Study]:
    found: dict[tuple[str, ...], list[Curve]] = {}
    for line in path.read_text().splitlines():
        run = json.loads(line)
        bleu = np.array(run["bleu"], dtype=float)
        if bleu.max(initial=0.0) <= 1:
            bleu = 100 * bleu
        key = tuple(str(run.get(name, "")) for name in STUDY)
        found.setdefault(key, []).append(dict(zip(run["steps"], bleu.tolist(), strict=True)))
    prior = shipped_curve_prior()
    return [Study(key[1] or path.stem, curves, prior) for key, curves in found.items()]


def cases(study: Study, *, with_others: bool) -> Iterable[Case]:
    """Yields each forecast of a study with what came."""
    whole = [LearningCurve.of(curve) for curve in study.curves]
    for number, curve in enumerate(study.curves):
        others = [one for index, one in enumerate(whole) if index != number][:MAX_OTHERS]
        steps = np.array(sorted(curve), dtype=float)
        bleu = np.array([curve[step] for step in sorted(curve)])
        for seen in range(FEWEST, len(steps) + 1):
            now = steps[seen - 1]
            if 2 * now > steps[-1]:
                break
            known = LearningCurve.of({step: value for step, value in curve.items() if step <= now})
            forecast = extrapolate(known, others if with_others else [], 2 * now, study.prior)
            yield Case(
                study.name,
                seen,
                _intervals(forecast),
                known.top,
                float(bleu[steps <= 2 * now].max()),
                float(np.interp(2 * now, steps, bleu)),
            )


def _intervals(forecast: Extrapolation) -> tuple[float, ...]:
    return tuple(forecast.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95))


def main() -> None:
    """Judges all forecasts."""
    options = _options()
    studies = read_studies(options.path, options.runs)
    judged = {
        label: [case for study in studies for case in cases(study, with_others=with_others)]
        for label, with_others in ((ALONE, False), (WITH_OTHERS, True))
    }
    tables = [
        Table(
            "By what they belong to, BLEU at twice the steps", COLUMNS, tuple(_by_source(judged))
        ),
        Table("By validations seen", COLUMNS, tuple(_by_seen(judged))),
        Table("All", COLUMNS, tuple(_row(label, those) for label, those in judged.items())),
    ]
    measured = {
        "options": {"path": options.path.name, "runs": options.runs},
        "cases": {label: len(those) for label, those in judged.items()},
    }
    publish("extrapolation", tables, measured, _plot(judged), part=options.path.stem)


COLUMNS = (
    "curves",
    "cases",
    "in 50 %",
    "in 90 %",
    "below",
    "above",
    "error",
    "stays",
    "last in 90 %",
)


def _by_source(judged: Mapping[str, Sequence[Case]]) -> Iterable[tuple[str, ...]]:
    for label, those in judged.items():
        for name in dict.fromkeys(case.name for case in those):
            yield _row(f"{name}, {label}", [case for case in those if case.name == name])


def _by_seen(judged: Mapping[str, Sequence[Case]]) -> Iterable[tuple[str, ...]]:
    for label, those in judged.items():
        for first, after in zip(SEEN, [*SEEN[1:], 10**9], strict=True):
            some = [case for case in those if first <= case.seen < after]
            if some:
                yield _row(f"from {first}, {label}", some)


def _row(name: str, those: Sequence[Case]) -> tuple[str, ...]:
    def percent(told: Iterable[bool]) -> str:
        return f"{100 * np.mean(list(told)):.1f}"

    errors = [abs(case.intervals[2] - case.came) for case in those]
    stays = [abs(case.stays - case.came) for case in those]
    return (
        name,
        str(len(those)),
        percent(case.holds(0.5, case.came) for case in those),
        percent(case.holds(0.9, case.came) for case in those),
        percent(case.came < case.intervals[0] for case in those),
        percent(case.came > case.intervals[-1] for case in those),
        f"{np.median(errors):.2f}",
        f"{np.median(stays):.2f}",
        percent(case.holds(0.9, case.validation) for case in those),
    )


def _plot(judged: Mapping[str, Sequence[Case]]) -> "Figure":
    figure, [axes] = new_plot()
    for label, those in judged.items():
        shares = [
            _held(those, first, after)
            for first, after in zip(SEEN, [*SEEN[1:], 10**9], strict=True)
        ]
        axes.plot(range(len(SEEN)), shares, marker="o", label=label)
    axes.axhspan(85, 95, alpha=0.15)
    axes.set_xticks(range(len(SEEN)), [str(first) for first in SEEN])
    axes.set_xlabel("validations seen, from")
    axes.set_ylabel("% in the 90 % interval")
    axes.legend()
    return figure


def _held(those: Sequence[Case], first: int, after: int) -> float:
    told: NDArray[np.bool_] = np.array(
        [case.holds(0.9, case.came) for case in those if first <= case.seen < after]
    )
    return float(100 * told.mean()) if len(told) else float("nan")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="a file of curves, or a folder of tables")
    parser.add_argument("--runs", type=int, default=60, help="runs of each corpus of a folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
