"""What MLflow has to know of a study: all that ``show --json`` says, trial by trial."""

import json
from typing import Any

import mlflow

from automl_tf.versions import versions

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
BY_STEP = ("train_loss", "learning_rate", "grad_norm", "tokens_per_second")
BY_VALIDATION = (
    "val_loss",
    "val_perplexity",
    "val_bleu",
    "val_sentences",
    "val_chrf",
    "best_bleu",
    "peak_memory_mb",
    "system/cpu_utilization_percentage",
    "system/system_memory_usage_megabytes",
)


def assert_mlflow_agrees(
    board: dict[str, Any], client: mlflow.MlflowClient, condition: str = ""
) -> None:
    """Compares MLflow's runs of a finished study with what ``show --json`` printed."""
    experiment = client.get_experiment_by_name(board["study"])
    runs = client.search_runs([experiment.experiment_id], condition)
    by_trial = {told.data.tags.get("automl_tf.trial"): told for told in runs}
    assert len(runs) == len(by_trial) == 1 + len(board["trials"])
    _assert_parent_agrees(board, client, by_trial[None])
    for trial in board["trials"]:
        told = by_trial[str(trial["number"])]
        assert told.data.tags["mlflow.parentRunId"] == by_trial[None].info.run_id
        _assert_trial_agrees(trial, client, told)
        kept = {file.path for file in client.list_artifacts(told.info.run_id)}
        if trial["intermediate"]:
            assert {"config.yaml", "samples.json", "attention.svg"} <= kept
            _assert_curves_agree(trial, client, told)


def _assert_parent_agrees(
    board: dict[str, Any], client: mlflow.MlflowClient, told: mlflow.entities.Run
) -> None:
    assert told.info.status == "FINISHED"
    assert told.info.run_name == board["study"]
    note = told.data.tags["mlflow.note.content"]
    assert f"automl-tf export {board['study']}" in note
    for state, count in board["counts"].items():
        assert told.data.metrics[f"trials_{state}"] == count
    kept = {file.path for file in client.list_artifacts(told.info.run_id)}
    assert {"leaderboard.md", "leaderboard.json", "report.html"} <= kept
    assert ("best.yaml" in kept) == bool(board["best"])


def _assert_trial_agrees(
    trial: dict[str, Any], client: mlflow.MlflowClient, told: mlflow.entities.Run
) -> None:
    tags = told.data.tags
    assert told.info.status == STATUS[trial["state"]]
    assert told.info.end_time >= told.info.start_time
    assert tags["automl_tf.state"] == trial["state"]
    assert tags["automl_tf.reason"] == (trial["reason"] or "")
    assert tags["seed"] == told.data.params["seed"]
    assert tags["version.torch"] == versions()["torch"]
    for name, value in trial["params"].items():
        assert told.data.params[name] == str(value)
    if trial["state"] != "complete":
        assert trial["reason"] in tags["mlflow.note.content"]
    if trial["num_parameters"] is not None:
        assert told.data.metrics["num_parameters"] == trial["num_parameters"]
    assert told.info.run_name.startswith(f"trial {trial['number']} · d")
    if trial["intermediate"]:
        best = _best(trial)
        assert told.info.run_name.endswith(f" · {best:.1f}")
        (corpus,) = told.inputs.dataset_inputs
        assert tags["corpus"].startswith(corpus.dataset.digest)
        assert json.loads(corpus.dataset.profile)["train"] > 0


def _best(trial: dict[str, Any]) -> float:
    """The best BLEU of the validations over the most sentences."""
    most = max(trial["sentences"].values())
    return max(
        bleu for step, bleu in trial["intermediate"].items() if trial["sentences"][step] == most
    )


def _assert_curves_agree(
    trial: dict[str, Any], client: mlflow.MlflowClient, told: mlflow.entities.Run
) -> None:
    steps = sorted(int(step) for step in trial["intermediate"])
    curves = {
        name: client.get_metric_history(told.info.run_id, name)
        for name in (*BY_STEP, *BY_VALIDATION)
    }
    bleu = {str(point.step): point.value for point in curves["val_bleu"]}
    assert bleu == trial["intermediate"]
    sizes = {str(point.step): point.value for point in curves["val_sentences"]}
    assert sizes == trial["sentences"]
    for name in BY_VALIDATION:
        assert sorted(point.step for point in curves[name]) == steps, name
    for name in BY_STEP:
        between = [point.step for point in curves[name]]
        assert sorted(set(between)) == sorted(between), name
        assert max(between) == steps[-1]
        assert len(between) > len(steps)
    if trial["state"] == "complete":
        assert trial["values"] == [_best(trial)]
