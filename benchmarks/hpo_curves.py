"""Learning curves of the configurations of a table: BLEU on dev by optimizer step.

The format is that of the curves by Zhang and Duh (2020, 2024): ``PAIR.curves.jsonl``, a run a line.
Where a run's BLEU was measured at its end alone, its curve of perplexities gives the rest: BLEU
falls off from its end by ``exp(-k * cross entropy)`` (Gordon et al. 2021, "Data and Parameter
Scaling Laws for Neural Machine Translation", section 4), with k fitted to the table's own ends,
within vocabularies. Runs that diverged have no BLEU at all; they get what this law says of the
table's average. Validations are thinned to about forty a run, each with the best of what it stands
for, so that a run ends with its published BLEU.
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_tf.search.samplers.priors import BATCH, STEPS
from hpo_tables import BLEU, COSTS, NO_SETTINGS, PAIRS, HpoTable, searched_rows

Run = Mapping[str, Any]
"""A line of a file of curves."""
VALIDATIONS = 40
"""Validations of the average run."""
UPDATES = "checkpoint_updates"
"""The column of the updates between two checkpoints."""
BATCH_TOKENS = 4096
"""Target tokens of an update (Zhang and Duh 2020, section 4)."""
HEADS = (16, 8)
"""Heads of runs that do not tell theirs, in the order in which the others come. They explain 0 to
3 % of the variance of BLEU."""


@dataclass(frozen=True)
class CurveTable:
    """Runs of one corpus.

    Attributes:
        table: Their configurations with the best BLEU of each curve.
        curves: BLEU by step of each run.
    """

    table: HpoTable
    curves: Sequence[Mapping[int, float]]

    @property
    def longest(self) -> int:
        """Steps of the longest run: none of them knew before how long it would be."""
        return max(max(curve) for curve in self.curves)

    @property
    def usual(self) -> float:
        """Steps of a run on average: a full training."""
        return float(np.mean([max(curve) for curve in self.curves]))


def read_curves(folder: Path, sizes: Mapping[str, int]) -> dict[str, CurveTable]:
    """The curves of a folder by the name of their corpus.

    Args:
        folder: Where ``PAIR.curves.jsonl`` files lie.
        sizes: Sentence pairs of corpora beside the known ones.
    """
    known = {**PAIRS, **sizes}
    return {name: _whole(runs, name, known.get(name)) for name, runs in _corpora(folder).items()}


def _whole(runs: Sequence[Run], name: str, num_pairs: int | None) -> CurveTable:
    every = max(1, round(np.mean([len(run["ppl_curve"]) for run in runs]) / VALIDATIONS))
    curves = [_thinned(curve, every) for curve in _bleu_curves(runs)]
    top = np.array([max(curve.values()) for curve in curves])
    costs = {
        cost: np.array([math.nan if run[cost] is None else float(run[cost]) for run in runs])
        for cost in COSTS
        if cost in runs[0]
    }
    return CurveTable(HpoTable(name, num_pairs, searched_rows(runs), top, costs), curves)


def read_stopped(folder: Path, sizes: Mapping[str, int], checkpoints: int) -> dict[str, HpoTable]:
    """The runs as they would have ended, had they been short, by the name of their corpus.

    Runs that diverged are left out, as they are in the tables.

    Args:
        folder: Where ``PAIR.curves.jsonl`` files lie.
        sizes: Sentence pairs of corpora beside the known ones.
        checkpoints: How many each has; from-scratch runs have one every 2,000 updates.
    """
    known = {**PAIRS, **sizes}
    return {
        name: _stopped(runs, name, known.get(name), checkpoints)
        for name, runs in _corpora(folder).items()
    }


def _stopped(runs: Sequence[Run], name: str, num_pairs: int | None, checkpoints: int) -> HpoTable:
    ends = [
        (run, float(curve[:checkpoints].max()))
        for run, curve in zip(runs, _bleu_curves(runs), strict=True)
        if run[BLEU] is not None
    ]
    length = {STEPS: checkpoints * ends[0][0].get(UPDATES, 1), BATCH: BATCH_TOKENS}
    rows = [{**row, **length} for row in searched_rows([run for run, _ in ends])]
    return HpoTable(name, num_pairs, rows, np.array([bleu for _, bleu in ends]))


@functools.cache
def _corpora(folder: Path) -> dict[str, list[Run]]:
    """The distinct runs of each corpus; several lengths of the same ones are asked for."""
    suffix = ".curves.jsonl"
    return {
        path.name.removesuffix(suffix): _distinct(
            [json.loads(line) for line in path.read_text().splitlines()]
        )
        for path in sorted(folder.glob(f"*{suffix}"))
    }


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """A run a configuration, one with a BLEU where there is one."""
    kept: dict[tuple[Any, ...], Run] = {}
    for run in sorted(runs, key=lambda run: run[BLEU] is None):
        unknown = run.get("heads", 0) is None
        for complete in [{**run, "heads": heads} for heads in HEADS] if unknown else [run]:
            names = [name for name in complete if name not in NO_SETTINGS]
            key = tuple(complete[name] for name in names[: names.index(BLEU)])
            if key not in kept:
                kept[key] = complete
                break
    return list(kept.values())


def _bleu_curves(runs: Sequence[Run]) -> list[NDArray[np.float64]]:
    if "bleu_curve" in runs[0]:
        return [np.array(run["bleu_curve"], dtype=float) for run in runs]
    losses = [np.log(run["ppl_curve"]) for run in runs]
    ends = [(run["bpe"], loss.min(), run[BLEU]) for run, loss in zip(runs, losses, strict=True)]
    fall = _fall([end for end in ends if end[2]])
    usual = float(np.mean([math.log(bleu) + fall * loss for _, loss, bleu in ends if bleu]))
    return [
        np.exp((math.log(bleu) + fall * lowest if bleu else usual) - fall * loss)
        for loss, (_, lowest, bleu) in zip(losses, ends, strict=True)
    ]


def _fall(ends: Sequence[tuple[Any, float, float]]) -> float:
    """How fast the logarithm of BLEU falls with cross entropy among runs of one vocabulary."""
    by_size: dict[Any, list[tuple[float, float]]] = {}
    for size, loss, bleu in ends:
        by_size.setdefault(size, []).append((loss, math.log(bleu)))
    points = np.concatenate(
        [np.array(those) - np.mean(those, axis=0) for those in by_size.values()]
    )
    return float(-(points[:, 0] @ points[:, 1]) / (points[:, 0] @ points[:, 0]))


def _thinned(bleu: NDArray[np.float64], every: int) -> dict[int, float]:
    """The best of every so many checkpoints, by checkpoint; the last ones may be fewer."""
    ends = [*range(every, len(bleu), every), len(bleu)]
    starts = [0, *ends[:-1]]
    return {end: float(bleu[start:end].max()) for start, end in zip(starts, ends, strict=True)}
