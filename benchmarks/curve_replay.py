"""What a search costs with early stopping, replayed on learning curves of real trials.

    python benchmarks/curve_replay.py FOLDER
    python benchmarks/curve_replay.py FOLDER --samplers auto --pruners auto none --part brief

A sampler asks for one configuration after another and a pruner judges it after each validation,
through the same Optuna study and the same classes as in a real search. What is counted is the steps
that all trials were trained until one was trained to its end within half a BLEU of the table's
best, in full trainings: the steps of a run of the table on average. A search that stopped what it
was looking for and met nothing else pays once more, for all its trials up to there without a
pruner. Runs that diverged take part like all others. Nothing of the pair that is replayed reaches
sampler or pruner: both priors are derived again from the other pairs.

``freeze-thaw`` is no pruner: after each validation the scheduler decides anew between continuing a
paused trial and beginning the sampler's next one. Its trials are stopped by the same rule as with
the pruner ``auto``; all others can go on. It is told neither when a run will end nor when the
replay does.

A false stop is a trial of the eventual top three (of those begun) that was stopped: it would have
been refused more time for good. With ``freeze-thaw``, a trial can also lie paused when the replay
ends, which is after so many trials and not when time is over; how many of the top three do is
printed apart. The last two tables say what such a search would have lost by ending when more was
not worth it, and the share of its cost that it would have spent.

The runs of the tables ended by themselves once they had not improved for long; a pruner is told the
steps of the longest, as a study's ``training.max_steps`` would tell it.
"""

import argparse
import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

import derive_prior
import derive_shapes
import freeze_thaw
from automl_tf.config.study import (
    AutoPruner,
    HyperbandPruner,
    MedianPruner,
    NoPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from automl_tf.search.pruners.build import build_pruner
from automl_tf.search.pruners.pruner import CurveExtrapolationPruner
from automl_tf.search.samplers.history import record_corpus_info
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.schema import note_forecast, trial_seed
from hpo_curves import read_curves
from replays import BUDGET, HORIZON, NEAR, TOP, Contest, Replay
from reporting import Table, new_plot, publish
from table_spaces import NearestRows, OwnRows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _Oracle(BasePruner):
    """Stops all that will not end near the best as soon as Optuna asks."""

    def __init__(self, ends: Sequence[float]) -> None:
        self._ends = ends

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether the trial's known end is too low."""
        del study
        end: float = trial.user_attrs["end"]
        return end < max(self._ends) - NEAR - 1e-9


Ask = Callable[[optuna.Study, set[int]], tuple[optuna.Trial, int]]
"""Asks for a trial and gives the row that it stands for, given those already tried."""


def informed(contest: Contest, seed: int) -> Ask:
    """Our sampler, which chooses from the rows of the table."""
    own = OwnRows(contest.table)

    def ask(study: optuna.Study, tried: set[int]) -> tuple[optuna.Trial, int]:
        study.sampler = PriorGPSampler(
            own.space, trial_seed(seed, len(tried)), [], contest.wells, choose_from=own.rows
        )
        trial = study.ask(own.space)
        return trial, own.row(trial.params)

    return ask


def optunas(make: Callable[[int], BaseSampler]) -> Callable[[Contest, int], Ask]:
    """One of Optuna's samplers on the grid of the table's values: the nearest row not yet tried."""

    def start(contest: Contest, seed: int) -> Ask:
        grid = NearestRows(contest.table)
        sampler = make(seed)

        def ask(study: optuna.Study, tried: set[int]) -> tuple[optuna.Trial, int]:
            study.sampler = sampler
            trial = study.ask(grid.space)
            return trial, grid.row(trial.params, tried)

        return ask

    return start


SAMPLERS: dict[str, Callable[[Contest, int], Ask]] = {
    "random": optunas(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "tpe": optunas(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "auto": informed,
}
PRUNERS: dict[str, Callable[[Contest], BasePruner]] = {
    "none": lambda contest: _built(NoPruner(kind="none"), contest),
    "hyperband": lambda contest: _built(HyperbandPruner(kind="hyperband"), contest),
    "successive halving": lambda contest: _built(
        SuccessiveHalvingPruner(kind="successive_halving"), contest
    ),
    "median": lambda contest: _built(MedianPruner(kind="median"), contest),
    "median after a fifth": lambda contest: _built(
        MedianPruner(kind="median", warmup_steps=round(contest.curves.usual / 5)), contest
    ),
    "best quarter": lambda contest: _built(
        PercentilePruner(kind="percentile", percentile=25.0), contest
    ),
    "auto": lambda contest: CurveExtrapolationPruner(
        AutoPruner(kind="auto"), contest.curves.longest, BUDGET, contest.shapes
    ),
    "oracle": lambda contest: _Oracle(contest.table.bleu.tolist()),
}


FREEZE_THAW = "freeze-thaw"
"""Takes the place of a pruner, with our sampler."""


def _built(pruner: Any, contest: Contest) -> BasePruner:  # noqa: ANN401 - any of the kinds
    first = min(min(curve) for curve in contest.curves.curves)
    return build_pruner(pruner, first, contest.curves.longest, BUDGET)


def replay(sampler: str, pruner: str, contest: Contest, seed: int) -> Replay:
    """One search."""
    if pruner == FREEZE_THAW:
        return freeze_thaw.replay(contest, seed)
    ends = contest.table.bleu
    study = optuna.create_study(
        study_name=f"{contest.table.name} {seed}",
        direction="maximize",
        pruner=PRUNERS[pruner](contest),
    )
    record_corpus_info(study, contest.table.text)
    ask = SAMPLERS[sampler](contest, seed)
    tried: dict[int, bool] = {}
    spent, unpruned, found, missed = 0, 0, None, None
    while len(tried) < min(HORIZON, len(ends)) and (found is None or len(tried) < BUDGET):
        trial, row = ask(study, set(tried))
        trial.set_user_attr("end", float(ends[row]))
        full = max(contest.curves.curves[row])
        steps = _train(study, trial, contest.curves.curves[row])
        is_complete = steps == full
        tried[row] = not is_complete
        spent += steps
        unpruned += full
        # As exact as tables in hundredths of BLEU are.
        is_near = ends[row] >= ends.max() - NEAR - 1e-9
        if is_near and not is_complete and missed is None:
            missed = unpruned
        if is_near and is_complete and found is None:
            found = spent, len(tried)
    spent, trials = found or (spent + (missed or 0), len(tried))
    best = sorted(tried, key=lambda row: -ends[row])[:TOP]
    return Replay(
        spent / contest.curves.usual, trials, statistics.fmean(tried[row] for row in best)
    )


def _train(study: optuna.Study, trial: optuna.Trial, curve: Mapping[int, float]) -> int:
    """Tells a trial its validations; the steps until it was stopped or complete."""
    last = max(curve)
    for step, bleu in curve.items():
        trial.report(bleu, step)
        if step < last and _is_stopped(study, trial):
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, max(curve.values()))
    return last


def _is_stopped(study: optuna.Study, trial: optuna.Trial) -> bool:
    """Returns whether the pruner stops the trial; its forecast is recorded for the sampler."""
    if not isinstance(study.pruner, CurveExtrapolationPruner):
        return trial.should_prune()
    trials = study.get_trials(deepcopy=False)
    decision = study.pruner.judge(trials[trial.number], trials)
    if decision.expected is not None:
        note_forecast(trial, decision.expected)
    return decision.stop


def main() -> None:
    """Replays all curves."""
    options = _options()
    sizes = {name: int(size) for name, _, size in (text.partition("=") for text in options.pairs)}
    contests = _contests(options.folder, sizes)
    jobs = [
        (sampler, pruner, contest, seed)
        for sampler in options.samplers
        for pruner in options.pruners
        if pruner != FREEZE_THAW or sampler == "auto"
        for contest in contests
        for seed in range(options.seeds)
    ]
    with ProcessPoolExecutor(options.processes, initializer=_quiet) as pool:
        done = pool.map(replay, *zip(*jobs, strict=True), chunksize=options.seeds)
    replays: dict[tuple[str, str], dict[str, list[Replay]]] = {}
    for (sampler, pruner, contest, _), one in zip(jobs, done, strict=True):
        by_table = replays.setdefault((sampler, pruner), {})
        by_table.setdefault(contest.table.name, []).append(one)
    publish(
        "curve_replay",
        [
            _by_table("Full trainings until near the best", replays, lambda one: one.cost, 1),
            _by_table("Trials until near the best", replays, lambda one: one.trials, 1),
            _by_table(
                "Of the eventual top three, stopped, in percent",
                replays,
                lambda one: 100 * one.false_stops,
                1,
            ),
            _by_table(
                "Of the eventual top three, paused at the end, in percent",
                replays,
                lambda one: 100 * one.paused,
                1,
            ),
            _by_table("BLEU lost by ending when worthwhile", replays, lambda one: one.lost, 2),
            _by_table("Cost until then, in percent", replays, lambda one: 100 * one.share, 0),
        ],
        {
            "options": {**vars(options), "folder": options.folder.name},
            "replays": {
                f"{sampler} + {pruner}": {
                    name: [list(dataclasses.astuple(one)) for one in those]
                    for name, those in by_table.items()
                }
                for (sampler, pruner), by_table in replays.items()
            },
        },
        _plot(replays),
        part=options.part,
    )


def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where PAIR.curves.jsonl files lie")
    names = [*PRUNERS, FREEZE_THAW]
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--pruners", nargs="+", choices=names, default=names)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--part", help="name of these results beside the whole ones")
    parser.add_argument("--processes", type=int, default=1, help="replays at the same time")
    parser.add_argument(
        "--pairs", nargs="*", default=[], metavar="NAME=PAIRS", help="sizes of other corpora"
    )
    return parser.parse_args()


def _contests(folder: Path, sizes: Mapping[str, int]) -> list[Contest]:
    curves = read_curves(folder, sizes)
    known, risen = derive_prior.read_known(folder, sizes), curves
    return [
        Contest(
            runs,
            derive_prior.derive(known.without(name)),
            derive_shapes.derive(those for other, those in risen.items() if other != name),
        )
        for name, runs in curves.items()
    ]


def _by_table(
    title: str,
    replays: Mapping[tuple[str, str], Mapping[str, Sequence[Replay]]],
    figure: Callable[[Replay], float],
    digits: int,
) -> Table:
    names = list(next(iter(replays.values())))
    rows = []
    for (sampler, pruner), by_table in replays.items():
        means = [statistics.fmean(figure(one) for one in by_table[name]) for name in names]
        cells = [f"{mean:.{digits}f}" for mean in [*means, statistics.fmean(means)]]
        rows.append((f"{sampler} + {pruner}", *cells))
    return Table(title, ("sampler + pruner", *names, "mean"), tuple(rows))


def _plot(replays: Mapping[tuple[str, str], Mapping[str, Sequence[Replay]]]) -> "Figure":
    figure, [left, right] = new_plot(2)
    names = [f"{sampler} + {pruner}" for sampler, pruner in replays]
    for axes, of, label in (
        (left, lambda one: one.cost, "full trainings"),
        (right, lambda one: 100 * one.false_stops, "% of the top three"),
    ):
        means = [
            statistics.fmean(statistics.fmean(map(of, those)) for those in by_table.values())
            for by_table in replays.values()
        ]
        axes.barh(names, means)
        axes.invert_yaxis()
        axes.tick_params(labelsize=6)
        axes.set_xlabel(label)
    left.set_title(f"Until within {NEAR} BLEU of the best", fontsize=10)
    right.set_title("Stopped in error", fontsize=10)
    return figure


if __name__ == "__main__":
    main()
