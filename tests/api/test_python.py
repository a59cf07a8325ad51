"""The Python API as a notebook uses it: from files to a translation; other people's studies."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import mlflow
import optuna
import pytest

import automl_tf as at
from automl_tf.home import HomeDirectory
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from tests.cli.studies import FIXED
from tests.conftest import small_config

SPACE = {
    "model.d_model": {"choices": [16, 32]},
    "training.learning_rate": {"low": 1e-3, "high": 2e-2, "log": True},
}
SETTINGS: dict[str, Any] = {
    "fixed": {name: value for name, value in FIXED.items() if name not in SPACE}
    | {"model.num_heads": 2, "training.max_steps": 60},
    "sampler": {"kind": "random"},
    "start_with_base": False,
}


def files_of(corpus: dict) -> Any:
    """The corpus as a person names it."""
    pairs = {
        split: (corpus[split]["source"], corpus[split]["target"])
        for split in ("train", "validation", "test")
    }
    return at.files(**pairs, languages=(corpus["source_lang"], corpus["target_lang"]))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOML_TF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_importing_the_package_imports_nothing_else() -> None:
    heavy = "{'torch', 'optuna', 'lightning', 'mlflow', 'pydantic', 'numpy'}"
    words = f"import sys, automl_tf; assert not {heavy} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", words], check=True)


def test_every_public_name_is_there() -> None:
    for name in at.__all__:
        assert getattr(at, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'studdy'"):
        at.studdy  # noqa: B018 - it is what raises


@pytest.mark.slow
def test_from_files_to_a_translation(reversal: dict, home: Path, tmp_path: Path) -> None:
    study = at.Study("mine", files_of(reversal), SPACE, at.Budget(trials=2), **SETTINGS)
    result = study.search(workers=1, quiet=True)
    table = result.trials()
    assert list(table["state"]) == ["complete", "complete"]
    assert set(table["model.d_model"]) <= {16, 32}
    assert result.best is not None
    assert result.best.values == [table["bleu"].max()]
    export = result.export(path=tmp_path / "best.yaml")
    assert at.read_export(tmp_path / "best.yaml") == export
    model = result.bundle(quiet=True)
    assert model.test is not None
    assert len(model.translate(["eins zwei", "", "drei"], beam_size=2)) == 3
    again = at.load(model.path)
    assert again.evaluate(["eins zwei"], ["zwei eins"]).scores.bleu >= 0.0
    with pytest.raises(ValueError, match="1 sources have 2 references"):
        again.evaluate(["eins"], ["eins", "zwei"])
    # The command line takes the same files.
    assert at.Study.from_file(study.path, home=home).result().best == result.best


def test_a_mistake_is_an_error_in_words(reversal: dict) -> None:
    with pytest.raises(at.UserError, match="There is no space 'smal'"):
        at.Study("mine", files_of(reversal), "smal")
    with pytest.raises(at.UserError, match="No study can be named"):
        at.Study("../mine", files_of(reversal), SPACE)
    with pytest.raises(at.UserError, match="samplr"):
        at.Study("mine", files_of(reversal), SPACE, samplr={"kind": "tpe"})


@pytest.mark.slow
def test_an_optuna_study_is_pruned_by_bleu_and_logged(reversal: dict, home: Path) -> None:
    objective = at.Objective(at.Study("mine", files_of(reversal), SPACE, **SETTINGS))
    study = optuna.create_study(
        study_name="theirs",
        directions=objective.directions,
        sampler=optuna.samplers.RandomSampler(seed=1),
        pruner=optuna.pruners.ThresholdPruner(upper=-1.0, n_warmup_steps=40),
    )
    study.optimize(objective, n_trials=2)
    objective.close()
    assert [trial.state.name for trial in study.trials] == ["PRUNED", "PRUNED"]
    assert [max(trial.intermediate_values) for trial in study.trials] == [60, 60]
    study.pruner = optuna.pruners.NopPruner()
    study.optimize(objective, n_trials=1)
    objective.close()
    assert study.best_value == max(study.trials[2].intermediate_values.values())
    client = mlflow.MlflowClient(HomeDirectory(home).tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("theirs").experiment_id])
    kinds = [run.data.tags["automl_tf.kind"] for run in runs]
    assert sorted(kinds) == ["study", "trial", "trial", "trial"]


@pytest.mark.slow
def test_our_sampler_and_pruner_serve_in_anybodys_study(reversal: dict) -> None:
    mine = at.Study("mine", files_of(reversal), SPACE, **SETTINGS)
    study = optuna.create_study(
        direction="maximize", sampler=mine.sampler(seed=3), pruner=mine.pruner()
    )

    # Any objective with parameters of the space: no training is needed to propose.
    def objective(trial: optuna.Trial) -> float:
        width = trial.suggest_categorical("model.d_model", (16, 32))
        rate = trial.suggest_float("training.learning_rate", 1e-3, 2e-2, log=True)
        for step in (30, 60):
            trial.report(step / 10 + width / 8 - abs(rate - 8e-3), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 6.0 + width / 8 - abs(rate - 8e-3)

    study.optimize(objective, n_trials=6)
    assert len({str(trial.params) for trial in study.trials}) == 6
    assert isinstance(study.sampler, at.PriorGPSampler)
    assert study.best_params["model.d_model"] == 32


def own_trainer(config: at.TrialConfig, folder: Path, *callbacks: L.Callback) -> L.Trainer:
    training = config.training
    return L.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        devices=1,
        max_steps=training.max_steps,
        val_check_interval=training.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def test_anybodys_trainer_comes_to_what_fit_comes_to(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = small_config(reversal, training__precision="fp32")
    data = at.TranslationDataModule(config, cache)
    L.seed_everything(config.seed, verbose=False)
    module = at.TranslationModule(config, data.prepared)
    trainer = own_trainer(config, tmp_path)
    trainer.fit(module, data)
    validations: list[Validation] = []

    def observe(validation: Validation) -> Decision:
        validations.append(validation)
        return Decision.CONTINUE

    fit(config, data.prepared, tmp_path / "fit", observe)
    assert module.loss == validations[-1].loss
    assert float(trainer.callback_metrics["val_bleu"]) == pytest.approx(
        validations[-1].scores.bleu, rel=1e-5
    )


def test_a_callback_prunes_anybodys_training(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(reversal)
    data = at.TranslationDataModule(config, cache)

    def objective(trial: optuna.Trial) -> float:
        pruning = at.PruningCallback(trial, monitor="val_loss")
        module = at.TranslationModule(config, data.prepared)
        trainer = own_trainer(config, tmp_path, pruning)
        trainer.fit(module, data)
        pruning.check()
        return float(trainer.callback_metrics["val_loss"])

    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=0.0, n_warmup_steps=5))
    study.optimize(objective, n_trials=1)
    study.pruner = optuna.pruners.NopPruner()
    study.optimize(objective, n_trials=1)
    pruned, complete = study.trials
    assert (pruned.state.name, sorted(pruned.intermediate_values)) == ("PRUNED", [4, 8])
    assert (complete.state.name, sorted(complete.intermediate_values)) == ("COMPLETE", [4, 8, 12])
    with pytest.raises(KeyError, match="val_bleeu"):
        own_trainer(config, tmp_path, at.PruningCallback(complete, "val_bleeu")).fit(  # type: ignore[arg-type]
            at.TranslationModule(config, data.prepared), data
        )
