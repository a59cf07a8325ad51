from pathlib import Path

import pytest

from automl_tf.cli.options import DEFAULT_HOME, STORAGE_VARIABLE
from automl_tf.cli.searching import _given
from automl_tf.cli.summary import summary
from automl_tf.search.study_view import StudyView, TrialRow

URL = "postgresql://ann:s3cret@db/studies"


def board() -> StudyView:
    row = TrialRow(
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
        was_trained=True,
    )
    return StudyView("toy", [("bleu", "maximize")], [row], [0], {}, {})


def next_commands(home: Path, storage: str | None, tracking: str | None) -> list[str]:
    lines = summary(board(), _given(home, storage, tracking), interrupted=False)
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
