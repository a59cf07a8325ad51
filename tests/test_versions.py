"""What results name as their origin."""

import subprocess
from pathlib import Path

import pytest
import torch

from automl_tf.versions import git_commit, versions


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
