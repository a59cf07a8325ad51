"""The interpreter of a command: nothing of the current folder, UTF-8 in every locale."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl_tf import interpreter

SHADOWING = ("tokenize", "typing_extensions", "typer", "rich", "datasets", "sitecustomize")
"""Modules that a person's own script may share its name with."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is on the path of Python for no good reason."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("entries", ["", ":", ".", "./", "../{name}", "{path}", "{path}/", "a:.:b"])
def test_no_entry_of_the_path_is_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, entries: str
) -> None:
    named = entries.format(name=folder.name, path=folder)
    monkeypatch.setenv("PYTHONPATH", f"/elsewhere:{named}")
    # What Python makes of it when it starts.
    absolute = [str(Path(entry).resolve()) for entry in named.split(":")]
    monkeypatch.setattr(sys, "path", ["/elsewhere", *absolute, "/usr/lib/python"])
    interpreter.leave_out_current_folder()
    assert str(folder) not in sys.path
    assert {"/elsewhere", "/usr/lib/python"} <= set(sys.path)
    kept = os.environ["PYTHONPATH"].split(":")
    assert kept[0] == "/elsewhere"
    assert all(Path(entry).is_absolute() and Path(entry) != folder for entry in kept)
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_the_folder_that_the_package_is_imported_from_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", ".")
    monkeypatch.setattr(interpreter, "PACKAGE_ROOT", str(folder))
    monkeypatch.setattr(sys, "path", [str(folder)])
    interpreter.leave_out_current_folder()
    assert sys.path == [str(folder)]
    assert os.environ["PYTHONPATH"] == str(folder)


def test_a_folder_that_was_deleted_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", ":/elsewhere")
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    folder.rmdir()
    interpreter.leave_out_current_folder()
    assert os.environ["PYTHONPATH"] == "/elsewhere"


def test_scripts_beside_the_corpus_are_left_alone_in_every_locale(tmp_path: Path) -> None:
    for name in SHADOWING[:-1]:
        (tmp_path / f"{name}.py").write_text(f"open('ran-{name}', 'w')\n")
    root = str(Path(interpreter.__file__).parents[1])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": f"{root}::{tmp_path}",
        "AUTOML_TF_HOME": "Läufe",
    }
    words = [sys.executable, "-c", "from automl_tf.__main__ import main; main()", "show", "tour"]
    words += ["--storage", "sqlite:///täglich.db"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert "There is no study tour" in done.stderr.decode()
    assert not list(tmp_path.glob("ran-*"))
    assert (tmp_path / "Läufe").is_dir()
    assert (tmp_path / "täglich.db").exists()
