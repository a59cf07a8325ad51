"""Commands that read a study, on the study of its confirmations."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from automl_tf.cli.main import app
from automl_tf.config.files import read_export
from automl_tf.search.context import WorkerContext
from tests.search.confirmations import run_round, search, study
from tests.search.making import bench


@pytest.fixture(scope="module")
def confirmed(tmp_path_factory: pytest.TempPathFactory) -> WorkerContext:
    """A study of the longest name whose best two trials were confirmed."""
    made = bench(tmp_path_factory.mktemp("home"), study(name="m" * 100))
    search(made)
    run_round(made, {1: 0.8, 3: 0.7})
    return made


def run(made: WorkerContext, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--home", str(made.home)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_confirmations_are_shown_by_their_name(confirmed: WorkerContext) -> None:
    name = f"{confirmed.study.study_name}.confirm"
    shown = json.loads(run(confirmed, "show", name, "--json"))
    assert shown["study"] == name
    assert len(shown["trials"]) == 4
    assert name in run(confirmed, "show", name)
    assert name not in run(confirmed, "studies")


def test_a_report_has_the_confirmations_trials(confirmed: WorkerContext, tmp_path: Path) -> None:
    name = f"{confirmed.study.study_name}.confirm"
    run(confirmed, "report", name, "-o", str(tmp_path / "page.html"))
    assert name in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_an_exported_confirmation_is_read_back(confirmed: WorkerContext, tmp_path: Path) -> None:
    name = f"{confirmed.study.study_name}.confirm"
    path = tmp_path / "best.yaml"
    run(confirmed, "export", name, "--trial", "2", "-o", str(path))
    assert read_export(path).provenance["study"] == name
    assert read_export(path).provenance["trial"] == 2
