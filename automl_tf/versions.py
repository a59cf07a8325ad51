"""Which program and which libraries made a result."""

import functools
import importlib.metadata
import subprocess
from pathlib import Path

PACKAGES = ("automl-tf", "torch", "lightning", "optuna", "tokenizers", "sacrebleu", "datasets")


def versions() -> dict[str, str]:
    """The versions of the program and of the libraries that results depend on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@functools.cache
def git_commit() -> str | None:
    """The commit of the program, if it runs from a checkout."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - git is found where the person has it
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
