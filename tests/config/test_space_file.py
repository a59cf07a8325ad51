from pathlib import Path

import pytest

from automl_tf.config.settings import setting_types
from automl_tf.config.space import Choices, Range
from automl_tf.config.space_file import check_setting, read_space
from automl_tf.config.study import default_settings
from automl_tf.errors import Place, UserError


def read(folder: Path, text: str) -> dict:
    path = folder / "space.yaml"
    path.write_text(text, encoding="utf-8")
    return dict(read_space(path)[0].domains)


def test_domains_have_the_types_of_their_settings(tmp_path: Path) -> None:
    domains = read(
        tmp_path,
        "model.dropout: {choices: [0, 0.1]}\n"
        "decoding.length_penalty: {low: 0, high: 2}\n"
        "training.weight_decay: {low: 0, high: 0.5, step: 0.25}\n"
        "model.encoder_layers: {low: 1, high: 6}\n"
        "model.d_k: {choices: [16, 32]}\n"
        "model.norm: {choices: [pre, post]}\n"
        "model.tie_embeddings: {choices: [true, false]}\n"
        "training.learning_rate: {low: 1e-4, high: 1e-2, log: true}\n",
    )
    assert domains["model.dropout"] == Choices(choices=(0.0, 0.1))
    assert all(isinstance(choice, float) for choice in domains["model.dropout"].choices)
    assert domains["model.dropout"].contains(0.0)
    assert not domains["decoding.length_penalty"].is_whole
    assert domains["decoding.length_penalty"].contains(0.5)
    assert domains["training.weight_decay"].values() == (0.0, 0.25, 0.5)
    assert domains["model.encoder_layers"] == Range(low=1, high=6)
    assert domains["model.encoder_layers"].is_whole
    assert domains["model.d_k"].choices == (16, 32)
    assert domains["model.tie_embeddings"].choices == (True, False)
    assert domains["training.learning_rate"].log


BROKEN = [
    ("", None, None, "nothing"),
    ("{}\n", None, None, "The space is empty"),
    ("model.dmodel: {choices: [64]}\n", 1, "model.dmodel", "mean model.d_model?"),
    ("model:\n  d_model: {choices: [64]}\n", 1, "model", "Write the whole path"),
    ("corpus.seed: {choices: [1, 2]}\n", 1, "corpus.seed", "no setting corpus.seed"),
    ("model.d_model: 64\n", 1, "model.d_model", "no domain"),
    ("model.d_model: [64, 128]\n", 1, "model.d_model", "no domain"),
    ("model.d_model:\n", 1, "model.d_model", "no domain"),
    ("model.d_model: {}\n", 1, "model.d_model", "no domain"),
    ("model.d_model:\n  chioces: [64]\n", 2, "model.d_model.chioces", "mean model.d_model.choices"),
    ("model.d_model:\n  choices: [64]\n  low: 3\n", 3, "model.d_model.low", "no setting"),
    ("model.d_model:\n  choices: 64\n", 2, "model.d_model.choices", "not a list"),
    ("model.d_model:\n  choices: []\n", 2, "model.d_model.choices", "the list is empty"),
    ("model.d_model:\n  choices: [64, 64]\n", 1, "model.d_model", "[64, 64] repeats a value"),
    ("model.dropout: {choices: [0, 0.0]}\n", 1, "model.dropout", "repeats a value"),
    (
        "model.d_model:\n  choices:\n  - 64\n  - 65\n",
        4,
        "model.d_model.choices.1",
        "model.d_model = 65 does not fit: it should be a multiple of 2",
    ),
    (
        "model.d_model: {choices: [64, '128']}\n",
        1,
        "model.d_model.choices.1",
        "not a whole number",
    ),
    ("model.d_k: {choices: [null, 16]}\n", 1, "model.d_k.choices.0", "is empty"),
    ("model.norm: {choices: [pre, prost]}\n", 1, "model.norm.choices.1", "'pre' or 'post'"),
    ("model.tie_embeddings: {choices: [yes]}\n", 1, "model.tie_embeddings.choices.0", "true nor"),
    ("model.norm: {low: 1, high: 2}\n", 1, "model.norm", "is not a number"),
    ("model.d_model: {low: 64}\n", 1, "model.d_model.high", "is missing"),
    ("model.d_model: {low: a, high: 64}\n", 1, "model.d_model.low", "not a number"),
    ("model.d_model: {low: 64, high: 32}\n", 1, "model.d_model", "low = 64 is not below high = 32"),
    ("model.encoder_layers: {low: 1.0, high: 6.0}\n", 1, "model.encoder_layers", "whole number"),
    ("model.encoder_layers: {low: 1, high: 6, step: 0.5}\n", 1, "model.encoder_layers", "whole"),
    ("model.encoder_layers: {low: 0, high: 6}\n", 1, "model.encoder_layers.low", "= 0 does not"),
    ("model.d_model: {low: 64, high: 128}\n", 1, "model.d_model", "65 does not fit"),
    ("model.d_model: {low: 64, high: 128, log: true}\n", 1, "model.d_model", "65 does not fit"),
    ("model.dropout: {low: 0, high: 1}\n", 1, "model.dropout.high", "model.dropout = 1.0"),
    ("model.dropout: {low: 0, high: 0.5, log: true}\n", 1, "model.dropout", "log range"),
    ("training.learning_rate: {low: .nan, high: 1e-2}\n", 1, "training.learning_rate.low", "nan"),
    (
        "training.learning_rate: {low: 1e-4, high: 1e-2, log: true, step: 1e-3}\n",
        1,
        "training.learning_rate",
        "either log or step",
    ),
]


@pytest.mark.parametrize(("text", "line", "key", "words"), BROKEN)
def test_each_mistake_is_told_with_its_place(
    tmp_path: Path, text: str, line: int | None, key: str | None, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert caught.value.place == Place(tmp_path / "space.yaml", line, key)
    assert words in str(caught.value)


def test_a_range_takes_steps_that_stay_legal(tmp_path: Path) -> None:
    domain = read(tmp_path, "model.d_model: {low: 64, high: 129, step: 32}\n")["model.d_model"]
    assert domain.values() == (64, 96, 128)


def test_a_range_of_a_billion_values_is_not_listed(tmp_path: Path) -> None:
    domain = read(tmp_path, "training.max_steps: {low: 1, high: 1_000_000_000}\n")
    assert domain["training.max_steps"].count == 10**9


def test_every_default_is_a_value_of_its_setting() -> None:
    for name, value in default_settings().items():
        if value is not None:
            check_setting(name, value, Place())


@pytest.mark.parametrize("name", sorted(setting_types()))
def test_no_setting_takes_a_group(name: str) -> None:
    with pytest.raises(UserError):
        check_setting(name, {"a": 1}, Place())
