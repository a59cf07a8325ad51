"""A search whose workers, database and tracking server die, compared with one that had its quiet.

    python benchmarks/chaos.py
    python benchmarks/chaos.py --minutes 1 --workers 2 --without-mlflow

A PostgreSQL and an MLflow server are started, and workers on one study of small trials with random
proposals. While the minutes last, workers are killed and replaced one by one (one in
four is asked to leave instead, as when a machine is pre-empted), PostgreSQL is restarted twice in
the midst of its work, and MLflow is away for a while. Then the trials that were begun are brought
to their ends, and the same study runs without disturbance, in a home and an SQLite database of its
own. Exit code 1 if anything was lost, doubled, or came out differently.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_tf.search.opening import load_study, study_names
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.study_view import leaderboard
from automl_tf.tracking.client import connect
from automl_tf.tracking.delivery import deliver
from automl_tf.tracking.home import default_tracking_uri, destination
from measuring import command_line, machine
from servers import MLflowServer, PostgreSQL, find_programs

NAME = "chaos"
RESULTS = Path(__file__).parent / "results" / "chaos.json"
UNLIMITED = 100_000
SPACE = {
    "model.d_model": {"choices": [16, 32]},
    "model.num_heads": {"choices": [1, 2]},
    "model.dropout": {"low": 0.0, "high": 0.3},
    "training.learning_rate": {"low": 1e-3, "high": 2e-2, "log": True},
}
FIXED = {
    "model.d_ff": 64,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "training.max_steps": 160,
    "training.precision": "fp32",
    "training.validate_every": 20,
    "training.warmup_steps": 10,
    "training.batch_tokens": 512,
    "data.vocab_size": 400,
    "data.max_length": 32,
}
CORPUS = {"kind": "synthetic", "train_pairs": 2000, "validation_pairs": 40, "test_pairs": 40}
DIED_TWICE = "its worker died 2 times"
ENDINGS = ("complete", "pruned", "failed")
WORKER_SECONDS = 300


@dataclass
class WorkerPool:
    """Worker processes on one study, replaced when they end.

    Attributes:
        study: The study file.
        places: The environment's variables that say where things are kept.
        tally: What happened to them.
    """

    study: Path
    places: dict[str, str]
    tally: Counter[str] = field(default_factory=Counter)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, trials: int) -> None:
        """Starts a worker that leaves when so many trials have been begun."""
        home = Path(self.places["AUTOML_TF_HOME"])
        home.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "automl_tf", "worker", str(self.study)]
        with (home / "workers.log").open("ab") as log:
            worker = subprocess.Popen(
                [*command, "--set", f"budget.trials={trials}"],
                env={**os.environ, **self.places, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        self.tally["workers started"] += 1

    def disturb(self, rng: random.Random) -> None:
        """Kills a worker, or asks it to leave."""
        worker = rng.choice(self.workers)
        if rng.random() < 0.25:  # noqa: PLR2004 - one in four
            worker.terminate()
            self.tally["workers asked to leave"] += 1
        else:
            worker.kill()
            self.tally["workers killed"] += 1

    def replace(self, size: int, trials: int) -> None:
        """Starts workers for those that have ended."""
        self.reap()
        while len(self.workers) < size:
            self.start(trials)

    def reap(self) -> None:
        """Notes how workers ended."""
        for worker in [worker for worker in self.workers if worker.poll() is not None]:
            self.workers.remove(worker)
            known = {
                0: "left at the end",
                130: "saved and left",
                -signal.SIGKILL: "died of it",
                -signal.SIGTERM: "had not begun to work",
            }
            code = worker.returncode
            self.tally[f"workers that {known.get(code, f'failed with status {code}')}"] += 1

    def leave(self) -> None:
        """Asks all to save their trials and leave."""
        for worker in self.workers:
            worker.terminate()
        self.wait()

    def wait(self) -> None:
        """Waits until all have left."""
        for worker in self.workers:
            worker.wait(WORKER_SECONDS)
        self.reap()

    def kill(self) -> None:
        """Leaves no process behind, whatever went wrong."""
        for worker in self.workers:
            worker.kill()
            worker.wait()


@dataclass(frozen=True)
class Event:
    """Something that happens to a server once the run has come to a part of its time."""

    share: float
    name: str
    act: Callable[[], None]


def main() -> None:
    """Runs the chaos, then the quiet, and compares them."""
    options = _options()
    programs = find_programs()
    if programs is None:
        sys.exit("No PostgreSQL is installed: neither pg_ctl nor /usr/lib/postgresql/*/bin.")
    with tempfile.TemporaryDirectory(prefix="chaos-") as name, PostgreSQL.running(programs) as sql:
        folder = Path(name)
        study = _write_study(folder)
        for database in ("studies", "mlflow"):
            sql.create(database)
        mlflow = None if options.without_mlflow else MLflowServer(folder, sql.url("mlflow"))
        home = folder / "home"
        tracking = mlflow.url if mlflow else default_tracking_uri(home)
        places = _places(home, sql.url("studies"), tracking)
        crew = WorkerPool(study, places)
        try:
            if mlflow:
                mlflow.start()
            begun = _disturbed(crew, sql, mlflow, options)
            disturbed = _board(places)
            deliver(destination(home, NAME, tracking))
            runs = _runs(tracking)
            quiet = _quiet(study, folder / "quiet", begun, options.workers)
        except BaseException:
            print((home / "workers.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            crew.kill()
            if mlflow:
                mlflow.stop()
    checks = _checks(begun, disturbed, quiet, runs)
    _publish(options, crew.tally, _tally(disturbed), checks)
    sys.exit(0 if all(not wrong for wrong in checks.values()) else 1)


def _disturbed(
    crew: WorkerPool, sql: PostgreSQL, mlflow: MLflowServer | None, options: argparse.Namespace
) -> int:
    """The chaos, and what follows until all trials that were begun have ended; their number."""
    rng = random.Random(options.seed)  # noqa: S311 - no secret
    events = [
        Event(0.4, "PostgreSQL restarted", lambda: sql.restart(away=1.0)),
        Event(0.75, "PostgreSQL restarted", lambda: sql.restart(away=5.0)),
    ]
    if mlflow:
        events.append(Event(0.5, "MLflow stopped", mlflow.stop))
        events.append(Event(0.6, "MLflow started", mlflow.start))
    events.sort(key=lambda event: event.share)
    while not _num_begun(crew.places):
        crew.replace(options.workers, UNLIMITED)
        time.sleep(1)
    started = time.monotonic()
    next_kill = started + options.first_kill
    while (now := time.monotonic()) < started + 60 * options.minutes:
        crew.replace(options.workers, UNLIMITED)
        if events and now >= started + 60 * options.minutes * events[0].share:
            event = events.pop(0)
            event.act()
            crew.tally[event.name] += 1
        if now >= next_kill:
            crew.disturb(rng)
            next_kill = now + rng.uniform(0.5, 1.5) * options.kill_every
        time.sleep(0.1)
    crew.leave()
    begun = _num_begun(crew.places)
    while any(trial["state"] not in ENDINGS for trial in _board(crew.places)["trials"]):
        crew.replace(options.workers, begun)
        crew.wait()
    return begun


def _quiet(study: Path, home: Path, trials: int, workers: int) -> dict[str, Any]:
    """The same study without disturbance."""
    places = _places(home, default_url(home), default_tracking_uri(home))
    crew = WorkerPool(study, places)
    try:
        crew.replace(workers, trials)
        for worker in crew.workers:
            worker.wait()
    finally:
        crew.kill()
    return _board(places)


def _checks(
    begun: int, disturbed: dict[str, Any], quiet: dict[str, Any], runs: dict[str, list[Any]]
) -> dict[str, list[str]]:
    """What should hold, and where it does not."""
    trials = disturbed["trials"]
    whole = [trial for trial in trials if trial["reason"] != DIED_TWICE]
    calm = {trial["number"]: trial for trial in quiet["trials"]}

    def differing(chosen: Sequence[dict[str, Any]], *names: str) -> list[str]:
        return [
            f"trial {trial['number']}: {name}"
            for trial in chosen
            for name in names
            if trial[name] != calm.get(trial["number"], {}).get(name)
        ]

    numbers = [trial["number"] for trial in trials]
    histories = {
        trial["number"]: {str(step): value for step, value in trial["intermediate"].items()}
        for trial in whole
    }
    return {
        "every trial ended in a true state": [
            f"trial {trial['number']} is {trial['state']}: {trial['reason']}"
            for trial in trials
            if trial["state"] not in ("complete", "pruned") and trial["reason"] != DIED_TWICE
        ],
        "none is lost or doubled": [] if numbers == list(range(begun)) else [str(numbers)],
        "the quiet run has as many": [] if len(calm) == begun else [f"{len(calm)} and {begun}"],
        "parameters equal the quiet run's": differing(trials, "params"),
        "curves and values equal the quiet run's": differing(
            whole, "state", "intermediate", "values"
        ),
        "MLflow has one run a trial, with its whole curve": [
            f"trial {number}: {len(runs.get(str(number), []))} runs"
            for number, history in histories.items()
            if [run["curve"] for run in runs.get(str(number), [])] != [history]
        ],
        "MLflow has no run that is still running": [
            f"trial {number}: {run['status']}"
            for number, found in runs.items()
            for run in found
            if run["status"] == "RUNNING"
        ],
    }


def _runs(tracking: str) -> dict[str, list[Any]]:
    """MLflow's runs of the trials by the trials' numbers."""
    client = connect(tracking)
    experiment = client.get_experiment_by_name(NAME)
    found: dict[str, list[Any]] = {}
    if experiment is None:
        return found
    chosen = "tags.`automl_tf.kind` = 'trial'"
    for run in client.search_runs([experiment.experiment_id], chosen, max_results=10_000):
        history = client.get_metric_history(run.info.run_id, "val_bleu")
        curve = {str(point.step): point.value for point in sorted(history, key=lambda p: p.step)}
        number = run.data.tags["automl_tf.trial"]
        found.setdefault(number, []).append({"status": run.info.status, "curve": curve})
    return found


def _board(places: dict[str, str]) -> dict[str, Any]:
    """What ``show --json`` prints."""
    storage = open_storage(places["AUTOML_TF_STORAGE"], Path(places["AUTOML_TF_HOME"]))
    board = leaderboard(load_study(storage, NAME)).to_json()
    storage.engine.dispose()
    return dict(board)


def _num_begun(places: dict[str, str]) -> int:
    storage = open_storage(places["AUTOML_TF_STORAGE"], Path(places["AUTOML_TF_HOME"]))
    is_there = NAME in study_names(storage)
    begun = len(load_study(storage, NAME).trials) if is_there else 0
    storage.engine.dispose()
    return begun


def _tally(board: dict[str, Any]) -> Counter[str]:
    tally = Counter(f"trials {trial['state']}" for trial in board["trials"])
    tally["of these died twice"] = sum(t["reason"] == DIED_TWICE for t in board["trials"])
    return tally


def _publish(
    options: argparse.Namespace,
    crew: Counter[str],
    trials: Counter[str],
    checks: dict[str, list[str]],
) -> None:
    """Prints what happened and what holds, and writes it down."""
    for name, count in {**crew, **trials}.items():
        print(f"{count:6d}  {name}")
    for name, wrong in checks.items():
        print(f"{'no' if wrong else 'yes':>6}  {name}{': ' if wrong else ''}{'; '.join(wrong[:9])}")
    if options.output:
        content = {
            "command": command_line(NAME),
            "machine": machine(),
            "tally": {**crew, **trials},
            "checks": checks,
        }
        options.output.write_text(json.dumps(content, indent=1) + "\n")
        print(f"Written: {options.output}")


def _places(home: Path, storage: str, tracking: str) -> dict[str, str]:
    return {
        "AUTOML_TF_HOME": str(home),
        "AUTOML_TF_STORAGE": storage,
        "AUTOML_TF_TRACKING": tracking,
        "PYTHONUNBUFFERED": "1",
    }


def _write_study(folder: Path) -> Path:
    study = {
        "name": NAME,
        "space": "space.yaml",
        "corpus": CORPUS,
        "fixed": FIXED,
        "sampler": {"kind": "random"},
        "pruner": {"kind": "none"},
        "start_with_base": False,
        "seed": 1,
    }
    # All JSON is YAML.
    (folder / "space.yaml").write_text(json.dumps(SPACE))
    (folder / "study.yaml").write_text(json.dumps(study))
    return folder / "study.yaml"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="time of the disturbances")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--first-kill", type=float, default=10, help="seconds until the first")
    parser.add_argument("--kill-every", type=float, default=15, help="seconds, on average")
    parser.add_argument("--without-mlflow", action="store_true", help="no server: SQLite instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the result goes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
