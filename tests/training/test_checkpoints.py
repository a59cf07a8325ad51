"""A directory belongs to one training, and what others have left never mixes with it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from automl_tf.config.settings import TrainerConfig, TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.errors import UserError
from automl_tf.model.loss import Loss
from automl_tf.training.checkpoints import (
    BEST_WEIGHTS,
    FINISHED,
    LAST_CHECKPOINT,
    TrainingDirectory,
    TrainingIdentity,
    remove_weights_of_others,
)
from automl_tf.training.events import Decision, Outcome, Validation
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule
from tests.conftest import small_config, write_reversal


def observe(_validation: Validation) -> Decision:
    return Decision.CONTINUE


def pause(config: TrialConfig, data: PreparedData, directory: Path) -> None:
    """Leaves a checkpoint of the first steps."""
    paused = fit(config, data, directory, observe, should_pause=lambda: True)
    assert paused.outcome is Outcome.PAUSED
    assert paused.step == 1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("training.learning_rate", {"training__learning_rate": 1e-3}),
        ("training.ema", {"training__ema": 0.1}),
        ("training.schedule", {"training__schedule": "constant", "training__max_steps": 16}),
        ("training.average_checkpoints", {"training__average_checkpoints": 2}),
        ("model.dropout", {"model__dropout": 0.3}),
        ("model.d_model", {"model__d_model": 16}),
        ("data.deduplicate", {"data__deduplicate": False}),
        ("seed", {}),
        ("corpus.target_lang", {}),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(
    reversal: dict, cache: Path, tmp_path: Path, name: str, changes: dict[str, Any]
) -> None:
    before = small_config(reversal)
    pause(before, prepare(before, cache), tmp_path)
    now = small_config(reversal, **changes)
    if name == "seed":
        now = now.model_copy(update={"seed": 8})
    if name == "corpus.target_lang":
        corpus = now.corpus.model_copy(update={"target_lang": "zh"})
        now = now.model_copy(update={"corpus": corpus})
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=f"{name} is .* there and .* here") as caught:
        fit(now, prepare(now, cache), tmp_path, observe)
    assert caught.value.place is not None
    assert caught.value.place.path == tmp_path / LAST_CHECKPOINT
    assert "delete" in caught.value.remedy
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_the_checkpoint_of_another_corpus_is_refused(
    config: TrialConfig, data: PreparedData, cache: Path, tmp_path: Path
) -> None:
    pause(config, data, tmp_path / "training")
    other = small_config(write_reversal(tmp_path, pairs=300))
    with pytest.raises(UserError, match=r"corpus\.fingerprint"):
        fit(other, prepare(other, cache), tmp_path / "training", observe)


@pytest.mark.parametrize("marked", [False, True])
def test_a_checkpoint_of_an_earlier_version_is_refused(
    config: TrialConfig, data: PreparedData, tmp_path: Path, *, marked: bool
) -> None:
    checkpoint: dict[str, Any] = {"state_dict": {}, "global_step": 1}
    directory = TrainingDirectory(tmp_path)
    assert not directory.is_outdated
    if marked:
        TrainingIdentity.of(config, data.fingerprint).mark(checkpoint)
        torch.save(checkpoint, directory.checkpoint)
        assert not directory.is_outdated
        del checkpoint["training"]["format"]
    torch.save(checkpoint, directory.checkpoint)
    assert directory.is_outdated
    with pytest.raises(UserError, match="earlier version"):
        fit(config, data, tmp_path, observe)


def test_devices_and_places_of_files_are_not_part_of_a_training(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    elsewhere = config.corpus.model_copy(
        update={"test": None}  # not read by a training
    )
    same = config.model_copy(
        update={"trainer": TrainerConfig(devices=4, compile=True), "corpus": elsewhere}
    )
    identities = [TrainingIdentity.of(one, data.fingerprint) for one in (config, same)]
    assert identities[0].digest == identities[1].digest
    assert TrainingIdentity.of(config, "other").digest != identities[0].digest


def test_a_new_training_removes_what_others_have_left(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    kept = tmp_path / "notes.txt"
    for path in (
        kept,
        *(tmp_path / name for name in (BEST_WEIGHTS, "step-0000004.safetensors", "last.partial")),
    ):
        path.write_text("of another training")
    (tmp_path / LAST_CHECKPOINT).write_bytes(b"PK cut short")
    assert TrainingDirectory(tmp_path).open(TrainingIdentity.of(config, data.fingerprint)) is None
    assert list(tmp_path.iterdir()) == [kept]


def test_only_some_trials_keep_their_weights(tmp_path: Path) -> None:
    files = (BEST_WEIGHTS, "step-0000004.safetensors", "best.partial")
    for name in ("trial-0000", "trial-0007", "trial-12345", "trial-old", "other"):
        (tmp_path / name).mkdir()
        for file in (*files, LAST_CHECKPOINT):
            (tmp_path / name / file).touch()
    remove_weights_of_others(tmp_path, {7})
    remove_weights_of_others(tmp_path / "missing", set())
    for file in files:
        left = {path.parent.name for path in tmp_path.glob(f"*/{file}")}
        assert left == {"trial-0007", "trial-old", "other"}
    assert len(list(tmp_path.glob(f"*/{LAST_CHECKPOINT}"))) == 5


@pytest.mark.parametrize("ending", [Outcome.FINISHED, Outcome.STOPPED, Outcome.DIVERGED])
def test_no_temporary_file_outlives_a_training(
    reversal: dict,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: Outcome,
) -> None:
    config = small_config(reversal, training__average_checkpoints=3)
    data = prepare(config, cache)
    cross_entropy = TranslationModule._cross_entropy

    def nan(*arguments: object, **options: object) -> Loss:
        found = cross_entropy(*arguments, **options)
        return Loss(found.smoothed * float("nan"), found.nll)

    def leave_rubbish(validation: Validation) -> Decision:
        (tmp_path / "best.partial").touch()
        if validation.step < 8:
            return Decision.CONTINUE
        if ending is Outcome.DIVERGED:
            monkeypatch.setattr(TranslationModule, "_cross_entropy", nan)
        return Decision.STOP if ending is Outcome.STOPPED else Decision.CONTINUE

    pauses = iter([False] * 7 + [True])
    paused = fit(config, data, tmp_path, leave_rubbish, should_pause=lambda: next(pauses))
    assert paused.outcome is Outcome.PAUSED
    assert list(tmp_path.glob("step-*"))
    assert fit(config, data, tmp_path, leave_rubbish).outcome is ending
    result = {FINISHED} if ending is Outcome.FINISHED else set()
    assert {path.name for path in tmp_path.iterdir()} == {BEST_WEIGHTS, LAST_CHECKPOINT, *result}
