"""The leaderboard in terminals of any width."""

import re

import pytest

from automl_tf.cli.tables import print_leaderboard
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE, StudyView, TrialRow

PARAMS = {
    "model.d_model": 512,
    "model.encoder_layers": 6,
    "model.dropout": 0.123,
    "training.learning_rate": 0.00123,
    "data.vocab_size": 32_000,
}
REASON = "best BLEU 12.31 by step 300 is below 18.35, what the upper 50 % of 3 complete trials had"


def row(number: int, state: str, curve: dict[int, float], reason: str | None = None) -> TrialRow:
    return TrialRow(
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
        was_trained=True,
        max_steps=900,
    )


BOARD = StudyView(
    study="harbour",
    objectives=[("bleu", "maximize"), ("num_parameters", "minimize")],
    trials=[
        row(0, "complete", {300: 20.0, 600: 30.25}),
        row(1, "pruned", {300: 12.31}, REASON),
        row(2, "running", {300: 20.0, 600: 19.5}),
        row(3, "running", {}),
        row(4, "waiting", {300: 3.0}, "paused at step 420"),
    ],
    best=[0],
    importances={},
    mlflow={"tracking_uri": "sqlite:///x.db"},
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
    assert "trial 2: runs: BLEU 19.50 at step 600 of 900" in shown
    assert "trial 3: runs, not validated yet" in shown
    assert "trial 4: paused at step 420" in shown


def test_the_front_is_named_and_what_is_missing_too(shown: str) -> None:
    assert "Pareto front: trials 0" in shown
    assert f"importances are shown from {LEAST_FOR_IMPORTANCE} complete trials on" in shown
