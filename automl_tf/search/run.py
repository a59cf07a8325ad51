"""Running a study: worker processes on one storage, and the events of their trials."""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from automl_tf.config.study import AutoSampler, Study
from automl_tf.data.corpora import corpus_fingerprint
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.device import Precision, check_devices, resolve_precision
from automl_tf.errors import Place
from automl_tf.home import STORAGE_VARIABLE, TRACKING_VARIABLE, HomeDirectory
from automl_tf.scoring.remarks import remarks
from automl_tf.scoring.tokenizers import check_tokenizer, tokenizer_of
from automl_tf.search.events import Event, TrialEnded, WorkerReady
from automl_tf.search.loggers import StudyLogger
from automl_tf.search.monitor import StudyMonitor
from automl_tf.search.opening import join_study, open_study
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.ownership import requeue
from automl_tf.search.pool import OutcomeKind, SearchOutcome, WorkerPool
from automl_tf.search.pruners.build import pruner_of
from automl_tf.search.samplers.build import grid
from automl_tf.search.samplers.history import check_named, record_corpus_info
from automl_tf.search.samplers.priors import CorpusInfo
from automl_tf.search.schema import NUM_PAIRS, PRECISION, REASON, WORKER, StudyRecord, validations
from automl_tf.search.storage import claiming, open_storage
from automl_tf.search.study_view import StudyView
from automl_tf.signals import StopRequest, stop_on_signals
from automl_tf.tracking.outbox import RunState

STUDY_STATES = {
    OutcomeKind.BUDGET_SPENT: RunState.COMPLETE,
    OutcomeKind.TIME_OVER: RunState.PAUSED,
    OutcomeKind.INTERRUPTED: RunState.PAUSED,
    OutcomeKind.REFUSED: RunState.FAILED,
    OutcomeKind.GAVE_UP: RunState.FAILED,
}
"""State of the study's run in MLflow after a search."""


@dataclass(frozen=True)
class Locations:
    """Where a search keeps things.

    Attributes:
        home: Directory of checkpoints and caches.
        storage: URL of the study database.
        tracking: URI of MLflow.
    """

    home: Path
    storage: str
    tracking: str

    @property
    def variables(self) -> dict[str, str]:
        """How a worker is told of the URLs: the environment is in no list of processes."""
        return {STORAGE_VARIABLE: self.storage, TRACKING_VARIABLE: self.tracking}


@dataclass(frozen=True)
class OpenStudy:
    """A study that is ready to be worked on.

    Attributes:
        storage: Where Optuna keeps it.
        study: The Optuna study.
        record: Its definition.
        corpus: Sizes of the corpus and what was left out of it, in words.
        remarks: What makes BLEU say little on its validation split.
    """

    storage: RDBStorage
    study: optuna.Study
    record: StudyRecord
    corpus: str
    remarks: Sequence[str] = ()


def open_search(study: Study, locations: Locations, *, trains_here: bool = True) -> OpenStudy:
    """Checks a study and its corpus, and creates it in the storage or resumes it there.

    Args:
        study: The study.
        locations: Where the study keeps things.
        trains_here: Whether trials will be trained on this machine's devices.

    Raises:
        UserError: If the corpus is not usable, the storage is not reachable, the study exists with
            another definition, its trials ask for more devices than there are, or its tokenizer
            for BLEU is not installed.
    """
    storage, record, data = _checked(study, locations, trains_here=trains_here)
    opened = open_study(storage, record)
    record = record.settled(opened)
    _record_corpus(opened, study, data)
    if trains_here:
        record = replace(record, precision=record_precision(storage, opened, locations.home))
    found = _opened(storage, opened, record, data)
    return replace(found, remarks=_remarks(record, data)) if trains_here else found


def open_worker(study: Study, locations: Locations) -> OpenStudy:
    """Checks a study and its corpus on this machine, and joins it as its search defined it.

    Raises:
        UserError: As `open_search` does.
    """
    storage, record, data = _checked(study, locations, trains_here=True)
    opened, stored = join_study(storage, record)
    # Where the corpus lies is this machine's own matter.
    corpus = study.config.corpus
    record = replace(stored, config=stored.config.model_copy(update={"corpus": corpus}))
    if NUM_PAIRS not in opened.user_attrs:
        _record_corpus(opened, study, data)
    record = replace(record, precision=record_precision(storage, opened, locations.home))
    return _opened(storage, opened, record, data)


def record_precision(storage: RDBStorage, study: optuna.Study, home: Path) -> Precision:
    """Returns the arithmetic of a study, so that its trials compute alike on all machines.

    The first machine that trains resolves ``auto`` and records the result. A study of an earlier
    version has none yet.

    Args:
        storage: The storage.
        study: The study.
        home: The home directory, whose cache keeps this machine's measurements.
    """
    recorded: Precision | None = study.user_attrs.get(PRECISION)
    if recorded is not None:
        return recorded
    found = resolve_precision("auto", HomeDirectory(home).cache)
    with claiming(storage, study.study_name):
        recorded = study.user_attrs.get(PRECISION)
        if recorded is None:
            study.set_user_attr(PRECISION, found)
    return recorded or found


def _record_corpus(opened: optuna.Study, study: Study, data: PreparedData) -> None:
    languages = (study.config.corpus.source_lang, study.config.corpus.target_lang)
    record_corpus_info(opened, CorpusInfo(len(data.train), languages))


def _checked(
    study: Study, locations: Locations, *, trains_here: bool
) -> tuple[RDBStorage, StudyRecord, PreparedData]:
    """The storage, the study's definition and its corpus, prepared once for all trials."""
    if trains_here:
        check_devices(devices_of_a_trial(study))
    if study.config.sampler.kind == "grid":
        grid(study.space)
    if trains_here:
        check_tokenizer(tokenizer_of(study.config), Place(key="scoring.tokenize"))
    storage = open_storage(locations.storage, locations.home)
    if isinstance(study.config.sampler, AutoSampler):
        check_named(storage, study.config.sampler.learn_from)
    cache = locations.home / "cache"
    domains = study.space.domains.items()
    largest = {name: domain.ends()[-1] for name, domain in domains if name.startswith("data.")}
    # A corpus that cannot be trained on is refused here once, and not by every trial.
    data = prepare(study.trial_config(largest, study.config.seed), cache)
    fingerprint = corpus_fingerprint(study.config.corpus, cache)
    return storage, StudyRecord(study.config, study.space, fingerprint), data


def _opened(
    storage: RDBStorage, opened: optuna.Study, record: StudyRecord, data: PreparedData
) -> OpenStudy:
    """The study with its pruner."""
    opened.pruner = pruner_of(record.study)
    corpus = f"{data.report}, {len(data.validation):,} validation pairs"
    return OpenStudy(storage, opened, record, corpus)


def _remarks(record: StudyRecord, data: PreparedData) -> list[str]:
    """What makes BLEU say little on the validation split."""
    tokenizer = tokenizer_of(record.config)
    return remarks(data.validation.target_text, tokenizer, record.config.corpus.target_lang)


def search(
    opened: OpenStudy,
    locations: Locations,
    pool: WorkerPool,
    on_event: Callable[[int | None, Event], None],
) -> SearchOutcome:
    """Runs a study with worker processes until its budget is spent.

    Args:
        opened: The study.
        locations: Where the study keeps things.
        pool: The workers.
        on_event: Shows an event; the number is that of the worker, or None where the event is of
            the whole study or of a worker that another process has started.

    Returns:
        How it ended. Everything is saved in any case.
    """
    with stop_on_signals() as stop, logger_of(opened, locations) as logger:
        for worker, event in _events(opened, pool, stop):
            try:
                on_event(worker, event)
            except BrokenPipeError:
                # Whoever read the output has left, as `head` does: nobody waits for the end.
                stop.set()
            if isinstance(event, TrialEnded):
                logger.refresh()
        outcome = pool.outcome(stop, has_open_trials=_has_open_trials(opened.study))
        if outcome.kind is OutcomeKind.INTERRUPTED:
            logger.run.hurry()
        logger.finish(STUDY_STATES[outcome.kind], outcome.reason)
    return outcome


def _events(
    opened: OpenStudy, pool: WorkerPool, stop: StopRequest
) -> Iterator[tuple[int | None, Event]]:
    """Yields what workers print and what happens to trials, until the last worker has left."""
    monitor = StudyMonitor(opened.study, pool.number_of)
    for told in pool.events(stop, functools.partial(_has_progress, opened.study)):
        if told is not None and not isinstance(told[1], WorkerReady):
            yield told
        yield from monitor.news()
    _save_trials_of(opened, pool.killed())
    yield from monitor.look()


def _has_progress(study: optuna.Study, worker: str) -> bool:
    """Returns whether a worker has validated or finished any trial."""
    return any(
        trial.user_attrs.get(WORKER) == worker
        and (trial.state.is_finished() or bool(validations(trial)))
        for trial in study.get_trials(deepcopy=False)
    )


def _has_open_trials(study: optuna.Study) -> bool:
    """Returns whether a trial was begun and is not finished, and no living worker runs it."""
    return any(trial.is_paused or trial.is_lost for trial in StudyView.read(study).trials)


def _save_trials_of(opened: OpenStudy, workers: Collection[str]) -> None:
    """Puts the trials of killed workers back into the queue. The workers are not to blame."""
    if not workers:
        return
    # Under the lock of the study, so that no other worker takes one over meanwhile.
    with claiming(opened.storage, opened.record.config.name):
        for trial in opened.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(WORKER) in workers:
                trial_id = trial_id_of(trial)
                # The worker may have told the end of its trial before it was killed.
                with contextlib.suppress(UpdateFinishedTrialError):
                    reason = "paused at its last checkpoint"
                    opened.storage.set_trial_user_attr(trial_id, REASON, reason)
                    requeue(opened.storage, trial_id)


def devices_of_a_trial(study: Study) -> int:
    """The most devices that a trial of a study takes."""
    return int(max(study.values("trainer.devices")))


def logger_of(opened: OpenStudy, locations: Locations) -> AbstractContextManager[StudyLogger]:
    """Logs the study to MLflow for as long as the context lasts."""
    return StudyLogger.open(opened.study, opened.record, locations.home, locations.tracking)
