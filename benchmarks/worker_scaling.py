"""Trials an hour against the number of workers, and what coordination takes in a long study.

    python benchmarks/worker_scaling.py
    python benchmarks/worker_scaling.py --only postgresql --workers 1 64

Workers are processes with the project's own loop: they claim, beat, validate, report, ask whether
to prune, and tell, with the attributes that real trials set. Only the training is left out: a
trial sleeps for five seconds between five validations. MLflow is left out too. PostgreSQL is one
that the benchmark starts, on the same machine. For the long studies, ended trials are written into
the database by the thousand; then one process joins, asks and tells, once for each sampler.
"""

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState

import automl_tf.search.worker as loop
from automl_tf.config.space_file import read_space
from automl_tf.config.study import StudyConfig
from automl_tf.scoring.sentences import COUNTS, SentenceStatistics
from automl_tf.search.events import Event
from automl_tf.search.opening import open_study
from automl_tf.search.record import (
    BEST_SENTENCES,
    BEST_STEP,
    ESTIMATED_MEMORY,
    FLOPS_PER_TOKEN,
    NUM_PARAMETERS,
    REASON,
    RUN_ID,
    SAMPLES,
    SECONDS,
    SEED,
    SENTENCES,
    VALIDATIONS,
    WORKER,
    Definition,
)
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.strategy import build_pruner, distribution
from automl_tf.search.trial import Bench, Ending
from contest import ROOT
from measuring import Result
from reporting import Table, new_plot, number, percent, publish
from servers import PostgreSQL, find_programs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALIDATIONS_A_TRIAL, SECONDS_A_VALIDATION = 5, 1.0
TRIAL_SECONDS = VALIDATIONS_A_TRIAL * SECONDS_A_VALIDATION
WINDOW_SECONDS = 12.0
"""Time in which workers begin new trials; those that run then come to their ends."""
WORKERS = {"postgresql": (1, 2, 4, 16, 64), "sqlite": (1, 2, 4, 8)}
LENGTHS = (100, 1_000, 10_000)
SAMPLERS = ("random", "tpe", "auto")
ASKED = 3
"""Trials that are asked for and told in each long study, by each sampler."""
SENTENCES_VALIDATED = 1_000
LONGEST_WAIT_SECONDS = 300
UNLIMITED = 1_000_000
MOST_CONNECTIONS = 2 * max(WORKERS["postgresql"]) + 20
HOURLY, SHARE = "trials_an_hour", "share_of_ideal"
LATENCIES = ("join", "ask", "tell")
ATTRIBUTES: dict[str, Any] = {
    NUM_PARAMETERS: 1_000_000,
    FLOPS_PER_TOKEN: 1e7,
    ESTIMATED_MEMORY: 500.0,
    SEED: 1,
    VALIDATIONS: {
        str(step): {"bleu": 20.0 + step, "chrf": 40.0, "loss": 2.0}
        for step in range(1, VALIDATIONS_A_TRIAL + 1)
    },
    SENTENCES: {},
    SECONDS: TRIAL_SECONDS,
    SAMPLES: ["a sentence"] * 24,
    BEST_STEP: VALIDATIONS_A_TRIAL,
    REASON: None,
    RUN_ID: "0" * 32,
    WORKER: "elsewhere:1:0",
}
"""Of a trial that ended, as a real one has them."""
_FINITE = models.TrialValueModel.TrialValueType.FINITE
_FINITE_STEP = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE


@dataclass(frozen=True)
class Place:
    """A study for simulated workers.

    Attributes:
        url: Its database.
        home: A home directory.
        name: Its name.
        sampler: Kind of its sampler.
    """

    url: str
    home: Path
    name: str
    sampler: str

    @property
    def definition(self) -> Definition:
        """The study: the space `small.yaml`, searched for BLEU."""
        config = StudyConfig.model_validate(
            {
                "name": self.name,
                "space": "small.yaml",
                "corpus": {"kind": "synthetic"},
                "sampler": {"kind": self.sampler},
                "pruner": {"kind": "median"},
                "budget": {"trials": UNLIMITED},
                "start_with_base": False,
            }
        )
        space, _ = read_space(ROOT / "search_spaces" / "small.yaml")
        return Definition(config, space, fingerprint="none")

    def bench(
        self, tell: Callable[[Event], None] = lambda _event: None, deadline: float = float("inf")
    ) -> Bench:
        """What a worker has."""
        definition = self.definition
        storage = open_storage(self.url, self.home)
        study = open_study(storage, definition)
        study.pruner = build_pruner(definition.config.pruner, 1, VALIDATIONS_A_TRIAL)
        return Bench(
            storage=storage,
            study=study,
            definition=definition,
            home=self.home,
            tracking=None,  # type: ignore[arg-type] - nothing that is simulated is tracked
            tell=tell,
            should_pause=lambda: time.monotonic() > deadline,
        )


def simulated(trial: optuna.Trial, bench: Bench) -> Ending:
    """A trial that sleeps, and tells the storage what a real one does."""
    return _validated(trial, bench, SECONDS_A_VALIDATION)


def _validated(trial: optuna.Trial, bench: Bench, pause: float) -> Ending:
    counts = np.random.default_rng(trial.number).integers(0, 30, (SENTENCES_VALIDATED, COUNTS))
    text = SentenceStatistics(counts).to_text()
    for name in (NUM_PARAMETERS, FLOPS_PER_TOKEN, ESTIMATED_MEMORY, SEED):
        trial.set_user_attr(name, 1_000_000)
    bleu = 0.0
    for step in range(1, VALIDATIONS_A_TRIAL + 1):
        time.sleep(pause)
        bleu = 30.0 + step + trial.number % 7
        told = trial.user_attrs.get(VALIDATIONS, {})
        scores = {"bleu": bleu, "chrf": bleu, "loss": 1.0}
        trial.set_user_attr(VALIDATIONS, {**told, str(step): scores})
        kept = trial.user_attrs.get(SENTENCES, {})
        trial.set_user_attr(SENTENCES, {**kept, str(step): text})
        trial.set_user_attr(SECONDS, step * pause)
        trial.set_user_attr(SAMPLES, ["a sentence"] * 24)
        trial.report(bleu, step)
        trial.should_prune()
    bench.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    attributes = {SECONDS: TRIAL_SECONDS, BEST_STEP: 5, BEST_SENTENCES: text, SENTENCES: {}}
    for name, value in {**attributes, REASON: None, RUN_ID: "0" * 32}.items():
        trial.set_user_attr(name, value)
    return Ending(TrialState.COMPLETE, values=(bleu,))


def work(place: Place, barrier: Any, told: Any) -> None:  # noqa: ANN401 - of a context
    """A worker: joins, waits for the others, works until the time is over."""
    loop.run_trial = simulated
    barrier.wait(LONGEST_WAIT_SECONDS)
    opened = time.monotonic()
    ended: list[Event] = []
    joined = place.bench()
    joining = time.monotonic() - opened
    # Only when all have joined does the time of any begin.
    barrier.wait(LONGEST_WAIT_SECONDS)
    started, cpu = time.monotonic(), time.process_time()
    bench = dataclasses.replace(
        joined,
        tell=ended.append,
        should_pause=lambda: time.monotonic() > started + WINDOW_SECONDS,
    )
    loop.work(bench)
    bench.storage.engine.dispose()
    told.put((len(ended), time.monotonic() - started, time.process_time() - cpu, joining))


def trials_an_hour(place: Place, workers: int) -> Result:
    """What so many workers reach together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([Path(__file__).stem])
    place.bench().storage.engine.dispose()
    barrier, told = context.Barrier(workers), context.Queue()
    crew = [context.Process(target=work, args=(place, barrier, told)) for _ in range(workers)]
    for process in crew:
        process.start()
    results = [told.get(timeout=LONGEST_WAIT_SECONDS) for _ in crew]
    for process in crew:
        process.join()
    trials = sum(result[0] for result in results)
    rate = 3600 * sum(result[0] / result[1] for result in results)
    return {
        HOURLY: rate,
        SHARE: rate * TRIAL_SECONDS / (3600 * workers),
        "cpu_seconds_a_trial": sum(result[2] for result in results) / trials,
        "joining_seconds": max(result[3] for result in results),
    }


def fill(place: Place, up_to: int) -> None:
    """Adds ended trials to a study until it has so many."""
    bench = place.bench()
    domains = bench.definition.space.domains
    distributions = {name: distribution(domain) for name, domain in domains.items()}
    there = len(bench.study.get_trials(deepcopy=False))
    sampler = optuna.samplers.RandomSampler(seed=there)
    made = optuna.create_study(sampler=sampler)
    rows = [(number, made.ask(distributions).params) for number in range(there, up_to)]
    with bench.storage.engine.begin() as connection:
        _insert(connection, bench.study._study_id, rows, distributions)  # noqa: SLF001
    bench.storage.engine.dispose()


def _insert(
    connection: sqlalchemy.Connection,
    study_id: int,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    distributions: Mapping[str, BaseDistribution],
) -> None:
    """Writes complete trials in bulk, as Optuna would one by one."""
    now = dt.datetime.now()  # noqa: DTZ005 - what Optuna writes
    connection.execute(
        sqlalchemy.insert(models.TrialModel),
        [
            {
                "number": number,
                "study_id": study_id,
                "state": TrialState.COMPLETE,
                "datetime_start": now,
                "datetime_complete": now,
            }
            for number, _ in rows
        ],
    )
    found = connection.execute(
        sqlalchemy.select(models.TrialModel.number, models.TrialModel.trial_id).where(
            models.TrialModel.study_id == study_id
        )
    )
    ids = {row.number: row.trial_id for row in found}
    children: dict[Any, list[dict[str, Any]]] = {}
    for index, params in rows:
        trial, bleu = {"trial_id": ids[index]}, 20 + 10 * random.Random(index).random()  # noqa: S311
        children.setdefault(models.TrialValueModel, []).append(
            {**trial, "objective": 0, "value": bleu, "value_type": _FINITE}
        )
        for step in range(1, VALIDATIONS_A_TRIAL + 1):
            children.setdefault(models.TrialIntermediateValueModel, []).append(
                {
                    **trial,
                    "step": step,
                    "intermediate_value": bleu - 5 + step,
                    "intermediate_value_type": _FINITE_STEP,
                }
            )
        for name, value in params.items():
            children.setdefault(models.TrialParamModel, []).append(
                {
                    **trial,
                    "param_name": name,
                    "param_value": distributions[name].to_internal_repr(value),
                    "distribution_json": distribution_to_json(distributions[name]),
                }
            )
        for name, value in ATTRIBUTES.items():
            children.setdefault(models.TrialUserAttributeModel, []).append(
                {**trial, "key": name, "value_json": json.dumps(value)}
            )
    for model, values in children.items():
        connection.execute(sqlalchemy.insert(model), values)


def ask_and_tell(place: Place, told: Any) -> None:  # noqa: ANN401 - of a context
    """A fresh worker's joining, asking and telling in a long study."""
    started = time.perf_counter()
    bench = place.bench()
    bench.study.get_trials(deepcopy=False)
    joining = time.perf_counter() - started
    asks, tells = [], []
    for _ in range(ASKED):
        started = time.perf_counter()
        trial = loop.claim(bench)
        assert trial is not None
        asked = time.perf_counter()
        ending = _validated(trial, bench, pause=0.0)
        bench.study.tell(trial, list(ending.values))
        asks.append(asked - started)
        tells.append(time.perf_counter() - asked)
    told.put({"join": joining, "ask": statistics.median(asks), "tell": statistics.median(tells)})


def in_long_studies(place: Place, lengths: Sequence[int]) -> dict[str, Result]:
    """Joining, asking and telling by length of the study and sampler."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([Path(__file__).stem])
    results: dict[str, Result] = {}
    for length in lengths:
        print(f"{place.url.partition(':')[0]}: {length} trials", file=sys.stderr, flush=True)
        fill(place, length)
        for sampler in SAMPLERS:
            told = context.Queue()
            asking = dataclasses.replace(place, sampler=sampler)
            process = context.Process(target=ask_and_tell, args=(asking, told))
            process.start()
            results[f"{length} {sampler}"] = told.get(timeout=LONGEST_WAIT_SECONDS)
            process.join()
    return results


def main() -> None:
    """Measures the chosen storages."""
    options = _options()
    hourly: dict[str, dict[int, Result]] = {}
    long: dict[str, dict[str, Result]] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for storage in options.only:
            url = _database(storage, Path(folder), stack)
            place = Place(url, Path(folder), "workers", "tpe")
            numbers = WORKERS[storage] if options.workers is None else options.workers
            for workers in numbers:
                print(f"{storage}: {workers} workers", file=sys.stderr, flush=True)
                counted = dataclasses.replace(place, name=f"workers-{workers}")
                hourly.setdefault(storage, {})[workers] = trials_an_hour(counted, workers)
            long_study = dataclasses.replace(place, name="long")
            long[storage] = in_long_studies(long_study, options.lengths)
    tables = [_table(storage, results) for storage, results in hourly.items() if results]
    tables += [_long_table(storage, results) for storage, results in long.items() if results]
    publish("worker_scaling", tables, {"hourly": hourly, "long": long}, _plot(hourly))


def _database(storage: str, folder: Path, stack: contextlib.ExitStack) -> str:
    if storage == "sqlite":
        return default_url(folder)
    programs = find_programs()
    if programs is None:
        sys.exit("There are no programs of PostgreSQL here: install the server, or --only sqlite.")
    server = stack.enter_context(PostgreSQL.running(programs, max_connections=MOST_CONNECTIONS))
    server.create("studies")
    return server.url("studies")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=WORKERS, default=list(WORKERS))
    parser.add_argument("--workers", nargs="*", type=int, help="numbers of workers")
    parser.add_argument("--lengths", nargs="*", type=int, default=LENGTHS, help="of long studies")
    return parser.parse_args()


def _table(storage: str, results: Mapping[int, Result]) -> Table:
    rows = tuple(
        (
            str(workers),
            number(result[HOURLY]),
            percent(result[SHARE]),
            f"{1000 * result['cpu_seconds_a_trial']:.0f}",
            f"{result['joining_seconds']:.2f}",
        )
        for workers, result in results.items()
    )
    columns = ("workers", "trials an hour", "of the ideal", "CPU-ms a trial", "slowest join, s")
    return Table(f"{storage}: trials of {TRIAL_SECONDS:.0f} s without training", columns, rows)


def _long_table(storage: str, results: Mapping[str, Result]) -> Table:
    rows = tuple(
        (f"{int(length):,}", sampler, *(number(1000 * result[key]) for key in LATENCIES))
        for name, result in results.items()
        for length, sampler in [name.split()]
    )
    columns = ("ended trials", "sampler", "join, ms", "ask, ms", "validate and tell, ms")
    return Table(f"{storage}: one worker in a long study", columns, rows)


def _plot(hourly: Mapping[str, Mapping[int, Result]]) -> "Figure":
    figure, [panel] = new_plot()
    for storage, results in hourly.items():
        panel.loglog(
            list(results), [result[HOURLY] for result in results.values()], "o-", label=storage
        )
    most = max((workers for results in hourly.values() for workers in results), default=1)
    panel.loglog([1, most], [3600 / TRIAL_SECONDS * n for n in (1, most)], "--", label="ideal")
    panel.set_xlabel("workers")
    panel.set_ylabel(f"trials of {TRIAL_SECONDS:.0f} s an hour")
    panel.legend()
    return figure


if __name__ == "__main__":
    main()
