"""What the pruner `auto` saves with two objectives, replayed on learning curves of real trials.

    python benchmarks/front_pruning.py FOLDER
    python benchmarks/front_pruning.py FOLDER --seeds 5 --trials 20

Rows of a table are tried in random order, with BLEU and decoding time as objectives. After each
validation the pruner of a real study is asked, with the decoding time known from the start. What is
counted is the share of all steps that it saves, and what that costs: the share of the Pareto front
of the same trials, all trained to their ends, that was stopped, and the share of their hypervolume
("front" of ``search_fronts.py``) that is lost. The prior of
curves is derived from the other pairs.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

import derive_shapes
from automl_tf.config.study import AutoPruner
from automl_tf.search.pruners.curves import CurvePrior
from automl_tf.search.pruners.pruner import ParetoPruner
from automl_tf.search.schema import VALIDATIONS
from derive_costs import COLUMNS
from hpo_curves import CurveTable, read_curves
from reporting import Table, new_plot, percent, publish
from search_fronts import Array, hypervolume, on_front, references

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OBJECTIVES = ("bleu", "latency")
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)


@dataclass(frozen=True)
class Contest:
    """Curves to be replayed.

    Attributes:
        name: Name of the corpus.
        curves: BLEU by step of each run.
        values_N2: What each run ends with: BLEU and decoding time.
        shapes: The pruner's prior, derived from other corpora.
    """

    name: str
    curves: Sequence[Mapping[int, float]]
    values_N2: Array
    shapes: CurvePrior


@dataclass(frozen=True)
class Replay:
    """One search.

    Attributes:
        saved: Share of all steps that was not trained.
        false_stops: Share of the front that was stopped.
        lost: Share of the hypervolume that is missing.
    """

    saved: float
    false_stops: float
    lost: float


def replay(contest: Contest, chance: float, trials: int, seed: int) -> Replay:
    """One search of so many trials in random order."""
    rows = np.random.default_rng(seed).permutation(len(contest.curves))[:trials]
    study = optuna.create_study(directions=DIRECTIONS)
    longest = max(max(curve) for curve in contest.curves)
    settings = AutoPruner(kind="auto", chance=chance)
    pruner = ParetoPruner(settings, OBJECTIVES, longest, contest.shapes)
    trained = [_train(study, pruner, contest, row) for row in rows]
    whole = [max(contest.curves[row]) for row in rows]
    was_stopped = np.array(trained) < whole
    losses_N2 = contest.values_N2[rows] * (-1.0, 1.0)
    best = on_front(losses_N2)
    reference = references(contest.values_N2 * (-1.0, 1.0))["front"]
    everything = hypervolume(losses_N2, reference)
    kept = hypervolume(losses_N2[~was_stopped], reference)
    return Replay(
        saved=1 - sum(trained) / sum(whole),
        false_stops=float(was_stopped[best].mean()),
        lost=1 - kept / everything if everything else 0.0,
    )


def _train(study: optuna.Study, pruner: ParetoPruner, contest: Contest, row: int) -> int:
    """Tells a trial its validations; the steps until it was stopped or complete."""
    trial = study.ask()
    bleu, latency = contest.values_N2[row]
    trial.set_user_attr("latency", latency)
    curve = contest.curves[row]
    told = {}
    for step, at in curve.items():
        told[str(step)] = {"bleu": at}
        trial.set_user_attr(VALIDATIONS, told)
        if step == max(curve):
            break
        trials = study.get_trials(deepcopy=False)
        if pruner.judge(trials[trial.number], trials).stop:
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, [bleu, latency])
    return max(curve)


def main() -> None:
    """Replays all curves."""
    options = _options()
    contests = _contests(options.folder)
    replays = {
        contest.name: {
            chance: [replay(contest, chance, options.trials, seed) for seed in range(options.seeds)]
            for chance in options.chances
        }
        for contest in contests
    }
    publish(
        "front_pruning",
        [_table(replays, options.chances)],
        {
            "options": {**vars(options), "folder": options.folder.name},
            "replays": {
                name: {
                    chance: [[one.saved, one.false_stops, one.lost] for one in those]
                    for chance, those in by_chance.items()
                }
                for name, by_chance in replays.items()
            },
        },
        _plot(replays),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where PAIR.curves.jsonl files lie")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--chances", nargs="+", type=float, default=[0.05, 0.2])
    return parser.parse_args()


def _contests(folder: Path) -> list[Contest]:
    curves = read_curves(folder, {})
    return [
        _contest(
            name,
            runs,
            derive_shapes.derive(those for other, those in curves.items() if other != name),
        )
        for name, runs in curves.items()
        if COLUMNS["latency"] in runs.table.costs
    ]


def _contest(name: str, runs: CurveTable, shapes: CurvePrior) -> Contest:
    seconds_N = runs.table.costs[COLUMNS["latency"]]
    # A run that diverged was never decoded with.
    timed = [index for index, seconds in enumerate(seconds_N) if np.isfinite(seconds)]
    values_N2 = np.stack([runs.table.bleu[timed], seconds_N[timed]], axis=1)
    return Contest(name, [runs.curves[index] for index in timed], values_N2, shapes)


Replays = Mapping[str, Mapping[float, Sequence[Replay]]]


def _table(replays: Replays, chances: Sequence[float]) -> Table:
    rows = []
    for chance in chances:
        means = [
            [
                statistics.fmean(getattr(one, figure) for one in by_chance[chance])
                for by_chance in replays.values()
            ]
            for figure in ("saved", "false_stops", "lost")
        ]
        for words, shares in zip(
            ("steps saved", "of the front stopped", "hypervolume lost"), means, strict=True
        ):
            cells = [percent(share) for share in [*shares, statistics.fmean(shares)]]
            rows.append((f"{chance:g}", words, *cells))
    return Table(
        "Pruner auto, BLEU and decoding time", ("chance", "share", *replays, "mean"), tuple(rows)
    )


def _plot(replays: Replays) -> "Figure":
    figure, [panel] = new_plot()
    for name, by_chance in replays.items():
        means = [
            (
                100 * statistics.fmean(one.saved for one in those),
                100 * statistics.fmean(one.false_stops for one in those),
            )
            for those in by_chance.values()
        ]
        panel.plot(*zip(*means, strict=True), marker="o", label=name)
    panel.set_xlabel("steps saved, %")
    panel.set_ylabel("of the front stopped, %")
    panel.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main()
