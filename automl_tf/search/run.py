"""Running a study: worker processes on one storage, and what they tell."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage

from automl_tf.config.study import AutoSampler, Study
from automl_tf.data.corpora import corpus_fingerprint
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.search.events import Event, TrialEnded
from automl_tf.search.monitor import Watch, loss
from automl_tf.search.opening import open_study, requeue_stale_trials
from automl_tf.search.pool import WorkerPool
from automl_tf.search.samplers.history import check_named, note_text
from automl_tf.search.samplers.text import Text
from automl_tf.search.schema import StudyRecord
from automl_tf.search.storage import claiming, open_storage
from automl_tf.search.strategy import build_pruner, grid
from automl_tf.search.study_logger import StudyLogger
from automl_tf.training.leaving import asked_to_leave
from automl_tf.training.machine import check_devices

STORAGE_VARIABLE = "AUTOML_TF_STORAGE"
TRACKING_VARIABLE = "AUTOML_TF_TRACKING"


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
        definition: What it is.
        corpus: Sizes of the corpus and what was left out of it, in words.
    """

    storage: RDBStorage
    study: optuna.Study
    definition: StudyRecord
    corpus: str


def open_search(study: Study, places: Locations, *, trains_here: bool = True) -> OpenStudy:
    """Checks a study and its corpus and creates it in the storage, or finds it there.

    Args:
        study: The study.
        places: Where it keeps things.
        trains_here: Whether trials will be trained on this machine's devices.

    Raises:
        UserError: If the corpus is not usable, the storage is not reachable, the study exists with
            another definition, or its trials ask for more devices than there are.
    """
    if trains_here:
        check_devices(devices_of_a_trial(study))
    if study.config.sampler.kind == "grid":
        grid(study.space)
    storage = open_storage(places.storage, places.home)
    if isinstance(study.config.sampler, AutoSampler):
        check_named(storage, study.config.sampler.learn_from)
    cache = places.home / "cache"
    # A corpus that cannot be trained on is told here once, and not by every trial.
    data = prepare(study.trial_config(_some_data_settings(study), study.config.seed), cache)
    definition = StudyRecord(
        study.config, study.space, corpus_fingerprint(study.config.corpus, cache)
    )
    opened = open_study(storage, definition)
    corpus = study.config.corpus
    note_text(opened, Text(len(data.train), (corpus.source_lang, corpus.target_lang)))
    opened.pruner = build_pruner(
        study.config.pruner,
        first_validation=min(study.values("training.validate_every")),
        max_steps=max(study.values("training.max_steps")),
        num_trials=study.config.budget.trials,
    )
    return OpenStudy(storage, opened, definition, corpus_words(data))


def search(
    opened: OpenStudy,
    places: Locations,
    crew: WorkerPool,
    on_event: Callable[[int | None, Event], None],
) -> bool:
    """Runs a study with worker processes until its budget is spent.

    Args:
        opened: The study.
        places: Where it keeps things.
        crew: The workers.
        on_event: Told of each event with the number of its worker; None with what the storage
            tells, of the study as a whole and of workers that others have started.

    Returns:
        Whether Ctrl-C ended it. Everything is saved either way.

    Raises:
        UserError: If every worker met what only a person can mend.
    """
    with claiming(opened.storage, opened.study.study_name):
        returned = requeue_stale_trials(opened.storage, opened.study)
    trials = opened.study.get_trials(deepcopy=False)
    for number in returned:
        on_event(None, loss(trials[number]))
    with asked_to_leave() as asked, story_of(opened, places) as story:
        watch = Watch(opened.study, crew.speaks)
        for told in crew.events(asked):
            if told is not None:
                on_event(*told)
                watch.heard(told[1])
                if isinstance(told[1], TrialEnded):
                    story.refresh()
            for event in watch.news():
                on_event(None, event)
        for event in watch.look():
            on_event(None, event)
        story.finish(interrupted=asked.is_set() or crew.refusal is not None)
    if crew.refusal is not None:
        raise crew.refusal
    return asked.is_set()


def devices_of_a_trial(study: Study) -> int:
    """The most devices that a trial of a study takes."""
    return int(max(study.values("trainer.devices")))


def story_of(opened: OpenStudy, places: Locations) -> AbstractContextManager[StudyLogger]:
    """What MLflow is told of the study, for as long as the context lasts."""
    return StudyLogger.open(opened.study, opened.definition, places.home, places.tracking)


def corpus_words(data: PreparedData) -> str:
    """Sizes of a corpus and what was left out of it, in words."""
    return f"{data.report}, {len(data.validation):,} validation pairs"


def _some_data_settings(study: Study) -> dict[str, Any]:
    """The largest value of each data setting that is searched."""
    domains = study.space.domains.items()
    return {name: domain.ends()[-1] for name, domain in domains if name.startswith("data.")}
