"""Rules between settings, and messages about documents that break them."""

import random
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch
from pydantic import Field

from automl_tf.config.base import MisfitError, Settings
from automl_tf.config.rules import (
    RULES,
    closest_name,
    first_violation,
    unknown_key,
    validate_document,
)
from automl_tf.config.settings import ModelConfig, default_settings, setting_types
from automl_tf.config.yaml_io import read_yaml
from automl_tf.errors import Place, UserError
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

VOCAB = VocabSizes(31, 31, joint=True, outputs=31)


def random_model(rng: random.Random) -> dict:
    return {
        "d_model": rng.choice([8, 12, 16, 20, 24]),
        "num_heads": rng.choice([1, 2, 3, 4, 5]),
        "d_k": rng.choice([None, None, 3, 4]),
        "d_v": rng.choice([None, None, 3, 4]),
        "positions": rng.choice(["sinusoidal", "learned", "rotary"]),
        "d_ff": 8,
        "encoder_layers": 1,
        "decoder_layers": 1,
    }


def violation_of(model: dict) -> object:
    settings = {f"model.{name}": value for name, value in model.items()}
    return first_violation({**default_settings(), **settings})


def test_every_legal_model_can_be_built_and_run() -> None:
    rng = random.Random(1)
    legal = 0
    for _ in range(150):
        model = random_model(rng)
        if violation_of(model) is None:
            legal += 1
            built = Transformer(ModelConfig(**model), VOCAB, max_length=9)
            logits = built.logits(built(torch.randint(1, 31, (2, 7)), torch.randint(1, 31, (2, 5))))
            assert logits.shape == (2, 5, 31)
            assert logits.isfinite().all()
    assert 20 < legal < 130


def test_every_illegal_model_has_heads_that_do_not_fit() -> None:
    rng = random.Random(2)
    for _ in range(300):
        model = random_model(rng)
        shares = [width for width in (model["d_k"], model["d_v"]) if width is None]
        divides = model["d_model"] % model["num_heads"] == 0
        width = model["d_k"] or model["d_model"] // model["num_heads"]
        fits = (divides or not shares) and (model["positions"] != "rotary" or width % 2 == 0)
        assert (violation_of(model) is None) == fits


@pytest.mark.parametrize(
    ("name", "legal", "illegal"),
    [
        ("training.warmup_steps", 5999, 6000),
        ("training.validate_every", 6000, 6001),
        ("data.max_length", 2047, 2048),
        ("model.num_heads", 8, 7),
    ],
)
def test_each_rule_holds_up_to_its_edge(name: str, legal: object, illegal: object) -> None:
    defaults = {**default_settings(), "training.max_steps": 6000, "training.batch_tokens": 2048}
    assert first_violation({**defaults, name: legal}) is None
    violation = first_violation({**defaults, name: illegal})
    assert violation is not None
    assert f"{name} = {illegal}" in str(violation)
    assert str(violation).endswith(violation.rule.remedy)


def test_a_comparison_that_holds_at_the_ends_of_ranges_holds_between_them() -> None:
    rng = random.Random(3)
    for rule in (rule for rule in RULES if rule.is_comparison):
        for _ in range(200):
            lows = [rng.randint(1, 20) for _ in rule.reads]
            highs = [low + rng.randint(1, 20) for low in lows]
            ends = [(low, high) for low, high in zip(lows, highs, strict=True)]
            at_ends = all(rule.holds(one, other) for one in ends[0] for other in ends[1])
            if at_ends:
                inside = [rng.randint(low, high) for low, high in ends]
                assert rule.holds(*inside)


class Round(Settings):
    kind: Literal["round"]
    radius: float = 1.0


class Square(Settings):
    kind: Literal["square"]
    side: float = 1.0


class Drawing(Settings):
    shape: Annotated[Round | Square, Field(discriminator="kind")]
    count: Annotated[int, Field(ge=1)] = 1
    value: bool | int | float | str = 1
    size: int | float = 1
    name: str | None = None


@pytest.mark.parametrize(
    ("meant", "written"),
    [
        ("model.d_model", "model.dmodel"),
        ("model.d_model", "d_model"),
        ("model.num_heads", "model.heads"),
        ("training.learning_rate", "training.learning_rat"),
        ("training.learning_rate", "optimizer.learning_rate"),
        ("training.max_steps", "max_steps"),
        ("decoding.beam_size", "decoding.beamsize"),
    ],
)
def test_the_nearest_name_is_what_a_person_meant(meant: str, written: str) -> None:
    assert closest_name(written, setting_types()) == meant


def test_a_name_like_no_other_gets_the_names_of_its_group() -> None:
    known = ["budget", "budget.hours", "budget.trials", "seed"]
    error = unknown_key("budget.qqqq", known, Place())
    assert "budget.hours, budget.trials" in error.remedy
    assert "seed" not in error.remedy
    assert unknown_key("qqqq", known, Place()).remedy == "Known here: budget, seed."


def test_a_group_in_place_of_a_setting_gets_the_whole_path() -> None:
    error = unknown_key("model", setting_types(), Place())
    assert "Write the whole path, as in model." in error.remedy


def drawing(folder: Path, text: str) -> Drawing:
    path = folder / "drawing.yaml"
    path.write_text(text, encoding="utf-8")
    return validate_document(Drawing, read_yaml(path))


@pytest.mark.parametrize(
    ("text", "key", "line", "words"),
    [
        ("shape: {kind: round}\ncount: 0\n", "count", 2, "greater than or equal to 1"),
        ("shape: {kind: round}\ncount: '2'\n", "count", 2, "not a whole number"),
        ("shape: {kind: round}\ncount: 2.0\n", "count", 2, "not a whole number"),
        ("shape: {kind: round}\ncount: true\n", "count", 2, "not a whole number"),
        ("shape: {kind: round}\ncount:\n", "count", 2, "count is empty"),
        ("shape: {kind: round}\nvalue: [1]\n", "value", 2, "not a single value"),
        ("shape: {kind: round}\nsize: big\n", "size", 2, "not a number"),
        ("shape: {kind: round}\nsize: .nan\n", "size", 2, "not a number"),
        ("shape: {kind: round}\nname: 5\n", "name", 2, "not text"),
        ("shape:\n  kind: round\n  radius: .inf\n", "shape.radius", 3, "finite"),
        ("shape:\n  kind: round\n  side: 2\n", "shape.side", 3, "Known here: shape.kind"),
        ("shape:\n  kind: round\n  radus: 2\n", "shape.radus", 3, "mean shape.radius?"),
        ("shape:\n  kind: oval\n", "shape", 1, "shape.kind = oval is unknown"),
        ("shape:\n  kind: oval\n", "shape", 1, "round, square"),
        ("shape:\n  radius: 1\n", "shape", 1, "shape.kind is missing"),
        ("shape: round\n", "shape", 1, "not a group"),
        ("count: 1\n", "shape", None, "shape is missing"),
        ("shpae: {kind: round}\n", "shpae", 1, "mean shape?"),
    ],
)
def test_each_mistake_has_its_key_its_line_and_plain_words(
    tmp_path: Path, text: str, key: str, line: int | None, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        drawing(tmp_path, text)
    assert caught.value.place.key == key
    assert caught.value.place.line == line
    assert words in str(caught.value)
    assert "input" not in str(caught.value).lower()


def test_a_legal_document_becomes_settings(tmp_path: Path) -> None:
    read = drawing(tmp_path, "shape: {kind: square, side: 2}\nvalue: no\n")
    assert read == Drawing(shape=Square(kind="square", side=2.0), value="no")


def test_a_misfit_names_its_keys() -> None:
    error = MisfitError("a is above b.", "group.a", "group.b")
    assert str(error) == "a is above b."
    assert error.keys == ("group.a", "group.b")


def test_the_tokenizer_of_a_study_is_no_setting_of_its_trials() -> None:
    told = str(unknown_key("scoring.tokenize", setting_types(), Place()))
    assert "at the top of the file, as in scoring: {tokenize: char}" in told
