"""Trials that train on several devices are told like any other."""

from pathlib import Path

import pytest
import torch
from optuna.trial import TrialState

from automl_tf.config.files import read_study
from automl_tf.errors import UserError
from automl_tf.home import HomeDirectory
from automl_tf.search.join import join
from automl_tf.search.launchers.local import default_workers
from automl_tf.search.opening import load_study
from automl_tf.search.run import Locations, devices_of_a_trial, open_search
from automl_tf.search.storage import default_url
from tests.cli.studies import write_study
from tests.search.making import Listener, new_home

DEVICES = "trainer.devices=2"
NEVER_REACHED = "pruner={kind: threshold, lower: 99.9}"


def places(home: Path) -> Locations:
    return Locations(new_home(home), default_url(home), HomeDirectory(home).tracking_uri)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="takes as many GPUs")
def test_a_trial_on_two_devices_is_pruned(reversal: dict, tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, reversal), [DEVICES, NEVER_REACHED, "budget.trials=1"])
    opened = open_search(study, places(tmp_path / "home"))
    join(opened, places(tmp_path / "home"), Listener())
    (trial,) = load_study(opened.storage, "tour").trials
    assert trial.state is TrialState.PRUNED
    assert list(trial.intermediate_values) == [30]
    assert "threshold" in trial.user_attrs["reason"] or "99.9" in trial.user_attrs["reason"]


def test_a_study_goes_on_with_other_devices_but_not_with_other_settings(
    reversal: dict, tmp_path: Path
) -> None:
    path, home = write_study(tmp_path, reversal), places(tmp_path / "home")
    open_search(read_study(path), home)
    if not torch.cuda.is_available():
        again = open_search(read_study(path, [DEVICES]), home)
        assert devices_of_a_trial(again.record.study) == 2
    with pytest.raises(UserError, match=r"training\.max_steps"):
        open_search(read_study(path, ["training.max_steps=60"]), home)


def test_workers_leave_room_for_the_devices_of_their_trials() -> None:
    assert default_workers(10_000) == 1
    assert default_workers(2) <= default_workers()
