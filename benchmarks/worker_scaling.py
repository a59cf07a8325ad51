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
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from automl_tf.search import worker
from automl_tf.search.context import WorkerContext
from automl_tf.search.ownership import this_process
from automl_tf.search.schema import WORKER
from automl_tf.search.storage import default_url
from measuring import Result
from reporting import Table, new_plot, number, percent, publish
from servers import PostgreSQL, find_programs
from simulated import TRIAL_SECONDS, Place, fill, simulated, validated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WINDOW_SECONDS = 12.0
"""Time in which workers begin new trials; those that run then come to their ends."""
WORKERS = {"postgresql": (1, 2, 4, 16, 64), "sqlite": (1, 2, 4, 8)}
LENGTHS = (100, 1_000, 10_000)
SAMPLERS = ("random", "tpe", "auto")
ASKED = 3
"""Trials that are asked for and told in each long study, by each sampler."""
LONGEST_WAIT_SECONDS = 300
IMPORTED_LATER = ("alembic.command", "psycopg", "sqlalchemy.dialects.postgresql.psycopg")
"""What a storage imports when it is opened: one server does so for all processes."""
MOST_CONNECTIONS = 2 * max(WORKERS["postgresql"]) + 20
HOURLY, SHARE = "trials_an_hour", "share_of_ideal"
LATENCIES = ("join", "ask", "tell")


def _no_confirmation(_study: optuna.Study) -> WorkerContext:
    raise AssertionError("the study asks for none")


def work(place: Place, barrier: Any, told: Any) -> None:  # noqa: ANN401 - of a context
    """A worker: joins, waits for the others, works until the time is over."""
    vars(worker)["run_trial"] = simulated
    barrier.wait(LONGEST_WAIT_SECONDS)
    opened = time.monotonic()
    joined = place.bench()
    joining = time.monotonic() - opened
    # Only when all have joined does the time of any begin.
    barrier.wait(LONGEST_WAIT_SECONDS)
    started, cpu = time.monotonic(), time.process_time()
    bench = dataclasses.replace(
        joined,
        should_pause=lambda: time.monotonic() > started + WINDOW_SECONDS,
    )
    worker.Worker(bench, _no_confirmation).work()
    mine = [
        trial
        for trial in bench.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if trial.user_attrs[WORKER] == this_process().name
    ]
    bench.storage.engine.dispose()
    told.put((len(mine), time.monotonic() - started, time.process_time() - cpu, joining))


def trials_an_hour(place: Place, workers: int) -> Result:
    """What so many workers reach together."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([Path(__file__).stem, *IMPORTED_LATER])
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


def ask_and_tell(place: Place, told: Any) -> None:  # noqa: ANN401 - of a context
    """A fresh worker's joining, asking and telling in a long study."""
    started = time.perf_counter()
    bench = place.bench()
    bench.study.get_trials(deepcopy=False)
    joining = time.perf_counter() - started
    asks, tells = [], []
    for _ in range(ASKED):
        started = time.perf_counter()
        claimed = worker.Worker(bench, _no_confirmation).claim()
        assert claimed is not None
        trial = claimed.trial
        asked = time.perf_counter()
        ending = validated(trial, bench, pause=0.0)
        bench.study.tell(trial, list(ending.values))
        asks.append(asked - started)
        tells.append(time.perf_counter() - asked)
    told.put({"join": joining, "ask": statistics.median(asks), "tell": statistics.median(tells)})


def in_long_studies(place: Place, lengths: Sequence[int]) -> dict[str, Result]:
    """Joining, asking and telling by length of the study and sampler."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([Path(__file__).stem, *IMPORTED_LATER])
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
