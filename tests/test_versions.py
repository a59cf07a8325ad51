"""Versions and commit that results record."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from automl_tf.versions import environment, git_commit, versions


def test_the_libraries_are_named() -> None:
    assert {"automl-tf", "torch", "lightning", "optuna"} <= set(versions())
    assert torch.__version__.startswith(versions()["torch"].partition("+")[0])


def test_the_commit_is_that_of_the_checkout() -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a checkout")
    assert git_commit() == done.stdout.strip()


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *identity, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit_seen_by(package: Path) -> str:
    """The commit that a copy of the module in another place reports."""
    path = f"import sys; sys.path.insert(0, {str(package.parent)!r})"
    program = f"{path}; from automl_tf.versions import git_commit; print(git_commit())"
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    return done.stdout.strip()


def copied(folder: Path) -> Path:
    package = folder / "automl_tf"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(Path(__file__).parents[1] / "automl_tf" / "versions.py", package)
    return package


def test_an_environment_inside_another_repository_has_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "paper.tex").touch()
    git(tmp_path, "add", "paper.tex")
    git(tmp_path, "commit", "-qm", "paper")
    installed = copied(tmp_path / "venv" / "lib" / "site-packages")
    vendored, at_top = copied(tmp_path / "vendored"), copied(tmp_path)
    git(tmp_path, "add", "vendored")
    git(tmp_path, "commit", "-qm", "vendored")
    for package in (installed, vendored, at_top):
        assert commit_seen_by(package) == "None"


def test_a_checkout_has_its_own_commit(tmp_path: Path) -> None:
    package = copied(tmp_path / "with space" / "automl-tf")
    git(package.parent, "init", "-q")
    assert commit_seen_by(package) == "None"
    git(package.parent, "add", ".")
    git(package.parent, "commit", "-qm", "program")
    assert commit_seen_by(package) == git(package.parent, "rev-parse", "HEAD")


def test_the_environment_holds_both() -> None:
    known = environment()
    assert known["versions"] == versions()
    assert known.get("git_commit") == git_commit()
