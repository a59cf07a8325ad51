"""Trials on devices that fail, and the arithmetic of a study on machines that differ."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from optuna.trial import TrialState

from automl_tf import device
from automl_tf.cli import main as command_line
from automl_tf.device import Precision
from automl_tf.errors import DeadDeviceError, ExitCode
from automl_tf.search import context, join, objective, run
from automl_tf.search.costs import memory
from automl_tf.search.export import export
from automl_tf.search.ownership import MAX_LOSSES
from automl_tf.search.run import open_search, open_worker
from automl_tf.search.schema import (
    ATTEMPT,
    DEFINITION,
    ENVIRONMENT,
    FAILURE,
    PRECISION,
    REASON,
    FailureKind,
    read_record,
)
from automl_tf.search.study_view import StudyView
from automl_tf.training.events import FitResult
from automl_tf.training.fit import fit
from tests.cli.studies import FIXED
from tests.search.making import definition
from tests.search.searching import EVERY, Fit, Search

pytestmark = pytest.mark.slow

AUTO = {**FIXED, "training.precision": "auto"}


@pytest.fixture
def search(reversal: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    return Search(tmp_path, reversal, monkeypatch)


def fit_until_the_device_dies(validations: int, error: Exception) -> Fit:
    """Trainings whose device fails after some validations."""

    def fit_and_die(
        config: Any, data: Any, directory: Any, observe: Any, *rest: Any, **named: Any
    ) -> FitResult:
        left = validations

        def observe_and_die(validation: Any) -> Any:
            nonlocal left
            if left == 0:
                raise error
            left -= 1
            return observe(validation)

        if not left:
            raise error
        return fit(config, data, directory, observe_and_die, *rest, **named)

    return fit_and_die


def test_a_dead_device_ends_the_worker_and_the_next_one_resumes_the_trial(search: Search) -> None:
    error = RuntimeError(
        "CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA"
    )
    opened = search.open("budget.trials=2")
    search.replace_fit(fit_until_the_device_dies(1, error))
    with pytest.raises(DeadDeviceError, match="the device failed: CUDA error"):
        search.run(opened)
    (trial,) = opened.study.trials
    assert trial.state == TrialState.WAITING
    assert "the device failed" in trial.user_attrs[REASON]
    assert list(trial.intermediate_values) == [EVERY]

    search.replace_fit(fit)
    study = search.run(search.open("budget.trials=2"))
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert study.trials[0].user_attrs[ATTEMPT] == 1
    assert list(study.trials[0].intermediate_values) == [EVERY, 2 * EVERY, 3 * EVERY]
    client = mlflow.MlflowClient(search.locations.tracking)
    shown = client.get_run(StudyView.read(study).trials[0].mlflow_run_id)
    assert shown.info.status == "FINISHED"


def test_a_trial_that_kills_one_device_after_the_other_fails_and_the_study_goes_on(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(objective, "free_memory", lambda: asked.append("to free memory"))
    opened = search.open("budget.trials=1")
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    search.replace_fit(fit_until_the_device_dies(0, error))
    for _ in range(MAX_LOSSES):
        with pytest.raises(DeadDeviceError):
            search.run(opened)
    (trial,) = opened.study.trials
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[FAILURE] == FailureKind.WORKER_LOST
    assert f"{MAX_LOSSES} times" in trial.user_attrs[REASON]
    # The device would answer anything with the same error.
    assert not asked

    search.replace_fit(fit)
    study = search.run(search.open("budget.trials=1"))
    # Its settings are not to blame, and it costs nothing of the budget.
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_the_command_line_of_a_worker_with_a_dead_device_asks_for_another(
    monkeypatch, capsys
) -> None:
    def die() -> None:
        raise DeadDeviceError("the device failed: CUDA error: device-side assert triggered")

    monkeypatch.setattr(command_line, "app", die)
    with pytest.raises(SystemExit) as left:
        command_line.main()
    # The pool restarts workers that leave with this status.
    assert left.value.code == ExitCode.FAILURE
    told = capsys.readouterr().err
    assert "device-side assert" in told
    assert "Traceback" not in told


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Precision]:
    """What is the faster arithmetic on the machine at hand: the last item."""
    here: list[Precision] = ["fp32"]

    def resolve(setting: str, _cache: Path | None = None) -> str:
        return here[-1] if setting == "auto" else setting

    for module in (run, join, context):
        monkeypatch.setattr(module, "resolve_precision", resolve)
    monkeypatch.setattr("automl_tf.search.costs.resolve_precision", resolve)
    return here


def noted(trained: list[str]) -> Fit:
    """Trainings that note their arithmetic."""

    def fit_and_note(*arguments: Any, precision: str, **named: Any) -> FitResult:
        trained.append(precision)
        return fit(*arguments, precision=precision, **named)

    return fit_and_note


def test_workers_on_machines_that_differ_compute_alike(
    search: Search, machine: list[Precision]
) -> None:
    first: Precision = "bf16"
    trained: list[str] = []
    search.replace_fit(noted(trained))
    machine.append(first)
    opened = search.open("budget.trials=1", fixed=AUTO)
    assert opened.study.user_attrs[PRECISION] == first
    search.run(opened)
    assert not [event for event in search.listener.told if "compute in" in str(event)]

    machine.append("fp32")
    more = search.open("budget.trials=2", fixed=AUTO)
    joined = open_worker(more.record.study, search.locations)
    study = search.run(joined)
    assert trained == [first, first]
    told = [event.text for event in search.listener.told if "compute in" in str(event)]
    assert len(told) == 1
    assert first in told[0]
    for trial in study.trials:
        assert trial.user_attrs[ENVIRONMENT]["precision"] == first
        assert trial.user_attrs[ENVIRONMENT]["device"] == device.device_name()
    assert json.loads(json.dumps(StudyView.read(study).to_json()))["precision"] == first
    # Wherever the export is trained, its machine decides anew.
    assert "precision: auto" in export(study)
    client = mlflow.MlflowClient(search.locations.tracking)
    shown = client.get_run(StudyView.read(study).trials[1].mlflow_run_id)
    assert shown.data.tags["precision"] == first


def test_a_study_without_an_arithmetic_gets_that_of_the_first_machine_that_trains(
    search: Search, machine: list[Precision]
) -> None:
    study = search.open("budget.trials=1", fixed=AUTO).record.study
    study = dataclasses.replace(study, config=study.config.model_copy(update={"name": "elsewhere"}))
    # As a search whose workers run on other machines, or an earlier version, leaves it.
    opened = open_search(study, search.locations, trains_here=False)
    assert opened.record.precision is None
    assert StudyView.read(opened.study).to_json()["precision"] is None
    for here in ("bf16", "fp32"):
        machine.append(here)
        assert open_worker(study, search.locations).record.precision == "bf16"
    assert read_record(opened.study).precision == "bf16"
    assert PRECISION not in opened.study.user_attrs[DEFINITION]


def test_a_given_arithmetic_is_what_the_study_file_says(
    search: Search, machine: list[Precision]
) -> None:
    machine.append("bf16")
    opened = search.open("budget.trials=1")
    assert opened.record.precision == "bf16"
    assert StudyView.read(opened.study).to_json()["precision"] == "fp32"


def test_memory_is_estimated_in_the_studys_arithmetic(machine: list[Precision]) -> None:
    study = definition().study
    params = {"model.d_model": 256, "model.norm": "pre", "model.encoder_layers": 6}
    single, half = (memory(study, auto)(params) for auto in ("fp32", "bf16"))
    assert half != single
    assert memory(study)(params) == single
    machine.append("bf16")
    assert memory(study)(params) == half
    assert memory(study, "fp32")(params) == single
