"""Studies on a real storage whose trials are claimed as workers do, but told without training."""

import dataclasses
import functools
import multiprocessing
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from automl_tf.config.space import Choices, Domain, Range, Space
from automl_tf.config.study import StudyConfig
from automl_tf.search.context import WorkerContext
from automl_tf.search.events import Event
from automl_tf.search.objective import run_trial
from automl_tf.search.opening import open_study
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.ownership import Heartbeat, Ownership, requeue
from automl_tf.search.schema import ATTEMPT, VALIDATIONS, StudyRecord
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.trial_result import TrialResult
from automl_tf.search.worker import Worker

SPACE: dict[str, Domain] = {
    "model.d_model": Choices(choices=(64, 128, 256)),
    "model.norm": Choices(choices=("pre", "post")),
    "model.encoder_layers": Range(low=1, high=6),
    "model.dropout": Range(low=0.0, high=0.5, step=0.1),
    "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
}
GRID: dict[str, Domain] = {
    "model.d_model": Choices(choices=(64, 128)),
    "model.encoder_layers": Range(low=1, high=5, step=2),
    "model.dropout": Range(low=0.0, high=0.1, step=0.1),
}
PATIENCE_SECONDS = 300
"""Longest wait for another process; a busy machine takes its time."""


def definition(domains: Mapping[str, Domain] | None = None, **changes: object) -> StudyRecord:
    """A study of the built-in corpus, with some parts of its file changed."""
    given = {"name": "made", "space": "space.yaml", "corpus": {"kind": "synthetic"}, **changes}
    config = StudyConfig.model_validate(given)
    return StudyRecord(config, Space(domains or SPACE), fingerprint="5e2f")


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        open_storage(default_url(home), home).engine.dispose()
        return (home / "studies.db").read_bytes()


def new_home(home: Path) -> Path:
    """A home with an empty database, whose tables are copied: to create them takes a while."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "studies.db").exists():
        (home / "studies.db").write_bytes(_empty_database())
    return home


def bench(
    home: Path, made: StudyRecord, tell: Callable[[Event], None] | None = None
) -> WorkerContext:
    """A worker's bench on the study, which is created or found."""
    storage = open_storage(default_url(new_home(home)), home)
    return WorkerContext(
        storage=storage,
        study=open_study(storage, made),
        record=made,
        home=home,
        tracking=None,
        tell=tell or (lambda event: None),
        should_pause=lambda: False,
    )


class Listener:
    """Somebody who reads what a worker writes, and keeps it."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def tell(self, event: Event) -> None:
        self.told.append(event)

    def listener_gone(self) -> bool:
        return False


class Unlogged:
    """A study's run in MLflow that keeps nothing, and the runs of its trials."""

    run_id = None

    def __getattr__(self, _name: str) -> Callable[..., "Unlogged"]:
        return lambda *_args, **_named: self


def run_claimed(context: WorkerContext, trial: optuna.Trial) -> TrialResult:
    """Runs a claimed trial without MLflow."""
    unlogged = dataclasses.replace(context, tracking=Unlogged())
    ownership = Ownership.take(context.storage, trial_id_of(trial))
    return run_trial(trial, ownership, Heartbeat(ownership), unlogged)


def worker_of(context: WorkerContext) -> Worker:
    """A worker that has nobody else's MLflow run for the study of its confirmations."""
    return Worker(context, lambda study: dataclasses.replace(context, study=study))


def claim(context: WorkerContext) -> optuna.Trial | None:
    """The next trial that a worker claims, or None."""
    claimed = worker_of(context).claim()
    return None if claimed is None else claimed.trial


def begin(trial: optuna.Trial) -> optuna.Trial:
    """Notes that the training of a trial has begun."""
    trial.set_user_attr(ATTEMPT, 1)
    return trial


def pause(context: WorkerContext, trial: optuna.Trial) -> None:
    """Puts a claimed trial back into the queue."""
    requeue(context.storage, trial_id_of(trial))


def finish(
    made: WorkerContext, trial: optuna.Trial, bleu: float = 20.0, steps: Sequence[int] = ()
) -> None:
    """Ends a trial with a BLEU, after validations that rise to it."""
    curve = {step: bleu * (index + 1) / len(steps) for index, step in enumerate(steps)}
    told = {str(step): {"bleu": at, "chrf": at, "loss": 1.0} for step, at in curve.items()}
    trial.set_user_attr(VALIDATIONS, told)
    several = len(made.config.objectives) > 1
    for step, at in {} if several else curve.items():
        trial.report(at, step)
    others = [float(trial.number)] * (len(made.config.objectives) - 1)
    made.study.tell(trial, [bleu, *others])


def claim_all(
    home: Path, made: StudyRecord, claimed: Any, barrier: Any = None, pauses: int = 0
) -> None:
    """Claims and tells until the budget is spent, pausing every ``pauses``-th trial once."""
    worker = bench(home, made)
    if barrier is not None:
        barrier.wait(PATIENCE_SECONDS)
    paused: set[int] = set()
    while (trial := claim(worker)) is not None:
        if pauses and trial.number % pauses == 0 and trial.number not in paused:
            paused.add(trial.number)
            pause(worker, trial)
            continue
        claimed.put((trial.number, trial.params))
        if trial.number % 5 == 4:
            worker.study.tell(trial, state=TrialState.FAIL)
        else:
            finish(worker, trial, bleu=20.0 + trial.number)


def processes() -> ForkServerContext:
    """Processes that start at once: one server imports what all of them need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def claimed_by(
    workers: int, home: Path, made: StudyRecord, work: Callable[..., None] = claim_all
) -> list[tuple[int, Any]]:
    """What so many processes claim of a study at once, in the order of the trials' numbers.

    Args:
        workers: Number of processes.
        home: Their home.
        made: The study.
        work: What each does, given home, study, a queue for pairs of a trial's number and what is
            to be known of it, and a barrier at which all meet once.
    """
    new_home(home)
    context = processes()
    claimed, barrier = context.SimpleQueue(), context.Barrier(workers)
    crew = [
        context.Process(target=work, args=(home, made, claimed, barrier)) for _ in range(workers)
    ]
    for process in crew:
        process.start()
    for process in crew:
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
    found = []
    while not claimed.empty():
        found.append(claimed.get())
    return sorted(found, key=lambda pair: pair[0])
