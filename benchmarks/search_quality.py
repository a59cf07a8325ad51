"""Trials that a sampler needs to find the best configuration, replayed on tables of real trials.

    python benchmarks/search_quality.py FOLDER
    python benchmarks/search_quality.py FOLDER --samplers auto tpe --seeds 30 --pairs xy-en=50000

A table lists Transformers that others have trained, with their BLEU. A sampler asks for one
configuration after another, through the same Optuna study and the same sampler class as a real
search, and is told the BLEU of the table. It may propose rows of the table alone; Optuna's samplers
propose anything in the grid of its values and get the nearest row that they have not had.

Nothing of the pair that is replayed reaches the sampler: the prior is derived again from the other
pairs (and from the literature), and earlier studies are those of other pairs. Where two tables are
of one corpus in both directions, the contestant "prior of other corpora" does without the other
direction.
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
from optuna.trial import create_trial

from automl_tf.config.space import read_space
from automl_tf.search.samplers.build import distribution
from automl_tf.search.samplers.gp import NO_PRIOR, PRIOR_HYPOTHESES
from automl_tf.search.samplers.history import record_corpus_info
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.samplers.priors import Optimum
from automl_tf.search.schema import trial_seed
from derive_prior import Known, derive, read_known, usable
from hpo_curves import read_stopped
from hpo_tables import HpoTable, read_tables
from reporting import Table, new_plot, number, publish
from table_spaces import NearestRows, OwnRows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEAR = 0.5
"""BLEU below the table's best that counts as found."""
REGRETS = (5, 10, 20)
"""Trials after which the distance to the best is told."""
HORIZON = 100
"""Trials after which a replay ends; a search that has not found by then counts with so many."""
ASKED_TRIALS, ASKS = 200, 5
SPACE = Path(__file__).parents[1] / "search_spaces" / "small.yaml"


@dataclass(frozen=True)
class Replay:
    """One search on one table.

    Attributes:
        trials: Trials until one came near the best.
        regrets: BLEU below the best after 5, 10 and 20 trials.
    """

    trials: int
    regrets: tuple[float, ...]


@dataclass(frozen=True)
class Contest:
    """A table to be searched and what a sampler may know of others.

    Attributes:
        table: The table.
        others: Tables of other corpora.
        prior: The prior, derived from the others.
        far_prior: The prior, derived from those of them that are not the same corpus reversed.
        storage: Where the others lie as studies.
    """

    table: HpoTable
    others: Sequence[HpoTable]
    prior: Mapping[str, Optimum]
    far_prior: Mapping[str, Optimum]
    storage: optuna.storages.BaseStorage


Search = Callable[[Contest, int, int], list[int]]
"""The rows that a search with this seed tries on a table, in so many trials."""


def auto(
    contest: Contest, seed: int, trials: int, *, learns: bool = False, kind: str = "auto"
) -> list[int]:
    """Our sampler, with the prior, with earlier studies, or with neither."""
    table, own = contest.table, OwnRows(contest.table)
    names = [other.name for other in contest.others] if learns else []
    study = optuna.create_study(
        direction="maximize",
        storage=contest.storage,
        study_name=f"{table.name} {kind} {learns} {seed} {time.perf_counter_ns()}",
    )
    record_corpus_info(study, table.text)
    wells = contest.far_prior if kind == "other corpora" else contest.prior
    models = NO_PRIOR if kind == "alone" else PRIOR_HYPOTHESES
    if kind == "long":
        wells = {name: replace(well, per_shortness=0.0) for name, well in wells.items()}
    if kind == "upside down":
        wells = {
            name: replace(well, loss_below=-well.loss_below, loss_above=-well.loss_above)
            for name, well in wells.items()
        }
    tried: list[int] = []
    for trial_number in range(trials):
        study.sampler = PriorGPSampler(
            own.space, trial_seed(seed, trial_number), names, wells, models, choose_from=own.rows
        )
        trial = study.ask(own.space)
        tried.append(own.row(trial.params))
        study.tell(trial, float(table.bleu[tried[-1]]))
    optuna.delete_study(study_name=study.study_name, storage=contest.storage)
    return tried


def optunas(make: Callable[[int], BaseSampler]) -> Search:
    """One of Optuna's samplers, on the grid of the table's values."""

    def search(contest: Contest, seed: int, trials: int) -> list[int]:
        grid = NearestRows(contest.table)
        study = optuna.create_study(direction="maximize", sampler=make(seed))
        tried: list[int] = []
        for _ in range(trials):
            trial = study.ask(grid.space)
            tried.append(grid.row(trial.params, tried))
            study.tell(trial, float(contest.table.bleu[tried[-1]]))
        return tried

    return search


SEARCHES: dict[str, Search] = {
    "random": optunas(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "tpe": optunas(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "gp": optunas(lambda seed: optuna.samplers.GPSampler(seed=seed)),
    "auto without prior": lambda contest, seed, trials: auto(contest, seed, trials, kind="alone"),
    "auto": auto,
    "auto, prior of other corpora": lambda contest, seed, trials: auto(
        contest, seed, trials, kind="other corpora"
    ),
    "auto, prior of long trainings": lambda contest, seed, trials: auto(
        contest, seed, trials, kind="long"
    ),
    "auto with earlier studies": lambda contest, seed, trials: auto(
        contest, seed, trials, learns=True
    ),
    "auto, prior upside down": lambda contest, seed, trials: auto(
        contest, seed, trials, kind="upside down"
    ),
}


def main() -> None:
    """Replays all tables."""
    options = _options()
    sizes = _sizes(options.pairs)
    known = read_known(options.folder, sizes)
    if options.checkpoints is None:
        tables = read_tables(options.folder, sizes)
    else:
        tables = usable(read_stopped(options.folder, sizes, options.checkpoints))
    contests = [_contest(table, tables, known) for table in tables.values()]
    replays: dict[str, dict[str, list[Replay]]] = {}
    for sampler in options.samplers:
        replays[sampler] = {}
        for contest in contests:
            replays[sampler][contest.table.name] = [
                _replay(sampler, contest, seed, options.hide) for seed in range(options.seeds)
            ]
    seconds = _ask_seconds()
    publish(
        "search_quality",
        [_trials_table(replays), _regret_table(replays, _from_scratch(tables)), _asks(seconds)],
        {
            "options": {**vars(options), "folder": options.folder.name},
            "replays": {
                sampler: {
                    name: [[replay.trials, *replay.regrets] for replay in done]
                    for name, done in by_table.items()
                }
                for sampler, by_table in replays.items()
            },
            "ask_seconds": seconds,
        },
        _plot(replays, _from_scratch(tables)),
        part=None if options.checkpoints is None else f"{options.checkpoints}_checkpoints",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where PAIR.csv files lie")
    parser.add_argument("--samplers", nargs="+", choices=SEARCHES, default=list(SEARCHES))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument(
        "--pairs", nargs="*", default=[], metavar="NAME=PAIRS", help="sizes of other corpora"
    )
    parser.add_argument(
        "--checkpoints", type=int, help="replay runs as if they had been stopped after so many"
    )
    parser.add_argument("--hide", type=float, default=0.0, help="share of rows hidden by each seed")
    return parser.parse_args()


def _sizes(given: Sequence[str]) -> dict[str, int]:
    parts = [text.partition("=") for text in given]
    return {name: int(size) for name, _, size in parts}


def _from_scratch(tables: Mapping[str, HpoTable]) -> list[str]:
    """Tables of Transformers trained from scratch, of which means are taken."""
    return [name for name, table in tables.items() if "embed" in table.rows[0]]


def _contest(table: HpoTable, tables: Mapping[str, HpoTable], known: Known) -> Contest:
    reverse = "-".join(reversed(table.name.split("-")))
    others = [other for name, other in usable(tables).items() if name != table.name]
    storage = optuna.storages.InMemoryStorage()
    for other in others:
        study = optuna.create_study(direction="maximize", storage=storage, study_name=other.name)
        record_corpus_info(study, other.text)
        own = OwnRows(other)
        study.add_trials(
            [
                create_trial(params=row, distributions=own.space, value=float(bleu))
                for row, bleu in zip(own.rows, other.bleu, strict=True)
            ]
        )
    near = known.without(table.name)
    return Contest(table, others, derive(near), derive(near.without(reverse)), storage)


def _replay(sampler: str, contest: Contest, seed: int, hide: float) -> Replay:
    """One search; another one with more trials if it does not find anything in few."""
    table = contest.table
    kept = np.sort(
        np.random.default_rng(seed).permutation(len(table.bleu))[
            : max(REGRETS[-1], round(len(table.bleu) * (1 - hide)))
        ]
    )
    table = replace(table, rows=[table.rows[index] for index in kept], bleu=table.bleu[kept])
    best = float(table.bleu.max())
    most = min(HORIZON, len(table.bleu))
    contest = replace(contest, table=table)
    for trials in (REGRETS[-1], most):
        tried = SEARCHES[sampler](contest, seed, trials)
        # As exact as tables in hundredths of BLEU are.
        near = np.flatnonzero(table.bleu[tried] >= best - NEAR - 1e-9)
        if len(near) or trials == most:
            break
    so_far = np.maximum.accumulate(table.bleu[tried])
    found = int(near[0]) + 1 if len(near) else most
    return Replay(found, tuple(float(best - so_far[trials - 1]) for trials in REGRETS))


def _ask_seconds() -> list[float]:
    """CPU-seconds to ask in a space of a real study after many trials."""
    space = {name: distribution(domain) for name, domain in read_space(SPACE)[0].domains.items()}
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    draw = np.random.default_rng(1)
    for _ in range(ASKED_TRIALS):
        study.tell(study.ask(space), float(draw.normal(20.0, 2.0)))
    seconds = []
    for turn in range(ASKS):
        study.sampler = PriorGPSampler(space, seed=turn, learn_from=[])
        started = time.process_time()
        study.ask(space)
        seconds.append(time.process_time() - started)
    return seconds


def _mean(replays: Sequence[Replay], figure: Callable[[Replay], float]) -> float:
    return statistics.fmean(figure(replay) for replay in replays)


def _trials_table(replays: Mapping[str, Mapping[str, Sequence[Replay]]]) -> Table:
    names = list(next(iter(replays.values())))
    rows = tuple(
        (sampler, *(f"{_mean(by_table[name], lambda r: r.trials):.1f}" for name in names))
        for sampler, by_table in replays.items()
    )
    return Table(f"Trials until within {NEAR} BLEU of the table's best", ("sampler", *names), rows)


def _regret_table(
    replays: Mapping[str, Mapping[str, Sequence[Replay]]], names: Sequence[str]
) -> Table:
    rows = []
    for sampler, by_table in replays.items():
        means = _over_tables(by_table, names)
        rows.append((sampler, f"{means[0]:.1f}", *(f"{mean:.2f}" for mean in means[1:])))
    columns = ("sampler", "trials", *(f"regret at {trials}" for trials in REGRETS))
    return Table("Means over the tables of Transformers trained from scratch", columns, tuple(rows))


def _over_tables(
    by_table: Mapping[str, Sequence[Replay]], names: Sequence[str]
) -> NDArray[np.float64]:
    figures = [
        np.mean([[replay.trials, *replay.regrets] for replay in by_table[name]], axis=0)
        for name in names
    ]
    mean: NDArray[np.float64] = np.mean(figures, axis=0)
    return mean


def _asks(seconds: Sequence[float]) -> Table:
    return Table(
        f"Asking after {ASKED_TRIALS} trials in {SPACE.name}",
        ("sampler", "CPU-seconds"),
        (("auto", number(statistics.median(seconds))),),
    )


def _plot(replays: Mapping[str, Mapping[str, Sequence[Replay]]], names: Sequence[str]) -> "Figure":
    figure, [left, right] = new_plot(2)
    means = {sampler: _over_tables(by_table, names) for sampler, by_table in replays.items()}
    left.barh(list(means), [mean[0] for mean in means.values()])
    left.invert_yaxis()
    left.set_xlabel("trials")
    left.set_title(f"Until within {NEAR} BLEU of the best", fontsize=10)
    for sampler, mean in means.items():
        right.plot(REGRETS, mean[1:], marker="o", label=sampler)
    right.set_xticks(REGRETS)
    right.set_xlabel("trials")
    right.set_ylabel("BLEU below the best")
    right.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main()
