"""The leaderboard in terminals of any width, and the next commands of a search."""

import re
from pathlib import Path

import pytest

from automl_tf.cli.studies import place_options
from automl_tf.cli.text import format_summary, print_leaderboard
from automl_tf.home import DEFAULT_HOME, STORAGE_VARIABLE
from automl_tf.search.pool import BUDGET_SPENT
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE, StudyView, TrialView
from tests.cli.views import make_view

PARAMS = {
    "model.d_model": 512,
    "model.encoder_layers": 6,
    "model.dropout": 0.123,
    "training.learning_rate": 0.00123,
    "data.vocab_size": 32_000,
}
REASON = "best BLEU 12.31 by step 300 is below 18.35, what the upper 50 % of 3 complete trials had"


def row(number: int, state: str, curve: dict[int, float], reason: str | None = None) -> TrialView:
    return TrialView(
        number=number,
        state=state,
        params=PARAMS,
        values=[max(curve.values()), 1_234_567.0] if state == "complete" else None,
        intermediate=curve,
        reason=reason,
        num_parameters=1_234_567,
        seconds=61.5,
        mlflow_run_id=None,
        best_step=None,
        is_feasible=True,
        max_steps=900,
    )


BOARD = make_view(
    "harbour",
    objectives=["bleu", "num_parameters"],
    trials=[
        row(0, "complete", {300: 20.0, 600: 30.25}),
        row(1, "pruned", {300: 12.31}, REASON),
        row(2, "running", {300: 20.0, 600: 19.5}),
        row(3, "running", {}),
        row(4, "waiting", {300: 3.0}, "paused at step 420"),
    ],
    front=[0],
    tracking_uri="sqlite:///x.db",
)


@pytest.fixture(params=[80, 120, 200])
def shown(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """What a terminal of some width shows of the board."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(request.param))
    print_leaderboard(BOARD)
    text = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(len(line) for line in text.splitlines()) <= request.param
    return " ".join(text.split())


def test_nothing_is_cut_off(shown: str) -> None:
    assert "…" not in shown
    for part in ("*0 complete 30.25 1,234,567", "(12.31)", "0.00123", "32000"):
        assert part in shown
    for word in REASON.split():
        assert word in shown


def test_running_trials_stand_with_their_latest_validation(shown: str) -> None:
    assert "trial 2: BLEU 19.50 at step 600 of 900" in shown
    assert "trial 3: not validated yet" in shown
    assert "trial 4: paused at step 420" in shown


def test_the_front_is_named_and_what_is_missing_too(shown: str) -> None:
    assert "Pareto front: trials 0" in shown
    assert f"importances are shown from {LEAST_FOR_IMPORTANCE} complete trials on" in shown


URL = "postgresql://ann:s3cret@db/studies"


def board() -> StudyView:
    row = TrialView(
        number=0,
        state="complete",
        params={"model.d_model": 64},
        values=[31.4],
        intermediate={100: 31.4},
        reason=None,
        num_parameters=10,
        seconds=1.0,
        mlflow_run_id=None,
        best_step=100,
        is_feasible=True,
    )
    return make_view("toy", [row], [0])


def next_commands(home: Path, storage: str | None, tracking: str | None) -> list[str]:
    lines = format_summary(board(), place_options(home, storage, tracking), BUDGET_SPENT)
    return [line.strip() for line in lines[lines.index("next:") + 1 :]]


def test_the_next_commands_name_the_places_that_were_given() -> None:
    ui, export, train = next_commands(Path("my home"), "sqlite:///s.db", "http://mlflow:5000")
    assert ui == "automl-tf ui --home 'my home' --tracking http://mlflow:5000"
    assert export == "automl-tf export toy -o best.yaml --home 'my home' --storage sqlite:///s.db"
    assert train == "automl-tf train best.yaml --home 'my home' --tracking http://mlflow:5000"


def test_the_next_commands_name_nothing_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, URL)
    for command in next_commands(DEFAULT_HOME, URL, None):
        assert "--" not in command


def test_no_password_is_shown() -> None:
    shown = " ".join(next_commands(DEFAULT_HOME, URL, "http://ann:s3cret@mlflow"))
    assert "s3cret" not in shown
    assert "@db/studies" in shown
