"""A search whose workers, database and tracking server die, compared with one that had its quiet.

    python benchmarks/chaos.py
    python benchmarks/chaos.py --minutes 1 --workers 2 --without-mlflow

A PostgreSQL and an MLflow server are started, and workers on one study of small trials with random
proposals; one in four is the worker of a search. While the minutes last, workers are killed and
replaced one by one (one in four is asked to leave instead, as when a machine is pre-empted, one in
four is stopped for a while, as in a laptop that sleeps), a search is killed without its worker,
PostgreSQL is restarted twice in the midst of its work, and MLflow is away for a while. One worker
in four is in a process namespace of its own, as in a container. Stopped workers are stopped for
longer than the grace period, so that those whose process no other sees lose their trials. Then the
trials that were begun are brought to their ends, and a study of the same name runs without
disturbance, in a home and an SQLite database of its own, on the same MLflow server. Exit code 1 if
anything was lost, doubled, mixed up, or came out differently.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_tf.home import HomeDirectory
from automl_tf.search.opening import load_study, study_names
from automl_tf.search.schema import study_id_of
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.study_view import StudyView
from automl_tf.tracking.client import configure_mlflow, connect, find_targets
from automl_tf.tracking.sender import deliver
from disturbances import DisturbedWorkers
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
GRACE_SECONDS = 15
DIED = "its worker died 3 times without a validation between"


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
        tracking = mlflow.url if mlflow else HomeDirectory(home).tracking_uri
        places = _places(home, sql.url("studies"), tracking)
        crew = DisturbedWorkers(study, places, options.freeze_seconds)
        try:
            if mlflow:
                mlflow.start()
            begun = _disturbed(crew, sql, mlflow, options)
            calm = _places(folder / "quiet", default_url(folder / "quiet"), tracking)
            _quiet(study, calm, begun, options.workers)
            disturbed, quiet = _outcome(places), _outcome(calm)
        except BaseException:
            print((home / "workers.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            crew.kill()
            if mlflow:
                mlflow.stop()
    checks = _checks(begun, disturbed, quiet)
    _publish(options, crew.tally, _tally(disturbed), checks)
    sys.exit(0 if all(not wrong for wrong in checks.values()) else 1)


def _disturbed(
    crew: DisturbedWorkers,
    sql: PostgreSQL,
    mlflow: MLflowServer | None,
    options: argparse.Namespace,
) -> int:
    """The chaos, and a search until all that was begun has ended; the number of trials."""
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
        crew.replace(options.workers)
        time.sleep(1)
    started = time.monotonic()
    next_kill = started + options.first_kill
    while (now := time.monotonic()) < started + 60 * options.minutes:
        crew.replace(options.workers)
        if events and now >= started + 60 * options.minutes * events[0].share:
            event = events.pop(0)
            event.act()
            crew.tally[event.name] += 1
        if now >= next_kill:
            crew.disturb(rng)
            next_kill = now + rng.uniform(0.5, 1.5) * options.kill_every
        time.sleep(0.1)
    crew.leave()
    crew.finish(_num_begun(crew.places), options.workers)
    # A trial that is given up costs no budget: another took its place.
    return _num_begun(crew.places)


def _quiet(study: Path, places: dict[str, str], trials: int, workers: int) -> None:
    """The same study without disturbance."""
    crew = DisturbedWorkers(study, places)
    try:
        crew.finish(trials, workers)
    finally:
        crew.kill()


@dataclass(frozen=True)
class Outcome:
    """What a search left.

    Attributes:
        trials: Its trials, as ``show --json`` prints them.
        runs: MLflow's runs of the trials' latest attempts, by the trials' numbers.
    """

    trials: list[dict[str, Any]]
    runs: dict[str, list[dict[str, Any]]]

    @property
    def whole(self) -> list[dict[str, Any]]:
        """Trials that were not given up because their workers died."""
        return [trial for trial in self.trials if trial["reason"] != DIED]

    def wrong_curves(self) -> list[str]:
        """Trials that have not one run with their whole curve."""
        found = []
        for trial in self.whole:
            curve = {str(step): value for step, value in trial["intermediate"].items()}
            runs = self.runs.get(str(trial["number"]), [])
            if [run["curve"] for run in runs] != [curve]:
                found.append(f"trial {trial['number']}: {len(runs)} runs")
        return found

    def running(self) -> list[str]:
        """Trials whose run has not ended."""
        return [
            f"trial {number}: {run['status']}"
            for number, runs in self.runs.items()
            for run in runs
            if run["status"] == "RUNNING"
        ]


def _outcome(places: dict[str, str]) -> Outcome:
    home, tracking = Path(places["AUTOML_TF_HOME"]), places["AUTOML_TF_TRACKING"]
    storage = open_storage(places["AUTOML_TF_STORAGE"], home)
    study = load_study(storage, NAME)
    view, study_id = StudyView.read(study).to_json(), study_id_of(study)
    storage.engine.dispose()
    for target in find_targets(home, NAME, tracking):
        deliver(target)
    return Outcome(view["trials"], _runs(tracking, study_id))


def _checks(begun: int, disturbed: Outcome, quiet: Outcome) -> dict[str, list[str]]:
    """What should hold, and where it does not."""
    trials, whole = disturbed.trials, disturbed.whole
    calm = {trial["number"]: trial for trial in quiet.trials}

    def differing(chosen: Sequence[dict[str, Any]], *names: str) -> list[str]:
        return [
            f"trial {trial['number']}: {name}"
            for trial in chosen
            for name in names
            if trial[name] != calm.get(trial["number"], {}).get(name)
        ]

    numbers = [trial["number"] for trial in trials]
    return {
        "every trial ended in a true state": [
            f"trial {trial['number']} is {trial['state']}: {trial['reason']}"
            for trial in trials
            if trial["state"] not in ("complete", "pruned") and trial["reason"] != DIED
        ],
        "none is lost or doubled": [] if numbers == list(range(begun)) else [str(numbers)],
        "the quiet run has as many": [] if len(calm) == begun else [f"{len(calm)} and {begun}"],
        "parameters equal the quiet run's": differing(trials, "params"),
        "curves and values equal the quiet run's": differing(
            whole, "state", "intermediate", "values"
        ),
        "MLflow has one run a trial, with its whole curve": disturbed.wrong_curves(),
        "and so it has of the quiet study": quiet.wrong_curves(),
        "MLflow has no run that is still running": disturbed.running() + quiet.running(),
    }


def _runs(tracking: str, study_id: str) -> dict[str, list[dict[str, Any]]]:
    """MLflow's runs of the trials' latest attempts by the trials' numbers."""
    configure_mlflow()
    client = connect(tracking)
    experiment = client.get_experiment_by_name(NAME)
    found: dict[str, list[dict[str, Any]]] = {}
    if experiment is None:
        return found
    chosen = f"tags.`automl_tf.kind` = 'trial' AND tags.`automl_tf.study_id` = '{study_id}'"
    runs = client.search_runs([experiment.experiment_id], chosen, max_results=10_000)
    latest: dict[str, int] = {}
    for run in runs:
        number, attempt = run.data.tags["automl_tf.trial"], run.data.tags["automl_tf.attempt"]
        latest[number] = max(int(attempt), latest.get(number, 1))
    for run in runs:
        if int(run.data.tags["automl_tf.attempt"]) != latest[run.data.tags["automl_tf.trial"]]:
            continue
        history = client.get_metric_history(run.info.run_id, "val_bleu")
        curve = {str(point.step): point.value for point in sorted(history, key=lambda p: p.step)}
        number = run.data.tags["automl_tf.trial"]
        found.setdefault(number, []).append({"status": run.info.status, "curve": curve})
    return found


def _num_begun(places: dict[str, str]) -> int:
    storage = open_storage(places["AUTOML_TF_STORAGE"], Path(places["AUTOML_TF_HOME"]))
    is_there = NAME in study_names(storage)
    begun = len(load_study(storage, NAME).trials) if is_there else 0
    storage.engine.dispose()
    return begun


def _tally(outcome: Outcome) -> Counter[str]:
    tally = Counter(f"trials {trial['state']}" for trial in outcome.trials)
    tally["of these died thrice"] = sum(trial["reason"] == DIED for trial in outcome.trials)
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
        "AUTOML_TF_GRACE_SECONDS": str(GRACE_SECONDS),
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
        "budget": {"trials": UNLIMITED},
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
    parser.add_argument(
        "--freeze-seconds", type=float, default=60, help="how long a stopped worker is stopped"
    )
    parser.add_argument("--without-mlflow", action="store_true", help="no server: SQLite instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the result goes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
