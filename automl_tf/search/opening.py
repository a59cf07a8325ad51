"""Studies in the storage: created with their first trials queued, found again, listed."""

import uuid
from collections.abc import Mapping, Sequence

import optuna
from optuna.storages import RDBStorage

from automl_tf.config.presets import PAPER_ROWS
from automl_tf.config.settings import BASE_WIDTH
from automl_tf.config.study import DIRECTIONS, Study
from automl_tf.errors import UserError
from automl_tf.search.schema import (
    CONFIRMED_STUDY,
    DEFINITION,
    ORIGIN,
    Origin,
    StudyRecord,
    check_compatible,
    describe_unreadable,
    read_record,
    write_identity,
)
from automl_tf.search.storage import claiming

Params = Mapping[str, bool | int | float | str]
"""Values of searched settings by dotted path."""


def open_study(storage: RDBStorage, record: StudyRecord) -> optuna.Study:
    """Creates a study with its first trials queued, or resumes it with what may change.

    Budget, sampler, pruner and the full training may change while a study lives.

    Raises:
        UserError: If the study exists with another definition, or cannot be read.
    """
    with claiming(storage, record.config.name):
        study = _find(storage, record)
        if study is None:
            return create_study(storage, record.config.name, record)
        study.set_user_attr(DEFINITION, record.settled(study).to_json())
        return study


def join_study(storage: RDBStorage, record: StudyRecord) -> tuple[optuna.Study, StudyRecord]:
    """Finds the study that a worker joins, or creates it if the worker is the first to come.

    A worker changes nothing of an existing study: its definition is that of the last search.

    Returns:
        The study and its definition in the storage.

    Raises:
        UserError: If the study exists with another definition, or cannot be read.
    """
    with claiming(storage, record.config.name):
        study = _find(storage, record)
        if study is None:
            return create_study(storage, record.config.name, record), record.settled()
        return study, read_record(study)


def _find(storage: RDBStorage, record: StudyRecord) -> optuna.Study | None:
    name = record.config.name
    if name not in optuna.get_all_study_names(storage):
        return None
    study = optuna.load_study(study_name=name, storage=storage)
    check_compatible(study, record)
    return study


def create_study(
    storage: RDBStorage, name: str, record: StudyRecord, confirmed: str | None = None
) -> optuna.Study:
    """Creates a study with an identifier of its own. The lock of the study is held.

    Args:
        storage: The storage.
        name: Name in the storage.
        record: Its definition.
        confirmed: Identifier of the study whose configurations it repeats, whose first trials are
            then not queued.
    """
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[DIRECTIONS[objective] for objective in record.config.objectives],
    )
    study.set_user_attr(DEFINITION, record.settled().to_json())
    write_identity(study, str(uuid.uuid4()))
    if confirmed is not None:
        study.set_user_attr(CONFIRMED_STUDY, confirmed)
        return study
    for params, origin in first_trials(record.study):
        study.enqueue_trial(dict(params), user_attrs={ORIGIN: origin}, skip_if_exists=True)
    return study


def load_study(storage: RDBStorage, name: str) -> optuna.Study:
    """Returns a study that exists.

    Raises:
        UserError: If there is none of this name, or another program or version wrote it.
    """
    if name not in optuna.get_all_study_names(storage):
        names = study_names(storage)
        known = f"There are: {', '.join(names)}." if names else "There are none yet."
        raise UserError(f"There is no study {name}.", f"{known} `automl-tf studies` lists them.")
    study = optuna.load_study(study_name=name, storage=storage)
    read_record(study)
    return study


def study_names(storage: RDBStorage) -> list[str]:
    """Returns the names of the studies that this version reads, without confirmations."""
    return sorted(
        study.study_name
        for study in optuna.get_all_study_summaries(storage, include_best_trial=False)
        if describe_unreadable(study.study_name, study.user_attrs) is None
        and CONFIRMED_STUDY not in study.user_attrs
    )


def first_trials(study: Study) -> Sequence[tuple[Params, Origin]]:
    """Returns the configurations that are tried before any is proposed, and their origin."""
    config = study.config
    if config.sampler.kind == "grid":
        return []  # a grid holds each of its points already
    base = [(baseline_params(study), Origin.BASE)] if config.start_with_base else []
    return [*base, *((params, Origin.GIVEN) for params in config.start_with)]


def baseline_params(study: Study) -> Params:
    """Returns the paper's base model, each setting brought to the nearest value of the space."""
    row = PAPER_ROWS["base"]
    # Given for all weights alike; in the other scale it is the rate that the matrices have.
    goes_with_width = study.config.fixed.get("training.learning_rate_scale") == "width"
    ratio = row.model.d_model / BASE_WIDTH if goes_with_width else 1.0
    paper = {
        **{f"model.{name}": value for name, value in row.model.model_dump().items()},
        "model.d_k": row.model.head_width,
        "model.d_v": row.model.value_width,
        "training.learning_rate": ratio * row.learning_rate,
        "training.warmup_steps": row.warmup_steps,
        "training.label_smoothing": row.label_smoothing,
    }
    domains = study.space.domains
    return {name: domain.nearest(paper[name]) for name, domain in domains.items() if name in paper}
