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
from automl_tf.search.loggers import StudyLogger
from automl_tf.search.schema import (
    ATTEMPT,
    BEST_STEP,
    ENVIRONMENT,
    NUM_PARAMETERS,
    ORIGIN,
    RUN_ID,
    SEED,
    STUDY_ID,
    TRACKING,
    StudyRecord,
    trial_seed,
)
from automl_tf.search.study_view import StudyView
from automl_tf.tracking.client import TrackingTarget
from automl_tf.tracking.runs import StudyRun
from tests.search.making import bench, claim, definition, finish

CHANGES: dict = {
    "fixed": {"training.max_steps": 800, "training.validate_every": 400, "model.d_ff": 96},
    "sampler": {"kind": "random"},
    "seed": 7,
}

MADE = definition(**CHANGES)

COMMIT, IDENTITY = "c0ffee", "6c84fb90-12c4-11e1-840d-7b25c5ee775a"


def searched(home: Path, made: StudyRecord, trials: int = 3, change: int = 0) -> optuna.Study:
    """A study with some complete trials, each better than the last, and a pruned one."""
    worker = bench(home, made)
    for number in range(trials):
        trial = claim(worker)
        trial.set_user_attr(SEED, trial_seed(made.config.seed, trial.number) + change)
        trial.set_user_attr(NUM_PARAMETERS, 1000 + number)
        trial.set_user_attr(BEST_STEP, 800)
        trial.set_user_attr(RUN_ID, f"run-{number}")
        trial.set_user_attr(
            ENVIRONMENT, {"versions": {"torch": f"1.{number}"}, "git_commit": "c0ffee"}
        )
        trial.set_user_attr(ATTEMPT, 2)
        trial.set_user_attr(ORIGIN, "sampler")
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
    study = made.settled().study
    return study.trial_config(trial.params, trial_seed(made.config.seed, trial.number))


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
    assert (provenance["attempt"], provenance["origin"]) == (2, "sampler")


def test_versions_are_those_that_the_trial_is_feasible_with(
    study: optuna.Study, tmp_path: Path
) -> None:
    """Whoever exports it, and wherever."""
    path = tmp_path / "best.yaml"
    for trial in study.trials:
        path.write_text(export(study, number=trial.number), encoding="utf-8")
        provenance = read_export(path).provenance
        known = trial.user_attrs.get(ENVIRONMENT, {})
        assert provenance.get("versions") == known.get("versions")
        assert provenance.get("git_commit") == known.get("git_commit")


def test_the_provenance_names_the_study_by_its_identity(tmp_path: Path) -> None:
    study = searched(tmp_path, MADE, trials=1)
    study.set_user_attr(STUDY_ID, IDENTITY)
    (tmp_path / "best.yaml").write_text(export(study), encoding="utf-8")
    assert read_export(tmp_path / "best.yaml").provenance["study_id"] == IDENTITY


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


def test_the_seed_is_the_one_that_the_trial_is_feasible_with(tmp_path: Path) -> None:
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
    target = TrackingTarget.of_study(tmp_path, study.study_name, "an-id", uri)
    StudyLogger(study, StudyRun(target), tmp_path).store_run_ids()
    for text in (export(study), json.dumps(StudyView.read(study).to_json())):
        assert "s3cr3t" not in text
        assert uri.split(":", maxsplit=1)[0] in text
