"""Options of where workers run, in places with a home and without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl_tf.config.files import read_study
from automl_tf.errors import UserError
from automl_tf.search.launchers.placement import Placement, _authenticate, create_pool
from automl_tf.search.run import Locations
from tests.cli.studies import write_study


@pytest.mark.parametrize(
    ("placement", "option"),
    [
        (Placement(gpus_per_trial=0.5), "--gpus-per-trial"),
        (Placement(cluster="ray", workers_per_gpu=2), "--workers-per-gpu"),
    ],
)
def test_options_of_another_place_are_refused(
    tmp_path: Path, reversal: dict, placement: Placement, option: str
) -> None:
    study = read_study(write_study(tmp_path, reversal))
    locations = Locations(tmp_path, "sqlite://", "sqlite://")
    with pytest.raises(UserError, match=option):
        create_pool([], study, locations, placement, print)


def test_the_number_of_workers_may_be_given(tmp_path: Path, reversal: dict) -> None:
    study = read_study(write_study(tmp_path, reversal))
    locations = Locations(tmp_path, "sqlite://", "sqlite://")
    assert create_pool([], study, locations, Placement(workers=7), print).size == 7
    assert create_pool([], study, locations, Placement(), print).size >= 1


def test_a_user_without_a_name_and_a_home_is_served(tmp_path: Path) -> None:
    """A container may run as any number, without a line in /etc/passwd."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\n"
        "def nobody(*_): raise KeyError('uid not found')\n"
        "pwd.getpwuid = pwd.getpwnam = nobody\n"
    )
    program = "import pathlib; pathlib.Path.home()"
    environment = {name: value for name, value in os.environ.items() if name != "HOME"}
    environment |= {"PYTHONPATH": str(tmp_path), "AUTOML_TF_HOME": str(tmp_path / "runs")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
        )

    assert "home directory" in run("-c", program).stderr
    done = run("-m", "automl_tf", "search", "no-such-study.yaml")
    assert done.returncode == 2, done.stderr
    program = (
        "from automl_tf.cli.options import silence_libraries as silence; silence();"
        "from automl_tf.search.launchers import placement; placement._authenticate()"
    )
    done = run("-c", program)
    assert done.returncode == 0, done.stderr


def test_ray_is_authenticated_without_a_home_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    _authenticate()
    assert "RAY_AUTH_MODE" not in os.environ


def test_the_token_of_this_user_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    monkeypatch.delenv("RAY_AUTH_MODE")
    _authenticate()
    assert "RAY_AUTH_MODE" not in os.environ
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").touch()
    _authenticate()
    assert os.environ["RAY_AUTH_MODE"] == "token"
