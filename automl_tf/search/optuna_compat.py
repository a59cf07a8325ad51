"""Adapter for the private API of Optuna: the only module that touches it.

`tests/search/test_optuna_compat.py` is its contract, for the lowest and the highest version that
the package allows.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna import _hypervolume
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

Array = NDArray[np.float64]

FIXED_PARAMS = "fixed_params"
"""System attribute with the parameters that a queued trial was given."""

CACHED_READS = ("_get_trials", "_get_best_trial_id")
"""Methods of `RDBStorage` that Optuna's cache of trials calls."""


def storage_of(study: optuna.Study) -> BaseStorage:
    """Returns the storage of a study."""
    return study._storage  # noqa: SLF001


def database_url(study: optuna.Study) -> str:
    """Returns the URL of the database of a study, with its password."""
    return str(study._storage._backend.url)  # type: ignore[attr-defined] # noqa: SLF001


def study_attributes(study: optuna.Study) -> dict[str, Any]:
    """Returns the user attributes of a study, or of the part of one that Hyperband shows."""
    return study._storage.get_study_user_attrs(study._study_id)  # noqa: SLF001


def trial_id_of(trial: optuna.Trial | FrozenTrial) -> int:
    """Returns the identifier by which storages know a trial."""
    return trial._trial_id  # noqa: SLF001


def fixed_params(trial: FrozenTrial) -> dict[str, Any]:
    """Returns the parameters that a queued trial was given."""
    given: dict[str, Any] = trial.system_attrs.get(FIXED_PARAMS, {})
    return given


def reserve_trial(study: optuna.Study) -> int:
    """Creates a running trial without parameters and returns its identifier.

    `Study.ask` would sample its parameters at once, while the caller holds the lock of the study.
    """
    return study._storage.create_new_trial(study._study_id)  # noqa: SLF001


def start_waiting(study: optuna.Study, trial: FrozenTrial) -> None:
    """Sets a waiting trial to running: this one, not the first one, which `Study.ask` takes."""
    study._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)  # noqa: SLF001


def sampled(
    study: optuna.Study, trial_id: int, space: Mapping[str, BaseDistribution]
) -> optuna.Trial:
    """Samples the parameters that a running trial lacks, as `Study.ask` does, by its sampler."""
    study._thread_local.cached_all_trials = None  # noqa: SLF001
    trial = optuna.Trial(study, trial_id)
    for name, distribution in space.items():
        trial._suggest(name, distribution)  # noqa: SLF001
    return trial


def heartbeats(storage: RDBStorage, study: optuna.Study) -> dict[int, datetime]:
    """Returns the last heartbeat of each running trial, in the time of the database."""
    session = storage.scoped_session()
    rows = (
        session.query(models.TrialHeartbeatModel.trial_id, models.TrialHeartbeatModel.heartbeat)
        .join(models.TrialModel)
        .filter(models.TrialModel.study_id == study._study_id)  # noqa: SLF001
        .filter(models.TrialModel.state == TrialState.RUNNING)
        .all()
    )
    session.commit()
    return dict(rows)


def overdue_trials(study: optuna.Study) -> set[int]:
    """Returns the identifiers of running trials without a heartbeat for the grace period."""
    stale = study._storage._get_stale_trial_ids(study._study_id)  # type: ignore[attr-defined] # noqa: SLF001
    return set(stale)


def delete_intermediate_values(storage: RDBStorage, trial_id: int) -> None:
    """Deletes what a trial reported: a new attempt begins with an empty curve."""
    session = storage.scoped_session()
    session.query(models.TrialIntermediateValueModel).filter(
        models.TrialIntermediateValueModel.trial_id == trial_id
    ).delete()
    session.commit()


def compute_hypervolume(losses_NK: Array, reference_K: Array) -> float:
    """Returns the volume that points dominate below a reference point.

    Args:
        losses_NK: Points of which less is better; none above the reference point.
        reference_K: The reference point.
    """
    return float(_hypervolume.compute_hypervolume(losses_NK, reference_K))


def non_dominated_box_bounds(losses_NK: Array, reference_K: Array) -> tuple[Array, Array]:
    """Returns lower and upper corners of boxes that fill the non-dominated space.

    Args:
        losses_NK: Points of which less is better; none above the reference point.
        reference_K: The reference point, at which the space ends.

    Returns:
        Two arrays of shape B, K.
    """
    lower_BK, upper_BK = _hypervolume.get_non_dominated_box_bounds(losses_NK, reference_K)
    return lower_BK, upper_BK
