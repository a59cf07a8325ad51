"""Creating a study, finding it again, and putting its first trials in the queue."""

import contextlib
import os
import socket
from collections.abc import Sequence

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.settings import BASE_WIDTH
from automl_tf.config.study import DIRECTIONS, Study
from automl_tf.errors import UserError
from automl_tf.model.presets import PAPER_ROWS
from automl_tf.search.schema import (
    DEFINITION,
    LOST,
    REASON,
    WORKER,
    StudyRecord,
    check_compatible,
)
from automl_tf.search.storage import claiming

ONE_RETURN = 1
"""Times that a trial whose worker died goes back to the queue."""


def open_study(storage: RDBStorage, definition: StudyRecord) -> optuna.Study:
    """Creates the study with its first trials queued, or goes on with it.

    Raises:
        UserError: If a study of this name exists with another definition.
    """
    config = definition.config
    with claiming(storage, config.name):
        if config.name in optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=config.name, storage=storage)
            check_compatible(study, definition)
            # What may change, changes: budget, strategy, the full training.
            study.set_user_attr(DEFINITION, definition.to_json())
            return study
        study = optuna.create_study(
            study_name=config.name,
            storage=storage,
            directions=[DIRECTIONS[objective] for objective in config.objectives],
        )
        study.set_user_attr(DEFINITION, definition.to_json())
        for params in first_trials(definition.study):
            study.enqueue_trial(dict(params), skip_if_exists=True)
        return study


def load_study(storage: RDBStorage, name: str) -> optuna.Study:
    """A study that exists.

    Raises:
        UserError: If there is none of this name.
    """
    names = optuna.get_all_study_names(storage)
    if name not in names:
        known = f"There are: {', '.join(sorted(names))}." if names else "There are none yet."
        raise UserError(f"There is no study {name}.", f"{known} `automl-tf studies` lists them.")
    return optuna.load_study(study_name=name, storage=storage)


def study_names(storage: RDBStorage) -> list[str]:
    """The names of all studies."""
    return sorted(optuna.get_all_study_names(storage))


def first_trials(study: Study) -> Sequence[dict[str, bool | int | float | str]]:
    """The configurations that are tried before any is proposed."""
    config = study.config
    if config.sampler.kind == "grid":
        return []  # a grid holds each of its points already
    base = [baseline_params(study)] if config.start_with_base else []
    return [*base, *config.start_with]


def baseline_params(study: Study) -> dict[str, bool | int | float | str]:
    """The paper's base model, each setting brought to the nearest value of the space."""
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


def this_worker() -> str:
    """The name of this process among all workers."""
    started = psutil.Process().create_time()
    return f"{socket.gethostname()}:{os.getpid()}:{started:.0f}"


def lost_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Running trials whose worker is gone, as far as this machine and heartbeats can tell."""
    # Optuna's public way out of a stale trial is a new trial; ours goes on as what it is.
    stale = set(study._storage._get_stale_trial_ids(study._study_id))  # type: ignore[attr-defined] # noqa: SLF001
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if trial._trial_id in stale or _is_dead(trial.user_attrs.get(WORKER))  # noqa: SLF001
    ]


def requeue_stale_trials(storage: RDBStorage, study: optuna.Study) -> list[int]:
    """Puts trials whose worker is gone back into the queue, to go on from their checkpoint.

    Returns:
        The numbers of the trials that went back, or failed because it was not the first time.
    """
    returned = []
    for trial in lost_trials(study):
        # A worker may have told its trial and left since the trials were read.
        with contextlib.suppress(UpdateFinishedTrialError):
            _return(storage, trial)
            returned.append(trial.number)
    return returned


def pause_trial(storage: RDBStorage, trial_id: int) -> None:
    """Puts a running trial back into the queue."""
    storage.set_trial_state_values(trial_id, TrialState.WAITING)


def _return(storage: RDBStorage, trial: FrozenTrial) -> None:
    trial_id = trial._trial_id  # noqa: SLF001 - storages know trials by it alone
    lost = trial.user_attrs.get(LOST, 0) + 1
    storage.set_trial_user_attr(trial_id, LOST, lost)
    if lost > ONE_RETURN:
        storage.set_trial_user_attr(trial_id, REASON, f"its worker died {lost} times")
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    else:
        storage.set_trial_user_attr(trial_id, REASON, "its worker died; it goes on from there")
        pause_trial(storage, trial_id)


def was_given_up(trial: FrozenTrial) -> bool:
    """Whether a trial has failed because its workers died."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get(LOST, 0) > ONE_RETURN


def _is_dead(worker: str | None) -> bool:
    """Whether a worker ran on this machine and does no more; of others only heartbeats tell."""
    if worker is None:
        return False
    host, pid, started = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(int(pid)).create_time() - float(started)) > 1)
    except psutil.NoSuchProcess:
        return True
