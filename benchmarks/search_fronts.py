"""Pareto fronts of BLEU and decoding time that a sampler finds, replayed on tables of real trials.

    python benchmarks/search_fronts.py FOLDER
    python benchmarks/search_fronts.py FOLDER --samplers auto tpe --seeds 30 --hide 0.3

A sampler asks for one configuration after another, through the same Optuna study and the same
sampler class as a real search with two objectives, and is told BLEU and decoding time of the table.
Nothing of the pair that is replayed reaches the sampler: what it knows of BLEU and of costs is
derived again from the other pairs.

What counts is the hypervolume of the trials so far, as a share of that of all rows, above a
reference point. "strict": the medians of the table, so that only what betters half of all rows in
both objectives counts. "front": the worst of each objective on the table's own front, less a tenth
of the front's extent. The worst rows of the table as reference, which is usual, would give random
search 0.9 at 20 trials.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from automl_tf.config.space import read_space
from automl_tf.search.optuna_compat import compute_hypervolume
from automl_tf.search.samplers.build import distribution
from automl_tf.search.samplers.gp import NO_PRIOR, PRIOR_HYPOTHESES
from automl_tf.search.samplers.history import record_corpus_info
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.samplers.priors import Costs, Optimum
from automl_tf.search.schema import trial_seed
from derive_costs import COLUMNS, derive_costs
from derive_prior import Known, derive, usable
from hpo_tables import HpoTable, read_tables
from reporting import Table, new_plot, number, publish
from table_spaces import NearestRows, OwnRows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
TIME = COLUMNS["latency"]
DIRECTIONS = (StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE)
TOLD = (10, 20, 50)
"""Trials after which the hypervolume is told."""
MARGIN = 0.1
"""Share of the front's extent that lies between its worst and the lenient reference point."""
ASKED_TRIALS, ASKS = 200, 5
SPACE = Path(__file__).parents[1] / "search_spaces" / "small.yaml"


@dataclass(frozen=True)
class Contest:
    """A table to be searched and what a sampler may know of others.

    Attributes:
        table: The table.
        wells: What is known of BLEU, derived from the others.
        costs: What is known of costs, derived from the others.
    """

    table: HpoTable
    wells: Mapping[str, Optimum]
    costs: Costs

    @property
    def losses(self) -> Array:
        """BLEU, turned so that less is better, and seconds of each row."""
        return np.stack([-self.table.bleu, self.table.costs[TIME]], axis=1)

    def values(self, row: int) -> list[float]:
        """What a study is told of a row."""
        return [float(self.table.bleu[row]), float(self.table.costs[TIME][row])]


Search = Callable[[Contest, int, int], list[int]]
"""The rows that a search with this seed tries on a table, in so many trials."""


def auto(
    contest: Contest, seed: int, trials: int, *, knows: bool = True, knows_costs: bool = True
) -> list[int]:
    """Our sampler, with what it knows or without."""
    own = OwnRows(contest.table)
    study = optuna.create_study(directions=DIRECTIONS)
    record_corpus_info(study, contest.table.text)
    costs = contest.costs if knows_costs else {}
    tried: list[int] = []
    for trial_number in range(trials):
        study.sampler = PriorGPSampler(
            own.space,
            trial_seed(seed, trial_number),
            (),
            contest.wells,
            PRIOR_HYPOTHESES if knows else NO_PRIOR,
            choose_from=own.rows,
            costs=costs,
        )
        trial = study.ask(own.space)
        tried.append(own.row(trial.params))
        study.tell(trial, contest.values(tried[-1]))
    return tried


def optunas(make: Callable[[int], BaseSampler]) -> Search:
    """One of Optuna's samplers, on the grid of the table's values."""

    def search(contest: Contest, seed: int, trials: int) -> list[int]:
        grid = NearestRows(contest.table)
        study = optuna.create_study(directions=DIRECTIONS, sampler=make(seed))
        tried: list[int] = []
        for _ in range(trials):
            trial = study.ask(grid.space)
            tried.append(grid.row(trial.params, tried))
            study.tell(trial, contest.values(tried[-1]))
        return tried

    return search


SEARCHES: dict[str, Search] = {
    "random": optunas(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "nsgaii": optunas(lambda seed: optuna.samplers.NSGAIISampler(population_size=10, seed=seed)),
    "tpe": optunas(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "auto": auto,
    "auto without costs' prior": lambda contest, seed, trials: auto(
        contest, seed, trials, knows_costs=False
    ),
    "auto without any prior": lambda contest, seed, trials: auto(
        contest, seed, trials, knows=False, knows_costs=False
    ),
}


def references(losses_N2: Array) -> dict[str, Array]:
    """The reference point of each measure."""
    front = losses_N2[on_front(losses_N2)]
    extent = np.ptp(front, axis=0)
    # A front may be a single row.
    extent = np.where(extent > 0, extent, np.ptp(losses_N2, axis=0))
    return {
        "strict": np.median(losses_N2, axis=0),
        "front": front.max(0) + MARGIN * extent,
    }


def hypervolume(losses_N2: Array, reference: Array) -> float:
    """The area that points dominate below a reference point."""
    return compute_hypervolume(np.minimum(losses_N2, reference), reference)


def on_front(losses_N2: Array) -> NDArray[np.bool_]:
    """Which points no other is better than."""
    at_least_NN = np.all(losses_N2[None] <= losses_N2[:, None], axis=2)
    better_NN = np.any(losses_N2[None] < losses_N2[:, None], axis=2)
    on_front_N: NDArray[np.bool_] = ~np.any(at_least_NN & better_NN, axis=1)
    return on_front_N


Shares = dict[str, list[float]]
"""Shares of the hypervolume after 10, 20 and 50 trials, by measure."""


def main() -> None:
    """Replays all tables."""
    options = _options()
    tables = {
        name: table
        for name, table in usable(read_tables(options.folder, _sizes(options.pairs))).items()
        if TIME in table.costs
    }
    contests = [_contest(table, tables) for table in tables.values()]
    replays: dict[str, dict[str, list[Shares]]] = {}
    for sampler in options.samplers:
        replays[sampler] = {
            contest.table.name: [
                _replay(sampler, contest, seed, options.hide) for seed in range(options.seeds)
            ]
            for contest in contests
        }
    seconds = _ask_seconds()
    publish(
        "search_fronts",
        [
            *(_table(measure, replays) for measure in ("strict", "front")),
            Table(
                f"Asking after {ASKED_TRIALS} trials in {SPACE.name}, two objectives",
                ("sampler", "CPU-seconds"),
                (("auto", number(statistics.median(seconds))),),
            ),
        ],
        {
            "options": {**vars(options), "folder": options.folder.name},
            "trials": TOLD,
            "replays": replays,
            "ask_seconds": seconds,
        },
        _plot(replays),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where PAIR.csv files lie")
    parser.add_argument("--samplers", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument(
        "--pairs", nargs="*", default=[], metavar="NAME=PAIRS", help="sizes of other corpora"
    )
    parser.add_argument("--hide", type=float, default=0.0, help="share of rows hidden by each seed")
    return parser.parse_args()


def _sizes(given: Sequence[str]) -> dict[str, int]:
    parts = [text.partition("=") for text in given]
    return {name: int(size) for name, _, size in parts}


def _contest(table: HpoTable, tables: Mapping[str, HpoTable]) -> Contest:
    others = [other for name, other in tables.items() if name != table.name]
    return Contest(table, derive(Known(others, [])), derive_costs(others))


def _replay(sampler: str, contest: Contest, seed: int, hide: float) -> Shares:
    table = contest.table
    count = max(min(TOLD[-1], len(table.bleu)), round(len(table.bleu) * (1 - hide)))
    kept = np.sort(np.random.default_rng(seed).permutation(len(table.bleu))[:count])
    table = replace(
        table,
        rows=[table.rows[index] for index in kept],
        bleu=table.bleu[kept],
        costs={name: values[kept] for name, values in table.costs.items()},
    )
    contest = replace(contest, table=table)
    tried = SEARCHES[sampler](contest, seed, min(TOLD[-1], count))
    losses_N2 = contest.losses
    return {
        measure: [
            hypervolume(losses_N2[tried[:trials]], reference) / hypervolume(losses_N2, reference)
            for trials in TOLD
        ]
        for measure, reference in references(losses_N2).items()
    }


def _means(measure: str, by_table: Mapping[str, Sequence[Shares]]) -> Array:
    """Means over seeds of the shares, of shape tables, trials."""
    return np.array(
        [np.mean([shares[measure] for shares in found], axis=0) for found in by_table.values()]
    )


def _table(measure: str, replays: Mapping[str, Mapping[str, Sequence[Shares]]]) -> Table:
    names = list(next(iter(replays.values())))
    rows = []
    for sampler, by_table in replays.items():
        means = _means(measure, by_table)
        cells = [f"{share:.2f}" for share in means.mean(0)]
        by_pair = [" / ".join(f"{share:.2f}" for share in shares[1:]) for shares in means]
        rows.append((sampler, *cells, *by_pair))
    columns = (
        "sampler",
        *(f"at {trials}" for trials in TOLD),
        *(f"{name} at {TOLD[1]} / {TOLD[2]}" for name in names),
    )
    return Table(f"Share of the hypervolume, {measure}", columns, tuple(rows))


def _ask_seconds() -> list[float]:
    """CPU-seconds to ask in a space of a real study after many trials."""
    space = {name: distribution(domain) for name, domain in read_space(SPACE)[0].domains.items()}
    study = optuna.create_study(
        directions=DIRECTIONS, sampler=optuna.samplers.RandomSampler(seed=1)
    )
    draw = np.random.default_rng(1)
    for _ in range(ASKED_TRIALS):
        study.tell(study.ask(space), [float(draw.normal(20.0, 2.0)), float(draw.uniform(5, 20))])
    seconds = []
    for turn in range(ASKS):
        study.sampler = PriorGPSampler(space, seed=turn, learn_from=[])
        started = time.process_time()
        study.ask(space)
        seconds.append(time.process_time() - started)
    return seconds


def _plot(replays: Mapping[str, Mapping[str, Sequence[Shares]]]) -> "Figure":
    figure, [left, right] = new_plot(2)
    for axes, measure in ((left, "strict"), (right, "front")):
        for sampler, by_table in replays.items():
            axes.plot(TOLD, _means(measure, by_table).mean(0), marker="o", label=sampler)
        axes.set_xticks(TOLD)
        axes.set_xlabel("trials")
        axes.set_ylabel("share of the hypervolume")
        axes.set_title(measure, fontsize=10)
    left.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main()
