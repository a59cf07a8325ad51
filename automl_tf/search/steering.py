"""What a person tells a study while it is searched: through its storage, from any machine."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from automl_tf.config.space import check_setting
from automl_tf.errors import Place, UserError
from automl_tf.home import HomeDirectory
from automl_tf.search.confirmation import confirmation_study
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.ownership import lost_trials
from automl_tf.search.schema import (
    ORIGIN,
    REASON,
    STATE_NAMES,
    STOP,
    Origin,
    read_record,
    study_id_of,
)
from automl_tf.search.storage import claiming

STOPPED = "stopped by a person"


def enqueue(storage: RDBStorage, study: optuna.Study, params: Mapping[str, Any]) -> int:
    """Queues a configuration, which the next free worker trains.

    Args:
        storage: The storage.
        study: The study.
        params: Values of searched settings by dotted path; the sampler chooses the others.

    Returns:
        The number of the trial.

    Raises:
        UserError: If a setting is not searched, or a value is not in its domain.
    """
    domains = read_record(study).space.domains
    for name, value in params.items():
        place = Place(key=name)
        if name not in domains:
            raise UserError(
                f"{name} is not searched by the study {study.study_name}.",
                f"Searched are {', '.join(domains)}.",
                place,
            )
        check_setting(name, value, place)
        if not domains[name].contains(value):
            raise UserError(
                f"{name} = {value} is not in its domain, {domains[name]}.",
                "Choose a value of the domain.",
                place,
            )
    with claiming(storage, study.study_name):
        before = len(study.get_trials(deepcopy=False))
        study.enqueue_trial(dict(params), user_attrs={ORIGIN: Origin.GIVEN})
    return before


def stop(storage: RDBStorage, study: optuna.Study, number: int) -> str:
    """Stops a trial: a running one after its next validation, one that waits at once.

    Args:
        storage: The storage.
        study: The study.
        number: Number of the trial.

    Returns:
        What happens to it, in words.

    Raises:
        UserError: If there is no such trial, or it has ended.
    """
    with claiming(storage, study.study_name):
        trials = study.get_trials(deepcopy=False)
        if number >= len(trials):
            raise UserError(
                f"There is no trial {number}; there are {len(trials)}, from 0.",
                "`automl-tf show` lists them.",
                Place(key="TRIAL"),
            )
        trial = trials[number]
        if trial.state.is_finished():
            raise UserError(
                f"Trial {number} has ended: it is {STATE_NAMES[trial.state]}.",
                "`automl-tf show` lists those that have not.",
                Place(key="TRIAL"),
            )
        trial_id = trial_id_of(trial)
        storage.set_trial_user_attr(trial_id, STOP, True)  # noqa: FBT003 - the attribute's value
        if trial.state == TrialState.RUNNING:
            return f"trial {number} stops after its next validation"
        storage.set_trial_user_attr(trial_id, REASON, STOPPED)
        storage.set_trial_state_values(trial_id, TrialState.PRUNED)
        return f"trial {number} is pruned"


def delete(storage: RDBStorage, study: optuna.Study, home: Path) -> Path:
    """Deletes a study with its confirmations, its checkpoints and its logs in a home directory.

    Runs in MLflow and bundles stay.

    Args:
        storage: The storage.
        study: The study.
        home: The home directory.

    Returns:
        The directory that was deleted.

    Raises:
        UserError: If a worker is training one of its trials.
    """
    name = study.study_name
    directory = HomeDirectory(home).study(name, study_id_of(study))
    with claiming(storage, name):
        lost = {trial.number for trial in lost_trials(study)}
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        busy = [str(trial.number) for trial in running if trial.number not in lost]
        if busy:
            raise UserError(
                f"The study {name} is being searched: trial {', '.join(busy)} is running.",
                "Stop its workers first.",
            )
        confirmations = confirmation_study(storage, study)
        for one in (confirmations, study):
            if one is not None:
                optuna.delete_study(study_name=one.study_name, storage=storage)
    shutil.rmtree(directory, ignore_errors=True)
    return directory
