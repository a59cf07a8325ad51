"""Presets by name: what they set, what beats them, and what is recorded."""

from pathlib import Path
from typing import Any

import pytest

from automl_tf.config.files import read_export, read_study
from automl_tf.config.presets import PAPER_ROWS
from automl_tf.config.settings import flatten
from automl_tf.errors import UserError
from tests.config.files import EXPORT, write_export, write_study

CORPUS = "corpus: {kind: synthetic}\n"


def expected(name: str) -> dict[str, Any]:
    return {path: value for path, value in PAPER_ROWS[name].settings.items() if value is not None}


@pytest.mark.parametrize("name", PAPER_ROWS)
def test_a_training_configuration_may_be_a_corpus_and_a_preset(tmp_path: Path, name: str) -> None:
    by_file = read_export(write_export(tmp_path, f"{CORPUS}preset: {name}\n"))
    by_command = read_export(write_export(tmp_path, CORPUS), [f"preset={name}"])
    assert by_file == by_command
    settings = flatten(by_file)
    assert {path: settings[path] for path in expected(name)} == expected(name)
    assert by_file.model == PAPER_ROWS[name].model


@pytest.mark.parametrize("name", PAPER_ROWS)
def test_a_study_fixes_what_its_space_does_not_search(tmp_path: Path, name: str) -> None:
    ways = [
        (f"preset: {name}\n", []),
        (f"fixed: {{preset: {name}}}\n", []),
        ("", [f"preset={name}"]),
    ]
    space = (
        "training.batch_tokens: {choices: [1024, 2048]}\n"
        "training.label_smoothing: {low: 0, high: 0.3}\n"
    )
    configs = []
    for text, overrides in ways:
        study = read_study(write_study(tmp_path, text, space), overrides)
        assert study.config.fixed == {
            path: value for path, value in expected(name).items() if path not in study.space.domains
        }
        configs.append(study.config)
    # Nothing but the settings is recorded.
    assert configs[0] == configs[1] == configs[2]
    assert "preset" not in configs[0].model_dump()
    trial = study.trial_config({"training.batch_tokens": 1024, "training.label_smoothing": 0.3}, 1)
    assert trial.model == PAPER_ROWS[name].model
    assert trial.training.label_smoothing == 0.3


def test_what_is_written_beats_a_written_preset(tmp_path: Path) -> None:
    path = write_export(tmp_path, f"{EXPORT}preset: big\n")
    config = read_export(path, ["training.warmup_steps=50"])
    assert (config.model.d_model, config.model.num_heads, config.model.d_ff) == (64, 4, 4096)
    assert config.training.max_steps == 600
    study = write_study(
        tmp_path, "preset: big\nfixed: {model.d_ff: 96, training.max_steps: 5000}\n"
    )
    fixed = read_study(study).config.fixed
    assert (fixed["model.d_ff"], fixed["training.max_steps"]) == (96, 5000)
    assert fixed["model.encoder_layers"] == 6
    assert "model.d_model" not in fixed


def test_a_preset_on_the_command_line_beats_the_file_but_not_its_neighbours(tmp_path: Path) -> None:
    path = write_export(
        tmp_path, EXPORT.replace("num_heads: 4", "num_heads: 4\n  d_k: 8\n  d_v: 8")
    )
    for words in (
        ["preset=big", "model.d_ff=512", "training.max_steps=9000"],
        ["model.d_ff=512", "training.max_steps=9000", "preset=big"],
    ):
        config = read_export(path, words)
        assert config.model == PAPER_ROWS["big"].model.model_copy(update={"d_ff": 512})
        assert config.training.max_steps == 9000


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [("preset: bigg\n", "preset", 4), ("fixed:\n  preset: 3\n", "fixed.preset", 5)],
)
def test_an_unknown_preset_is_refused_with_the_names(
    tmp_path: Path, text: str, key: str, line: int
) -> None:
    with pytest.raises(UserError) as refused:
        read_study(write_study(tmp_path, text))
    assert refused.value.place is not None
    assert (refused.value.place.key, refused.value.place.line) == (key, line)
    for name in PAPER_ROWS:
        assert name in str(refused.value)


def test_a_misspelt_preset_on_the_command_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Did you mean base\?.*--set preset=bas"):
        read_export(write_export(tmp_path), ["preset=bas"])


def test_a_setting_that_does_not_fit_is_traced_to_the_preset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="warmup_steps = 4000") as refused:
        read_export(write_export(tmp_path), ["preset=base", "training.max_steps=50"])
    assert "--set" in str(refused.value)
