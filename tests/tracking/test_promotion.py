"""The aliases of registered models on a real store."""

import mlflow
import pytest

from automl_tf.tracking.client import RunKey, TrackingTarget, connect
from automl_tf.tracking.outbox import RunState
from automl_tf.tracking.promotion import CHALLENGER, CHAMPION, TEST_HYPOTHESES, promote
from automl_tf.tracking.runs import RootRun

NAME = "toy"


def trained(where: TrackingTarget, label: str, lines: list[str]) -> tuple[RootRun, int]:
    """A finished training with its translations, registered as a version without a model."""
    run = RootRun(where, RunKey("training", label))
    run.start(label, {}, {})
    run.log_text("\n".join([*lines, ""]), TEST_HYPOTHESES)
    run.finish(RunState.COMPLETE)
    run.close(60)
    client = connect(where.tracking_uri)
    if not client.search_registered_models():
        client.create_registered_model(NAME)
    assert run.run_id is not None
    made = client.create_model_version(NAME, f"runs:/{run.run_id}/model", run.run_id)
    return run, int(made.version)


def aliases(where: TrackingTarget) -> dict[str, str]:
    found = connect(where.tracking_uri).get_registered_model(NAME).aliases
    return {name: str(version) for name, version in found.items()}


def test_the_champion_changes_only_for_a_better_model_on_the_same_split(
    local: TrackingTarget,
) -> None:
    compared: list[list[str]] = []

    def is_better(theirs: list[str]) -> bool:
        compared.append(theirs)
        return theirs == ["a", "b"]

    turns = [
        (["a", "b"], "split", "1"),  # the first
        (["c", "d"], "split", "2"),  # better
        (["e", "f"], "split", "2"),  # no better
        (["g", "h"], "other", "2"),  # not comparable
    ]
    for number, (lines, split, champion) in enumerate(turns, 1):
        run, version = trained(local, f"run-{number}", lines)
        promoted = promote(run, NAME, version, split, {"test_bleu": 10.0 + number}, is_better)
        assert aliases(local) == {CHALLENGER: str(number), CHAMPION: champion}
        assert promoted == (champion == str(number))
    assert compared == [["a", "b"], ["c", "d"]]


def test_what_mlflow_refuses_is_said_and_harms_nothing(
    local: TrackingTarget, caplog: pytest.LogCaptureFixture
) -> None:
    run, version = trained(local, "run", ["a"])
    assert not promote(run, "nothing", version, "split", {}, lambda _: True)
    assert "The model has no alias" in caplog.text
    client = mlflow.MlflowClient(local.tracking_uri)
    assert client.get_run(run.run_id).info.status == "FINISHED"
