"""An export is its trial's configuration, with its story and without secrets."""

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from ruamel.yaml import YAML

from automl_tf.config.files import read_export
from automl_tf.config.settings import TrialConfig
from automl_tf.search.export import export
from automl_tf.search.schema import BEST_STEP, NUM_PARAMETERS, RUN_ID, SEED, TRACKING, StudyRecord
from automl_tf.search.strategy import trial_seed
from automl_tf.search.study_logger import StudyLogger
from automl_tf.search.study_view import leaderboard
from automl_tf.search.worker import claim
from automl_tf.tracking.home import destination
from automl_tf.tracking.study import StudyRun
from automl_tf.versions import versions
from tests.search.making import bench, definition, finish

CHANGES: dict = {
    "fixed": {"training.max_steps": 800, "training.validate_every": 400, "model.d_ff": 96},
    "sampler": {"kind": "random"},
    "seed": 7,
}

MADE = definition(**CHANGES)


def searched(home: Path, made: StudyRecord, trials: int = 3, change: int = 0) -> optuna.Study:
    """A study with some complete trials, each better than the last, and a pruned one."""
    worker = bench(home, made)
    for number in range(trials):
        trial = claim(worker)
        trial.set_user_attr(SEED, trial_seed(made.config.seed, trial.number) + change)
        trial.set_user_attr(NUM_PARAMETERS, 1000 + number)
        trial.set_user_attr(BEST_STEP, 800)
        trial.set_user_attr(RUN_ID, f"run-{number}")
        finish(worker, trial, bleu=20.0 + number, steps=(400, 800))
    trial = claim(worker)
    worker.study.tell(trial, state=TrialState.PRUNED)
    return worker.study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """The study that most tests read."""
    made = searched(tmp_path_factory.mktemp("home"), MADE)
    made.set_user_attr(TRACKING, {"tracking_uri": "sqlite:///x.db", "run_id": "parent"})
    return made


def config_of(made: StudyRecord, trial: optuna.trial.FrozenTrial) -> TrialConfig:
    return made.study.trial_config(trial.params, trial_seed(made.config.seed, trial.number))


def test_every_trial_is_exported_as_what_it_trained(study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    for trial in study.trials:
        path.write_text(export(study, number=trial.number), encoding="utf-8")
        assert read_export(path).trial_config() == config_of(MADE, trial)
    path.write_text(export(study), encoding="utf-8")
    assert read_export(path).trial_config() == config_of(MADE, study.best_trial)


def test_files_of_the_corpus_are_named_so_that_the_export_can_lie_anywhere(tmp_path: Path) -> None:
    corpus = {
        "kind": "files",
        "source_lang": "en",
        "target_lang": "no",
        "train": {"source": str(tmp_path / "a b.en"), "target": str(tmp_path / "ä.no")},
        "validation": {"table": str(tmp_path / "v.csv")},
    }
    made = definition(corpus=corpus, **CHANGES)
    study = searched(tmp_path, made, trials=1)
    path = tmp_path / "elsewhere" / "best.yaml"
    path.parent.mkdir()
    path.write_text(export(study), encoding="utf-8")
    assert read_export(path).trial_config() == config_of(made, study.best_trial)


def test_the_provenance_says_where_it_came_from(study: optuna.Study, tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    path.write_text(export(study), encoding="utf-8")
    provenance = read_export(path).provenance
    best = study.best_trial
    assert provenance["study"] == study.study_name
    assert provenance["trial"] == best.number
    assert provenance["state"] == "complete"
    assert provenance["objectives"] == {"bleu": best.value}
    assert provenance["best_step"] == 800
    assert {int(step): told["bleu"] for step, told in provenance["validation"].items()} == (
        best.intermediate_values
    )
    assert provenance["num_parameters"] == best.user_attrs[NUM_PARAMETERS]
    assert provenance["study_seed"] == MADE.config.seed
    assert provenance["corpus_fingerprint"] == MADE.fingerprint
    assert provenance["mlflow_run_id"] == f"run-{best.number}"
    assert provenance["mlflow_tracking_uri"] == "sqlite:///x.db"
    assert set(provenance["versions"]) == set(versions())
    assert len(provenance.get("git_commit", "0" * 40)) == 40


def test_every_value_says_where_it_came_from(study: optuna.Study) -> None:
    text = export(study)
    tree = YAML(typ="safe", pure=True).load(text)
    group = ""
    for line in text.splitlines():
        if not line.startswith((" ", "#")):
            group = line.split(":")[0]
        name = f"{group}.{line.strip().split(':')[0]}"
        if name in MADE.space.domains:
            assert line.endswith(f"# searched: {MADE.space.domains[name]}")
        elif name in MADE.config.fixed:
            assert line.endswith("# fixed by the study")
        elif group in ("model", "training", "data", "decoding"):
            assert "#" not in line
    assert f"Trial {study.best_trial.number} of the study {study.study_name}" in text
    assert f"best validation BLEU {study.best_trial.value:.2f}" in text
    assert set(tree) == {*TrialConfig.model_fields, "provenance"}


def test_the_seed_is_the_one_that_the_trial_was_trained_with(tmp_path: Path) -> None:
    study = searched(tmp_path, MADE, trials=1, change=5)
    path = tmp_path / "best.yaml"
    path.write_text(export(study), encoding="utf-8")
    assert read_export(path).seed == trial_seed(MADE.config.seed, 0) + 5


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:s3cr3t@mlflow.example.org/path",
        "postgresql://user:s3cr3t@127.0.0.1:1/db",
        "https://mlflow.example.org/?token=s3cr3t",
    ],
)
def test_no_password_reaches_an_export_or_the_leaderboard(tmp_path: Path, uri: str) -> None:
    study = searched(tmp_path, MADE, trials=1)
    StudyLogger(
        study, StudyRun(destination(tmp_path, study.study_name, uri)), tmp_path
    ).note_place()
    for text in (export(study), json.dumps(leaderboard(study).to_json())):
        assert "s3cr3t" not in text
        assert uri.split(":", maxsplit=1)[0] in text
