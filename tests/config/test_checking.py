from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from automl_tf.config.base import MisfitError, Settings
from automl_tf.config.checking import nearest, unknown_key, validated
from automl_tf.config.reading import read_yaml
from automl_tf.config.settings import setting_types
from automl_tf.errors import Place, UserError


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
    assert nearest(written, setting_types()) == meant


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
    return validated(Drawing, read_yaml(path))


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
