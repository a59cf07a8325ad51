"""Who wins by fresh seeds, and everybody who names the winner."""

import json
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from automl_tf.cli.text import format_summary, print_leaderboard
from automl_tf.config.files import read_export
from automl_tf.search.confirmation import COLUMNS, confirmation_rows, confirmation_words
from automl_tf.search.context import WorkerContext
from automl_tf.search.export import export, select_trial
from automl_tf.search.pool import BUDGET_SPENT
from automl_tf.search.report.material import Material
from automl_tf.search.report.page import render
from automl_tf.search.report.summary import verdict
from automl_tf.search.schema import CONFIRMS
from automl_tf.search.study_view import StudyView
from tests.search.confirmations import end, repeated, result, run_round, search, study
from tests.search.making import bench, claim

FIRST, SECOND = 1, 3
"""The trials that the search ranks first and second."""


@pytest.fixture
def made(tmp_path: Path) -> WorkerContext:
    """A study whose search is over."""
    found = bench(tmp_path, study())
    search(found)
    return found


@pytest.fixture
def turned(made: WorkerContext) -> WorkerContext:
    """One whose fresh seeds turn the two best round."""
    run_round(made, {FIRST: 0.6, SECOND: 0.7})
    return made


def test_the_winner_has_the_best_mean_over_fresh_seeds(turned: WorkerContext) -> None:
    trials, again = turned.study.trials, repeated(turned)
    found = result(turned)
    assert [one.number for one in found.configurations] == [SECOND, FIRST]
    for one in found.configurations:
        fresh = [again[number].value for number in one.trials]
        assert one.bleus == fresh
        assert one.mean.bleu == pytest.approx(np.mean(fresh))
        assert one.deviation == pytest.approx(np.std(fresh, ddof=1))
        assert one.first == trials[one.number].value
        assert one.selection_bias == pytest.approx(one.first - np.mean(fresh))
    assert found.winner is found.configurations[0]
    assert found.winner.gap_to_winner is None
    means = [one.mean.bleu for one in found.configurations]
    assert found.runner_up.gap_to_winner.bleu == pytest.approx(means[0] - means[1])
    low, high = found.runner_up.gap_to_winner.interval
    assert low < means[0] - means[1] < high


def test_everybody_names_the_winner(turned: WorkerContext, tmp_path: Path) -> None:
    board = StudyView.read(turned.study)
    winner = board.confirmation.winner
    assert board.best == [SECOND]
    assert select_trial(turned.study).number == SECOND
    assert select_trial(turned.study, "best:bleu").number == SECOND
    assert select_trial(turned.study, number=FIRST).number == FIRST
    material = Material.read(turned.study)
    assert material.winner.number == SECOND
    told = " ".join(verdict(material))
    page = render(material, tmp_path)
    lines = format_summary(board, {}, BUDGET_SPENT)
    mean = f"{winner.mean.bleu:.2f}"
    for text in (told, page, "\n".join(lines)):
        assert f"Confirmed: trial {SECOND} has validation BLEU {mean}" in text
    assert "The best again, with fresh seeds" in page
    assert "the best of many trials is overestimated" not in told
    assert "is behind" not in told
    assert any(line.startswith(f"best: trial {SECOND},") for line in lines)


def test_the_json_holds_the_round(turned: WorkerContext) -> None:
    board = json.loads(json.dumps(StudyView.read(turned.study).to_json()))
    told = board["confirmation"]
    assert (told["winner"], told["left"], told["top"], told["seeds"]) == (SECOND, 0, 2, 2)
    winner, other = told["configurations"]
    assert winner["behind"] is None
    assert other["behind_interval"][0] < other["behind"] < other["behind_interval"][1]
    assert winner["mean"] == pytest.approx(np.mean(winner["bleus"]))
    assert winner["first_above_mean"] == pytest.approx(winner["first_bleu"] - winner["mean"])
    for number in winner["confirmed_by"]:
        assert repeated(turned)[number].user_attrs[CONFIRMS] == SECOND
    assert len(board["trials"]) == 4


def test_the_export_says_what_was_confirmed(turned: WorkerContext, tmp_path: Path) -> None:
    text = export(turned.study)
    winner = StudyView.read(turned.study).confirmation.winner
    assert f"Confirmed BLEU {winner.mean.bleu:.2f}: mean of 2 other seeds" in text
    (tmp_path / "best.yaml").write_text(text)
    read = read_export(tmp_path / "best.yaml", [])
    assert read.provenance["trial"] == SECOND
    assert read.provenance["confirmed"]["trials"] == list(winner.trials)
    assert read.seed == turned.trial_config(SECOND, {}).seed
    # What nobody has confirmed says nothing of it.
    assert "Confirmed" not in export(turned.study, number=0)


def test_the_terminal_has_a_row_a_configuration(
    turned: WorkerContext, capsys: pytest.CaptureFixture[str]
) -> None:
    board = StudyView.read(turned.study)
    rows = confirmation_rows(board.confirmation)
    assert [row[0] for row in rows] == [str(SECOND), str(FIRST)]
    assert all(len(row) == len(COLUMNS) for row in rows)
    print_leaderboard(board)
    printed = capsys.readouterr().out
    assert "first above fresh" in printed
    for cell in rows[0][:4]:
        assert cell in printed


def test_a_round_under_way_has_no_winner_yet(made: WorkerContext) -> None:
    assert StudyView.read(made.study).confirmation is None
    end(made, claim(made), 0.8)
    found = StudyView.read(made.study)
    assert found.confirmation.winner is None
    assert found.confirmation.left == 3
    assert confirmation_words(found.confirmation) == [
        "The best are being confirmed with fresh seeds: 3 trainings left."
    ]
    assert found.best == [FIRST]
    assert select_trial(made.study).number == FIRST
    assert "95 %" not in export(made.study)


def test_a_seed_that_failed_counts_against_its_configuration(made: WorkerContext) -> None:
    failed = claim(made)
    failed.study.tell(failed, state=TrialState.FAIL)
    run_round(made, {FIRST: 0.9, SECOND: 0.6})
    found = StudyView.read(made.study).confirmation
    assert found.winner.number == SECOND
    other = found.configurations[1]
    assert (other.number, other.failed) == (FIRST, 1)
    assert other.mean.bleu > found.winner.mean.bleu
    assert "below the next best" in " ".join(confirmation_words(found))
    assert "(1 failed)" in confirmation_rows(found)[1][2]


def test_a_round_in_which_all_failed_confirms_nothing(made: WorkerContext) -> None:
    while (trial := claim(made)) is not None:
        trial.study.tell(trial, state=TrialState.FAIL)
    found = StudyView.read(made.study)
    assert found.confirmation.winner is None
    assert confirmation_words(found.confirmation) == [
        "No training with a fresh seed came to its end: nothing is confirmed."
    ]
    assert found.best == [FIRST]


def test_a_difference_that_may_be_none_says_so(made: WorkerContext) -> None:
    run_round(made, {FIRST: 0.7, SECOND: 0.7})
    found = StudyView.read(made.study).confirmation
    low, high = found.runner_up.gap_to_winner.interval
    assert low < 0 < high
    assert "could turn the two round" in " ".join(confirmation_words(found))


def test_a_clear_difference_does_not(made: WorkerContext) -> None:
    run_round(made, {FIRST: 0.95, SECOND: 0.5})
    found = StudyView.read(made.study).confirmation
    assert found.runner_up.gap_to_winner.interval[0] > 0
    words = " ".join(confirmation_words(found))
    assert "turn the two round" not in words
    assert f"Confirmed: trial {FIRST}" in words
