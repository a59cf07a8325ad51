"""Rows of the paper's Table 3 as a person runs them, on a small corpus and for two steps."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from automl_tf.config.files import read_export
from automl_tf.config.presets import PAPER_ROWS
from tests.cli.studies import run, write_study

SHORT = {
    "training.max_steps": 2,
    "training.warmup_steps": 1,
    "training.validate_every": 2,
    "training.validate_sentences": 10,
    "training.batch_tokens": 64,
    "training.precision": "fp32",
    "decoding.beam_size": 1,
    "data.vocab_size": 200,
    "data.max_length": 32,
}


def overrides(**more: object) -> list[str]:
    settings = {**SHORT, **more}
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.slow
def test_a_row_of_the_table_trains(reversal: dict, tmp_path: Path) -> None:
    path = tmp_path / "row.yaml"
    YAML().dump({"corpus": reversal, "preset": "C-2-layers"}, path)
    bundle = tmp_path / "bundle"
    done = json.loads(
        run("train", str(path), "-o", str(bundle), *overrides(), "--json", home=tmp_path)
    )
    assert (done["outcome"], done["step"]) == ("finished", 2)
    written = read_export(bundle / "config.yaml")
    assert written.model == PAPER_ROWS["C-2-layers"].model
    assert "preset" not in (bundle / "config.yaml").read_text()


@pytest.mark.slow
def test_a_study_of_a_row_searches_around_it_and_exports_it(reversal: dict, tmp_path: Path) -> None:
    space = {"training.label_smoothing": {"low": 0.0, "high": 0.2}}
    study = write_study(tmp_path, reversal, space, fixed=SHORT, budget={"trials": 1})
    small = {"model.encoder_layers": 1, "model.decoder_layers": 1, "model.d_ff": 64}
    run("search", str(study), "--set", "preset=B-d_k-16", *overrides(**small), home=tmp_path)
    run("export", "tour", "-o", str(tmp_path / "best.yaml"), home=tmp_path)
    best = tmp_path / "best.yaml"
    model = read_export(best).model
    assert (model.d_k, model.d_model, model.num_heads, model.d_ff) == (16, 512, 8, 64)
    [line] = [line for line in best.read_text().splitlines() if "d_k:" in line]
    assert line.endswith("# fixed by the study")


def test_an_unknown_row_is_one_message(reversal: dict, tmp_path: Path) -> None:
    study = write_study(tmp_path, reversal)
    message = run("search", str(study), "--set", "preset=huge", home=tmp_path, code=2)
    assert "There is no preset huge." in message
    assert "C-d_model-1024" in message
