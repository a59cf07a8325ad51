"""JSON of the commands for programs that read strictly."""

import ast
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

import automl_tf.cli
from automl_tf.cli.display import JsonDisplay
from automl_tf.cli.models import _evaluation_json, _trained_json
from automl_tf.formatting import format_json
from automl_tf.scoring.scores import Evaluation, Scores
from automl_tf.search.events import (
    Event,
    LogMessage,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
    decode,
    encode,
)
from automl_tf.search.pool import OutcomeKind, SearchOutcome
from automl_tf.search.study_view import TrialView
from automl_tf.training.events import Outcome
from tests.cli.views import make_view

NOT_FINITE = [math.nan, math.inf, -math.inf]


def strict(text: str) -> dict:
    """What a reader of JSON alone makes of it."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def events(number: float) -> list[Event]:
    return [
        TrialStarted(0, {"training.learning_rate": number}, 10, 100, resumed=False),
        TrialProgress(0, 10, number, number),
        TrialValidated(0, 10, number, number, 40),
        TrialEnded(0, "failed", number, "diverged", number),
        StudyProgress({"failed": 1}, 1, [], [], 0, number, 40),
        LogMessage("text"),
    ]


@pytest.mark.parametrize("number", NOT_FINITE)
def test_events_of_a_diverging_training_are_json(
    number: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for event in events(number):
        received = decode(encode(event))
        assert received is not None
        JsonDisplay().show(0, received)
        assert strict(capsys.readouterr().out)["event"] == type(event).__name__


@pytest.mark.parametrize("number", NOT_FINITE)
def test_the_end_of_a_search_is_json(number: float, capsys: pytest.CaptureFixture[str]) -> None:
    row = TrialView(
        number=0,
        state="complete",
        params={"training.learning_rate": number},
        values=[number],
        intermediate={10: number},
        reason=None,
        num_parameters=10,
        seconds=1.0,
        mlflow_run_id=None,
        best_step=10,
        is_feasible=True,
    )
    view = make_view("toy", [row], [0], importances={"model.d_model": number})
    JsonDisplay().end(view, {}, SearchOutcome(OutcomeKind.INTERRUPTED))
    told = strict(capsys.readouterr().out)
    assert told["trials"][0]["values"] == [None]
    assert told["interrupted"] is True


@pytest.mark.parametrize("number", NOT_FINITE)
def test_scores_are_json(number: float) -> None:
    evaluation = Evaluation(Scores(number, number), number, number, "b", "c", 3)
    assert strict(format_json(_evaluation_json(evaluation)))["bleu"] is None
    fitted = SimpleNamespace(
        outcome=Outcome.DIVERGED, step=3, seconds=number, best=Scores(number, 1.0)
    )
    trained = SimpleNamespace(
        fitted=fitted, test=evaluation, bundle=None, is_repeat=False, model_version=None
    )
    assert strict(format_json(_trained_json(trained)))["validation"]["bleu"] is None


def test_the_commands_have_one_encoder() -> None:
    folder = Path(automl_tf.cli.__path__[0])
    for path in folder.glob("*.py"):
        calls = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not calls & {"json.dumps", "json.dump"}, path
