"""The whole tour as a person types it: search, browse, export, train, evaluate, translate."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from optuna.trial import TrialState
from ruamel.yaml import YAML

from automl_tf.home import HomeDirectory
from automl_tf.search.opening import load_study
from automl_tf.search.samplers.history import corpus_info_of
from automl_tf.search.samplers.priors import CorpusInfo
from automl_tf.search.schema import best_sentences, sentences_at
from automl_tf.search.storage import default_url, open_storage
from tests.cli.agreement import assert_mlflow_agrees
from tests.cli.studies import SPACE, run, write_study


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, reversal: dict) -> dict[str, Any]:
    """A finished study with pruned trials, by two workers."""
    folder = tmp_path_factory.mktemp("tour")
    pruner = {"kind": "threshold", "lower": 1.6, "warmup_steps": 60}
    study = write_study(folder, reversal, pruner=pruner, budget={"trials": 4})
    output = run("search", str(study), "--workers", "2", home=folder / "home")
    return {"folder": folder, "home": folder / "home", "study": study, "output": output}


@pytest.mark.slow
def test_search_tells_what_happens(tour: dict[str, Any]) -> None:
    output = tour["output"]
    for number in range(4):
        assert f"trial {number} starts" in output
    assert "next:" in output
    assert "automl-tf export tour -o best.yaml" in output


@pytest.mark.slow
def test_show_and_mlflow_agree(tour: dict[str, Any]) -> None:
    board = json.loads(run("show", "tour", "--json", home=tour["home"]))
    client = mlflow.MlflowClient(HomeDirectory(tour["home"]).tracking_uri)
    assert sum(board["counts"].values()) == 4
    assert_mlflow_agrees(board, client)


@pytest.mark.slow
def test_another_server_is_brought_up_to_date(tour: dict[str, Any]) -> None:
    uri = f"sqlite:///{tour['folder'] / 'other.db'}"
    for _ in range(2):
        assert "5 runs" in run("sync", "tour", "--tracking", uri, home=tour["home"])
    mine, other = (
        mlflow.MlflowClient(place) for place in (HomeDirectory(tour["home"]).tracking_uri, uri)
    )
    curves = []
    for client in (mine, other):
        experiment = client.get_experiment_by_name("tour")
        runs = client.search_runs([experiment.experiment_id])
        assert len(runs) == 5
        curves.append(
            {
                told.data.tags.get("automl_tf.trial"): (
                    told.info.status,
                    [
                        (point.step, point.value)
                        for point in client.get_metric_history(told.info.run_id, "val_bleu")
                    ],
                )
                for told in runs
            }
        )
    assert curves[0] == curves[1]


@pytest.mark.slow
def test_second_call_goes_on(tour: dict[str, Any]) -> None:
    again = run("search", str(tour["study"]), home=tour["home"])
    assert "starts" not in again
    more = run("search", str(tour["study"]), "--trials", "5", "--workers", "1", home=tour["home"])
    assert "trial 4 starts" in more
    assert "trial 5 starts" not in more


@pytest.mark.slow
def test_another_space_is_refused(tour: dict[str, Any], tmp_path: Path, reversal: dict) -> None:
    study = write_study(tmp_path, reversal)
    YAML().dump({**SPACE, "model.d_model": {"choices": [16, 64]}}, tmp_path / "space.yaml")
    error = run("search", str(study), home=tour["home"], code=2)
    assert "space.model.d_model" in error


@pytest.mark.slow
def test_export_train_evaluate_translate(tour: dict[str, Any], reversal: dict) -> None:
    home, folder = tour["home"], tour["folder"]
    board = json.loads(run("show", "tour", "--json", home=home))
    best = board["trials"][board["best"][0]]
    run("export", "tour", "-o", str(folder / "best.yaml"), home=home)
    bundle = folder / "bundle"
    words = ("train", str(folder / "best.yaml"), "-o", str(bundle), "--json")
    trained = json.loads(run(*words, home=home))
    # The export repeats the trial: same seed, same data, same course.
    assert trained["validation"]["bleu"] == pytest.approx(best["values"][0])
    assert trained["test"]["bleu_signature"].startswith("nrefs:1|bs:1000|")
    assert trained["model_version"] == "tour version 1"
    files = ("--source", reversal["test"]["source"], "--target", reversal["test"]["target"])
    outputs = folder / "hypotheses.txt"
    given = json.loads(
        run("evaluate", str(bundle), *files, "--json", "-o", str(outputs), home=home)
    )
    own = json.loads(run("evaluate", str(bundle), "--json", home=home))
    assert given["bleu"] == own["bleu"] == trained["test"]["bleu"]
    command = [sys.executable, "-m", "sacrebleu", reversal["test"]["target"], "-i", str(outputs)]
    score = subprocess.run([*command, "-b", "-w", "6"], capture_output=True, text=True, check=True)
    assert float(score.stdout) == pytest.approx(given["bleu"], abs=1e-5)
    text = Path(reversal["test"]["source"]).read_text(encoding="utf-8")
    assert run("translate", str(bundle), home=home, text=text) == outputs.read_text("utf-8")
    assert run("translate", str(bundle), reversal["test"]["source"], home=home) == (
        outputs.read_text("utf-8")
    )
    assert run("translate", str(bundle), home=home, text="\n\n") == "\n\n"


@pytest.mark.slow
def test_report_and_listing(tour: dict[str, Any]) -> None:
    page = tour["folder"] / "report.html"
    run("report", "tour", "-o", str(page), home=tour["home"])
    assert "tour" in page.read_text("utf-8")
    assert "tour" in run("studies", home=tour["home"])
    assert "learning_rate" in run("show", "tour", home=tour["home"])


@pytest.mark.slow
def test_a_study_keeps_what_samplers_ask_of_its_corpus(tour: dict[str, Any]) -> None:
    study = load_study(open_storage(default_url(tour["home"]), tour["home"]), "tour")
    assert corpus_info_of(study) == CorpusInfo(1000, ("de", "en"))


@pytest.mark.slow
def test_the_sentences_of_whole_trials_are_kept(tour: dict[str, Any]) -> None:
    home = tour["home"]
    study = load_study(open_storage(default_url(home), home), "tour")
    for trial in study.get_trials():
        kept = best_sentences(trial)
        if trial.state == TrialState.COMPLETE:
            assert kept is not None
            assert kept.bleu == pytest.approx(trial.value)
            for step, bleu in trial.intermediate_values.items():
                at_step = sentences_at(trial, step)
                assert at_step is not None
                assert at_step.bleu == pytest.approx(bleu)
        else:
            assert kept is None
            assert all(sentences_at(trial, step) is None for step in trial.intermediate_values)
