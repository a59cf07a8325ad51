"""What a person tells a study while it is searched: try this next, stop that, delete it."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.errors import UserError
from automl_tf.home import HomeDirectory
from automl_tf.search import steering
from automl_tf.search.context import WorkerContext
from automl_tf.search.opening import study_names
from automl_tf.search.schema import ORIGIN, REASON, Origin, study_id_of
from tests.search.making import bench, claim, definition, finish, pause

RANDOM = {"sampler": {"kind": "random"}, "start_with_base": False}


@pytest.fixture
def worker(tmp_path: Path) -> WorkerContext:
    return bench(tmp_path, definition(**RANDOM, budget={"trials": 5}))


def stop(worker: WorkerContext, number: int) -> str:
    return steering.stop(worker.storage, worker.study, number)


@pytest.mark.parametrize(
    "params",
    [
        {"model.d_model": 128},
        {"model.norm": "post", "training.learning_rate": 1e-3},
        {
            "model.d_model": 256,
            "model.norm": "pre",
            "model.encoder_layers": 6,
            "model.dropout": 0.5,
            "training.learning_rate": 1e-2,
        },
    ],
)
def test_what_is_queued_is_tried_next(worker: WorkerContext, params: dict[str, Any]) -> None:
    finish(worker, claim(worker))
    assert steering.enqueue(worker.storage, worker.study, params) == 1
    trial = claim(worker)
    assert trial.number == 1
    assert params.items() <= trial.params.items()
    assert len(trial.params) == 5
    assert trial.user_attrs[ORIGIN] == Origin.GIVEN


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model.d_ff": 128}, "model.d_ff is not searched"),
        ({"model.d_model": 96}, "not in its domain"),
        ({"model.encoder_layers": 7}, "not in its domain"),
        ({"model.dropout": "much"}, "model.dropout"),
    ],
)
def test_what_is_not_in_the_space_is_refused(
    worker: WorkerContext, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        steering.enqueue(worker.storage, worker.study, params)
    assert worker.study.trials == []


def test_a_trial_that_waits_is_pruned_at_once(worker: WorkerContext) -> None:
    trial = claim(worker)
    pause(worker, trial)
    assert "is pruned" in stop(worker, trial.number)
    (stored,) = worker.study.get_trials(deepcopy=False)
    assert stored.state == TrialState.PRUNED
    assert stored.user_attrs[REASON] == steering.STOPPED
    assert claim(worker).number == 1


def test_what_cannot_be_stopped_is_refused(worker: WorkerContext) -> None:
    trial = claim(worker)
    assert "after its next validation" in stop(worker, trial.number)
    finish(worker, trial)
    with pytest.raises(UserError, match="Trial 0 has ended: it is complete"):
        stop(worker, 0)
    with pytest.raises(UserError, match="no trial 3"):
        stop(worker, 3)


def test_a_study_is_deleted_with_its_files_and_never_under_a_worker(
    worker: WorkerContext, tmp_path: Path
) -> None:
    directory = HomeDirectory(tmp_path).study("made", study_id_of(worker.study))
    (directory / "trial-0000").mkdir(parents=True)
    trial = claim(worker)
    with pytest.raises(UserError, match="trial 0 is running"):
        steering.delete(worker.storage, worker.study, tmp_path)
    assert directory.exists()
    pause(worker, trial)
    other = bench(tmp_path / "other", definition(**RANDOM, name="kept"))
    assert steering.delete(worker.storage, worker.study, tmp_path) == directory
    assert not directory.exists()
    assert study_names(worker.storage) == []
    assert study_names(other.storage) == ["kept"]
    with pytest.raises(KeyError):
        optuna.load_study(study_name="made", storage=worker.storage)
