"""Several devices train like one, and whatever happens to one of their processes is told."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from automl_tf.config.settings import TrainerConfig, TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.device import check_devices
from automl_tf.errors import UserError
from automl_tf.training import launch
from automl_tf.training.checkpoints import BEST_WEIGHTS, LAST_CHECKPOINT, load_best
from automl_tf.training.events import CurvePoint, Decision, Outcome, Validation
from automl_tf.training.fit import fit
from automl_tf.training.launch import RENDEZVOUS
from tests.conftest import small_config

WITHOUT_GPUS = pytest.mark.skipif(torch.cuda.is_available(), reason="takes as many GPUs")


class Recorder:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Validation] = []

    def __call__(self, validation: Validation) -> Decision:
        self.told.append(validation)
        return Decision.CONTINUE

    @property
    def curve(self) -> list[tuple[int, float, float]]:
        points = [point for validation in self.told for point in validation.curve]
        return [(point.step, point.loss, point.grad_norm) for point in points]


def on_devices(config: TrialConfig, devices: int) -> TrialConfig:
    return config.model_copy(update={"trainer": TrainerConfig(devices=devices)})


def exact(reversal: dict, **changes: object) -> TrialConfig:
    """A configuration whose arithmetic does not depend on how a batch is divided."""
    return small_config(
        reversal, **{"training__precision": "fp32", "model__dropout": 0.0, **changes}
    )


def assert_close(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    """Equal up to rounding.

    A bias of keys adds the same to all scores of a query and has no gradient but rounding, which
    Adam makes as large as any other.
    """
    for name, weight in weights.items():
        if not name.endswith(("query_key_value.bias", "key_value.bias")):
            torch.testing.assert_close(weight, others[name], rtol=1e-4, atol=1e-5)


@WITHOUT_GPUS
@pytest.mark.slow
@pytest.mark.parametrize("ema", [0.0, 0.2])
def test_two_devices_train_like_one(
    reversal: dict, cache: Path, tmp_path: Path, ema: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = exact(
        reversal,
        training__ema=ema,
        training__accumulate=2,
        training__average_checkpoints=2,
        training__validate_sentences=11,
    )
    data = prepare(config, cache)
    one, two = Recorder(), Recorder()
    expected = fit(on_devices(config, 1), data, tmp_path / "one", one)
    monkeypatch.setattr(launch, "RENDEZVOUS", "odd #ä%41? ")
    result = fit(on_devices(config, 2), data, tmp_path / "two", two)
    assert [len(told.sentences) for told in two.told] == [11, 22, 40]
    assert (result.outcome, result.step) == (expected.outcome, expected.step)
    assert (result.best, result.best_step) == (expected.best, expected.best_step)
    for told, other in zip(two.told, one.told, strict=True):
        assert (told.step, told.scores, told.hypotheses) == (
            other.step,
            other.scores,
            other.hypotheses,
        )
        assert np.array_equal(told.sentences.counts_NC, other.sentences.counts_NC)
        assert told.loss == pytest.approx(other.loss, rel=1e-5)
    assert torch.allclose(torch.tensor(two.curve), torch.tensor(one.curve), rtol=1e-4)
    assert_close(load_best(tmp_path / "two"), load_best(tmp_path / "one"))
    assert not list((tmp_path / "two").glob("step-*"))
    checkpoints = [
        torch.load(tmp_path / name / LAST_CHECKPOINT, weights_only=True) for name in ("one", "two")
    ]
    assert checkpoints[0].keys() == checkpoints[1].keys()
    states = checkpoints[1]["position"]["random"]
    assert len(states) == 2
    assert not torch.equal(states[0]["cpu"], states[1]["cpu"])


@WITHOUT_GPUS
@pytest.mark.slow
def test_resumed_equals_uninterrupted(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = on_devices(small_config(reversal, model__dropout=0.3), 2)
    data = prepare(config, cache)
    whole, first, second = Recorder(), Recorder(), Recorder()
    points: list[CurvePoint] = []

    def should_pause() -> bool:
        return bool(points) and points[-1].step >= 5

    fit(config, data, tmp_path / "whole", whole)
    paused = fit(config, data, tmp_path / "parts", first, points.append, should_pause)
    assert paused.outcome is Outcome.PAUSED
    assert 5 <= paused.step <= 8
    fit(config, data, tmp_path / "parts", second)
    assert first.curve + second.curve == whole.curve
    for told, other in zip(first.told + second.told, whole.told, strict=True):
        assert (told.step, told.scores, told.loss) == (other.step, other.scores, other.loss)
    for name, weight in load_file(tmp_path / "whole" / BEST_WEIGHTS).items():
        assert torch.equal(weight, load_file(tmp_path / "parts" / BEST_WEIGHTS)[name])


@WITHOUT_GPUS
@pytest.mark.slow
def test_goes_on_with_another_number_of_devices(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = exact(reversal)
    data = prepare(config, cache)
    whole, first, second = Recorder(), Recorder(), Recorder()
    fit(config, data, tmp_path / "whole", whole)
    fit(config, data, tmp_path / "parts", first, should_pause=lambda: bool(first.told))
    fit(on_devices(config, 2), data, tmp_path / "parts", second)
    assert [told.step for told in first.told + second.told] == [4, 8, 12]
    assert_close(load_best(tmp_path / "parts"), load_best(tmp_path / "whole"))


@WITHOUT_GPUS
@pytest.mark.slow
def test_observer_stops_all_devices(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    told: list[int] = []

    def stop(validation: Validation) -> Decision:
        told.append(validation.step)
        return Decision.STOP

    result = fit(on_devices(config, 2), data, tmp_path, stop)
    assert result.outcome is Outcome.STOPPED
    assert told == [result.step] == [4]
    assert not multiprocessing.active_children()


@WITHOUT_GPUS
@pytest.mark.slow
def test_a_pause_during_a_validation_ends_it_on_all_devices(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = on_devices(small_config(reversal, model__dropout=0.3, data__max_ratio=8.0), 2)
    data = prepare(config, cache)
    whole, first, second = Recorder(), Recorder(), Recorder()
    asked: list[int] = []

    def owns() -> bool:
        asked.append(len(first.told))
        return True

    fit(config, data, tmp_path / "whole", whole)
    # The point of the last step before a validation comes before the questions of the validation.
    points: list[int] = []
    paused = fit(
        config,
        data,
        tmp_path / "parts",
        first,
        lambda point: points.append(point.step),
        lambda: bool(points) and points[-1] == 8,
        owns,
    )
    assert paused.outcome is Outcome.PAUSED
    assert paused.step in (4, 8)
    assert asked[:2] == [0, 0]
    fit(config, data, tmp_path / "parts", second)
    assert first.curve + second.curve == whole.curve
    assert [told.step for told in first.told + second.told] == [4, 8, 12]


@WITHOUT_GPUS
@pytest.mark.slow
def test_a_lost_training_ends_on_all_devices(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    recorder = Recorder()
    result = fit(
        on_devices(config, 2),
        data,
        tmp_path,
        recorder,
        is_owner=lambda: not recorder.told,
    )
    assert (result.outcome, result.step) == (Outcome.LOST, 8)
    assert [told.step for told in recorder.told] == [4]
    saved = torch.load(tmp_path / LAST_CHECKPOINT, weights_only=True)
    assert saved["global_step"] == 4
    assert not multiprocessing.active_children()


@WITHOUT_GPUS
@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_is_named(
    config: TrialConfig, data: PreparedData, tmp_path: Path, rank: int
) -> None:
    def kill(_validation: Validation) -> Decision:
        processes = sorted(multiprocessing.active_children(), key=lambda process: process.pid)
        os.kill(processes[rank].pid, signal.SIGKILL)
        return Decision.CONTINUE

    with pytest.raises(UserError, match=f"device {rank + 1} of 2 was killed by signal 9"):
        fit(on_devices(config, 2), data, tmp_path, kill)
    assert not multiprocessing.active_children()


@WITHOUT_GPUS
@pytest.mark.slow
def test_an_error_in_a_process_is_raised_here(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    directory = tmp_path / "training"

    def occupy(_validation: Validation) -> Decision:
        shutil.rmtree(directory)
        directory.touch()
        return Decision.CONTINUE

    with pytest.raises(OSError, match="training") as caught:
        fit(on_devices(config, 2), data, directory, occupy)
    assert "In the process of device 1 of 2:\nTraceback" in str(caught.value.__cause__)
    assert not multiprocessing.active_children()


@WITHOUT_GPUS
@pytest.mark.slow
def test_an_error_of_the_observer_ends_the_processes(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    def fail(_validation: Validation) -> Decision:
        raise KeyError("observer")

    with pytest.raises(KeyError):
        fit(on_devices(config, 2), data, tmp_path, fail)
    assert not multiprocessing.active_children()


@WITHOUT_GPUS
@pytest.mark.slow
def test_processes_leave_with_the_one_that_started_them(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(on_devices(config, 2).model_dump_json())
    program = f"""
        import multiprocessing, time
        from pathlib import Path
        from automl_tf.config.settings import TrialConfig
        from automl_tf.data.prepare import open_prepared
        from automl_tf.training.fit import fit

        def tell(validation):
            print(*[process.pid for process in multiprocessing.active_children()], flush=True)
            time.sleep(100)

        if __name__ == "__main__":
            here = Path({str(tmp_path)!r})
            config = TrialConfig.model_validate_json((here / "config.json").read_text())
            data = open_prepared(Path({str(data.folder)!r}), {data.fingerprint!r})
            fit(config, data, here, tell)
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(program))
    # The forkserver's socket lies below it, and the path of a socket is short.
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as one:
        pids = [int(pid) for pid in one.stdout.readline().split()]
        assert list(temporary.glob(f"{RENDEZVOUS}*"))
        one.send_signal(signal.SIGKILL)
    assert len(pids) == 2
    deadline = time.monotonic() + 30
    while any(map(psutil.pid_exists, pids)):
        assert time.monotonic() < deadline, "the processes stay behind"
        time.sleep(0.1)
    assert not list(temporary.glob(f"{RENDEZVOUS}*"))


@WITHOUT_GPUS
def test_without_gpus_any_number_of_devices_will_do() -> None:
    check_devices(100)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_more_devices_than_gpus_are_refused() -> None:
    with pytest.raises(UserError, match=r"trainer\.devices = 100"):
        check_devices(100)
