"""The parts of ``logging_cost.py``: a real trial with timers, and trials that are only told."""

import functools
import secrets
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from automl_tf.config.files import read_study
from automl_tf.config.study import Study
from automl_tf.data.prepare import prepare
from automl_tf.home import HomeDirectory
from automl_tf.scoring.scores import Scorer, Scores
from automl_tf.search import worker
from automl_tf.search.context import WorkerContext
from automl_tf.search.events import EventWriter, worker_line
from automl_tf.search.join import join
from automl_tf.search.loggers import StudyLogger, SummaryFiles, TrialLogger
from automl_tf.search.ownership import Heartbeat, Ownership
from automl_tf.search.run import Locations, OpenStudy, logger_of, open_search
from automl_tf.search.samplers.build import distribution
from automl_tf.search.schema import BEST_STEP, NUM_PARAMETERS, REASON, SECONDS, VALIDATIONS
from automl_tf.search.trial_result import TrialResult
from automl_tf.tracking.client import configure_mlflow
from automl_tf.tracking.outbox import RunState
from automl_tf.tracking.sender import Delivery, OutboxSender
from automl_tf.training.attention_maps import AttentionMap
from automl_tf.training.events import CurvePoint, Validation
from automl_tf.training.module import TranslationModule
from contest import CACHE
from measuring import Result

TOLD = 5
"""Trials that are told to a store."""
VALIDATIONS_A_TRIAL, POINTS_A_VALIDATION, STEPS_BETWEEN = 8, 10, 100
WORDS_OF_A_MAP = 14
DELIVERY_SECONDS = 60.0
NUM_WEIGHTS = 100_000
ATTRIBUTES = {
    VALIDATIONS: {
        str(STEPS_BETWEEN * number): {"bleu": float(number), "chrf": 1.0, "loss": 1.0}
        for number in range(1, VALIDATIONS_A_TRIAL + 1)
    },
    NUM_PARAMETERS: NUM_WEIGHTS,
    SECONDS: 30.0,
    BEST_STEP: STEPS_BETWEEN * VALIDATIONS_A_TRIAL,
    REASON: None,
}
"""What the storage keeps of a trial that is told."""


class Clock:
    """Seconds that functions take in the thread that calls them, by account.

    Args:
        now: The clock: of the wall, or of the thread's CPU time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def watch(self, account: str, owner: Any, *names: str) -> None:  # noqa: ANN401 - any object
        """Books all later calls of some functions, none of which calls another of them."""
        for name in names:
            setattr(owner, name, self._watched(account, getattr(owner, name)))

    def _watched(self, account: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
            started = self._now()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[account] += self._now() - started

        return call


def trial(study: Path, folder: Path, words: Sequence[str], *, is_logged: bool) -> Result:
    """CPU-seconds of a study's first trial, and what of them goes into logging.

    Args:
        study: The study file.
        folder: A home directory to be.
        words: Changes of the study, as ``--set`` takes them.
        is_logged: Whether MLflow is told, or all is thrown away that it would be told.
    """
    cpu, whole = Clock(time.thread_time), Clock(time.process_time)
    cpu.watch("maps", TranslationModule, "attention_maps")
    cpu.watch("handed over", TrialLogger, "__init__", "begin", "validated", "end")
    cpu.watch("delivery", Delivery, "send_all")
    run_trial = vars(worker)["run_trial"]
    before: defaultdict[str, float] = defaultdict(float)

    def run(
        trial: optuna.Trial, ownership: Ownership, heartbeat: Heartbeat, bench: WorkerContext
    ) -> TrialResult:
        """A trial, and the delivery of it, once the store is connected to."""
        bench.tracking.flush(DELIVERY_SECONDS)
        before.update(cpu.seconds)
        started = time.process_time()
        ending: TrialResult = run_trial(trial, ownership, heartbeat, bench)
        bench.tracking.flush(DELIVERY_SECONDS)
        whole.seconds["trial"] += time.process_time() - started
        return ending

    vars(worker)["run_trial"] = run
    if not is_logged:
        OutboxSender.post = lambda *_: None  # type: ignore[method-assign]
        TranslationModule.attention_maps = lambda self: ()  # type: ignore[method-assign]  # noqa: ARG005
    opened, places = _opened(read_study(study, ["budget.trials=1", *words]), folder)
    join(opened, places, EventWriter(None, worker_line), leaves_with_parent=True)
    accounts = ("maps", "handed over", "delivery")
    figures = {name: cpu.seconds[name] - before[name] for name in accounts}
    return {"trial": whole.seconds["trial"], "once": before["delivery"], **figures}


def store(study: Path, folder: Path, trials: int) -> Result:
    """Seconds a trial of telling some trials to a store that holds others.

    Args:
        study: The study file, for its corpus and its settings.
        folder: A home directory to be.
        trials: How many the store holds.
    """
    opened, places = _opened(read_study(study, []), folder)
    validations = list(_validations(opened, places))
    with logger_of(opened, places) as telling:
        _tell(opened, places, telling, validations)
        assert telling.run.flush(DELIVERY_SECONDS)
        _fill(opened, places, trials)
        wall, cpu = Clock(time.perf_counter), Clock(time.thread_time)
        wall.watch("waits", TrialLogger, "__init__", "begin", "validated", "end")
        wall.watch("refresh", StudyLogger, "refresh")
        cpu.watch("delivery", Delivery, "send_all")
        cpu.watch("files", SummaryFiles, "_write_or_warn")
        for _ in range(TOLD):
            _tell(opened, places, telling, validations)
        assert telling.run.flush(DELIVERY_SECONDS)
        # The files are made by a thread of their own, once and again while trials end.
        cpu.seconds.pop("files", None)
        telling._files.close()  # noqa: SLF001 - to be timed by itself
    each = {name: wall.seconds[name] / TOLD for name in ("waits", "refresh")}
    return {**each, "delivery": cpu.seconds["delivery"] / TOLD, "files": cpu.seconds["files"]}


def _opened(study: Study, home: Path) -> tuple[OpenStudy, Locations]:
    configure_mlflow()
    CACHE.mkdir(parents=True, exist_ok=True)
    (home / "cache").symlink_to(CACHE)
    places = Locations(home, f"sqlite:///{home / 'studies.db'}", HomeDirectory(home).tracking_uri)
    return open_search(study, places), places


def _validations(opened: OpenStudy, places: Locations) -> Iterator[Validation]:
    """Validations as a trial tells them, with the references for translations."""
    config = opened.record.study.trial_config({}, 1)
    data = prepare(config, places.home / "cache")
    scorer = Scorer(data.validation.target_text, config.corpus.target_lang)
    words = tuple(f"word{number}" for number in range(WORDS_OF_A_MAP))
    weights = tuple(
        tuple(1 / (1 + abs(row - column)) for column in range(len(words)))
        for row in range(len(words))
    )
    for number in range(1, VALIDATIONS_A_TRIAL + 1):
        step = STEPS_BETWEEN * number
        points = range(step - STEPS_BETWEEN + 10, step + 1, STEPS_BETWEEN // POINTS_A_VALIDATION)
        yield Validation(
            step=step,
            scores=Scores(float(number), float(number)),
            sentences=scorer.sentences(data.validation.target_text),
            loss=1.0,
            hypotheses=tuple(data.validation.target_text),
            curve=tuple(CurvePoint(point, 1.0, 1e-3, 0.5, 1e4) for point in points),
            seconds=float(step),
            peak_memory_mb=500.0,
            machine_load={f"system/{name}": 1.0 for name in ("cpu", "memory", "share")},
            is_best=True,
            attention=(AttentionMap(words, words, weights),) * 3,
        )


def _tell(
    opened: OpenStudy, places: Locations, telling: StudyLogger, validations: Sequence[Validation]
) -> None:
    """Tells MLflow of a trial as a worker does, and of the study as the search does."""
    domains = opened.record.space.domains
    asked = opened.study.ask({name: distribution(domains[name]) for name in domains})
    config = opened.record.study.trial_config(asked.params, asked.number)
    told = TrialLogger(asked, 1, config, telling.run)
    data = prepare(config, places.home / "cache")
    told.begin(config, data, {NUM_PARAMETERS: NUM_WEIGHTS}, "fp32")
    for validation in validations:
        told.validated(validation)
    told.end(RunState.COMPLETE, None)
    for name, value in ATTRIBUTES.items():
        asked.set_user_attr(name, value)
    opened.study.tell(asked, 1.0)
    telling.refresh()


def _fill(opened: OpenStudy, places: Locations, trials: int) -> None:
    """Copies the one trial that both databases hold, until they hold so many more."""
    numbers = range(1, trials + 1)
    told = opened.study.trials[0]
    opened.study.add_trials(
        [
            optuna.trial.create_trial(
                state=TrialState.COMPLETE,
                value=float(number % 7),
                params=told.params,
                distributions=told.distributions,
                user_attrs=ATTRIBUTES,
            )
            for number in numbers
        ]
    )
    with sqlite3.connect(places.home / "mlflow.db") as database:
        (source,) = database.execute(
            "SELECT run_uuid FROM tags WHERE key = 'automl_tf.trial'"
        ).fetchone()
        tables = ("runs", "params", "metrics", "latest_metrics", "tags")
        for number in numbers:
            run = secrets.token_hex(16)
            for table in tables:
                _copy(database, table, source, run)
            database.execute(
                "UPDATE tags SET value = ? WHERE run_uuid = ? AND key = 'automl_tf.trial'",
                (str(number), run),
            )


def _copy(database: sqlite3.Connection, table: str, source: str, run: str) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(":run" if name == "run_uuid" else name for name in columns)
    database.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - our own names
        f"SELECT {values} FROM {table} WHERE run_uuid = :source",
        {"run": run, "source": source},
    )
