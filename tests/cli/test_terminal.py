"""Signs of life of commands that are silent for long."""

import time

import pytest

from automl_tf.cli import terminal
from automl_tf.cli.display import TrainingDisplay
from automl_tf.cli.terminal import SignOfLife, sign_of_life
from automl_tf.training.events import CurvePoint

POINT = CurvePoint(120, 3.25, 1e-3, 1.0, 5000.0)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "SECONDS", 0.2)


def test_silence_is_broken_and_output_counts_as_a_sign(capfd: pytest.CaptureFixture[str]) -> None:
    sign = SignOfLife("preparing the corpus")
    sign.start()
    for _ in range(5):
        time.sleep(0.1)
        sign.printed()
    assert capfd.readouterr().err == ""
    time.sleep(0.7)
    sign.stop()
    told = capfd.readouterr()
    assert told.out == ""
    assert 2 <= told.err.count("preparing the corpus (0:0") <= 4


def test_a_quiet_command_gives_no_sign(capfd: pytest.CaptureFixture[str]) -> None:
    with sign_of_life("preparing the corpus", quiet=True):
        time.sleep(0.5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("quiet", "signs"), [(False, True), (True, False)])
def test_a_training_without_a_terminal_tells_its_step(
    capfd: pytest.CaptureFixture[str], *, quiet: bool, signs: bool
) -> None:
    with TrainingDisplay(600, quiet=quiet) as display:
        time.sleep(0.3)
        display.progress(POINT)
        time.sleep(0.4)
    told = capfd.readouterr()
    assert ("preparing the corpus" in told.err) is signs
    assert ("step 120 of 600  loss 3.25" in told.err) is signs
    assert told.out == ""
