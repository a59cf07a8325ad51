"""What hangs on a study's run in MLflow."""

import json
import time
from pathlib import Path

import optuna
import pytest

from automl_tf.search.export import export
from automl_tf.search.opening import open_study
from automl_tf.search.schema import REASON, VALIDATIONS, StudyRecord
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.strategy import distribution
from automl_tf.search.study_view import leaderboard
from automl_tf.search.summary_files import SummaryFiles
from tests.search.making import definition, new_home

LONG = 60.0
"""Seconds; nothing waits that long unless something is wrong."""


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    made: StudyRecord = definition(start_with_base=False)
    return open_study(open_storage(default_url(tmp_path), new_home(tmp_path)), made)


def add_trial(study: optuna.Study, bleu: float) -> None:
    domains = definition().space.domains
    trial = study.ask({name: distribution(domain) for name, domain in domains.items()})
    trial.set_user_attr(VALIDATIONS, {"100": {"bleu": bleu, "chrf": bleu, "loss": 1.0}})
    trial.set_user_attr(REASON, None)
    study.tell(trial, bleu)


def test_at_the_end_the_files_are_those_of_the_commands(
    study: optuna.Study, tmp_path: Path
) -> None:
    kept: list[Path] = []
    files = SummaryFiles(study, tmp_path, kept.append)
    for bleu in (3.0, 9.0, 5.0):
        add_trial(study, bleu)
    files.close()
    by_name = {path.name: path.read_text(encoding="utf-8") for path in kept}
    assert set(by_name) == {"leaderboard.md", "leaderboard.json", "best.yaml", "report.html"}
    assert json.loads(by_name["leaderboard.json"]) == leaderboard(study).to_json()
    assert by_name["best.yaml"] == export(study)
    order = [line.split("|")[1].strip() for line in by_name["leaderboard.md"].splitlines()[4:]]
    assert order == ["1", "2", "0"]
    assert "made" in by_name["report.html"]


def test_without_a_complete_trial_there_is_no_best(study: optuna.Study, tmp_path: Path) -> None:
    kept: list[Path] = []
    SummaryFiles(study, tmp_path, kept.append).close()
    assert {path.name for path in kept} == {"leaderboard.md", "leaderboard.json", "report.html"}


def test_they_are_made_while_trials_end_but_not_for_each(
    study: optuna.Study, tmp_path: Path
) -> None:
    kept: list[Path] = []
    files = SummaryFiles(study, tmp_path, kept.append)
    for bleu in range(5):
        add_trial(study, float(bleu))
        files.refresh()
    until = time.monotonic() + LONG
    while not any(path.name == "report.html" for path in kept) and time.monotonic() < until:
        time.sleep(0.05)
    assert sum(path.name == "report.html" for path in kept) == 1
    add_trial(study, 50.0)
    files.close()
    assert leaderboard(study).best == [5]
    assert "| 5 | complete | 50.00 |" in kept[-4].read_text(encoding="utf-8")


def test_a_page_that_cannot_be_made_ends_no_search(
    study: optuna.Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / study.study_name).write_text("in the way")
    kept: list[Path] = []
    SummaryFiles(study, tmp_path, kept.append).close()
    assert not kept
    assert any("not refreshed" in message for message in caplog.messages)
