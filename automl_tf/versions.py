"""The versions of the program and of its libraries, as results record them."""

import functools
import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("automl-tf", "torch", "lightning", "optuna", "tokenizers", "sacrebleu", "datasets")


def versions() -> dict[str, str]:
    """Returns the versions of the program and of the libraries that results depend on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def environment() -> dict[str, Any]:
    """Returns what a result records of the program: ``versions``, and ``git_commit`` if known."""
    commit = git_commit()
    return {"versions": versions()} | ({} if commit is None else {"git_commit": commit})


@functools.cache
def git_commit() -> str | None:
    """Returns the commit of the checkout that the program runs from; None if it is installed.

    An environment within the checkout of another project is no checkout of this program.
    """
    package = Path(__file__).resolve().parent
    found = _git(package, "rev-parse", "--show-toplevel", "HEAD")
    if found is None:
        return None
    top, commit = found.splitlines()
    if Path(top).resolve() != package.parent:
        return None
    return commit if _git(package, "ls-files", "--error-unmatch", Path(__file__).name) else None


def _git(folder: Path, *words: str) -> str | None:
    """Returns the output of a git command in a folder; None if it fails or git is absent."""
    try:
        done = subprocess.run(  # noqa: S603 - the words are our own
            ["git", *words],  # noqa: S607 - git is found where the person has it
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
