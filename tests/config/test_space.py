"""Search spaces, made and read."""

import itertools
import random
from pathlib import Path

import pytest
from pydantic import ValidationError

from automl_tf.config.rules import RULES, first_violation
from automl_tf.config.settings import default_settings, setting_types
from automl_tf.config.space import (
    MAX_COMBINATIONS,
    Choices,
    Domain,
    Range,
    Space,
    check_setting,
    read_space,
)
from automl_tf.errors import Place, UserError

WHOLE = [
    Range(low=1, high=6),
    Range(low=1, high=6, step=2),
    Range(low=0, high=9, step=4),
    Range(low=2, high=5, log=True),
    Range(low=-3, high=3),
]
STEPPED = [
    Range(low=0.0, high=0.3, step=0.1),
    Range(low=0.1, high=0.5, step=0.1),
    Range(low=0.05, high=0.5, step=0.15),
    Range(low=0, high=1, step=0.25),
]
CONTINUOUS = [Range(low=1e-4, high=1e-2, log=True), Range(low=0.0, high=2.0)]


@pytest.mark.parametrize("domain", WHOLE, ids=str)
def test_a_whole_range_holds_its_whole_numbers_and_no_others(domain: Range) -> None:
    expected = tuple(range(domain.low, domain.high + 1, domain.step or 1))
    assert domain.is_whole
    assert domain.values() == expected
    assert domain.count == len(expected)
    assert domain.ends() == (expected[0], expected[-1])
    for value in range(domain.low - 3, domain.high + 4):
        assert domain.contains(value) == (value in expected)
        assert not domain.contains(value + 0.5)


@pytest.mark.parametrize("domain", STEPPED, ids=str)
def test_a_stepped_range_holds_its_steps_however_they_are_computed(domain: Range) -> None:
    steps = [domain.low + index * domain.step for index in range(100)]
    inside = [value for value in steps if value <= domain.high + 1e-9]
    assert domain.values() == pytest.approx(inside)
    assert domain.count == len(inside)
    for value in (*domain.values(), *inside):
        assert domain.contains(value)
        assert domain.nearest(value) == pytest.approx(value)
    for value in inside:
        assert not domain.contains(value + domain.step / 2)
    # A person who reads 0.3 in a table can write 0.3.
    assert all(len(repr(value)) < 8 for value in domain.values())


@pytest.mark.parametrize("domain", CONTINUOUS, ids=str)
def test_a_continuous_range_holds_all_between_its_bounds(domain: Range) -> None:
    rng = random.Random(1)
    assert domain.count is None
    assert domain.ends() == (domain.low, domain.high)
    for _ in range(50):
        value = rng.uniform(domain.low, domain.high)
        assert domain.contains(value)
        assert domain.nearest(value) == value
    assert not domain.contains(domain.low - 1e-6)
    assert not domain.contains(domain.high + 1e-6)


@pytest.mark.parametrize("domain", [*WHOLE, *STEPPED], ids=str)
def test_the_nearest_value_is_in_the_domain_and_none_is_nearer(domain: Range) -> None:
    rng = random.Random(1)
    for _ in range(200):
        value = rng.uniform(domain.low - 3, domain.high + 3)
        nearest = domain.nearest(value)
        assert domain.contains(nearest)
        distances = [abs(other - value) for other in domain.values()]
        assert abs(nearest - value) == pytest.approx(min(distances))


def test_the_nearest_choice_is_the_value_itself_or_the_closest_number() -> None:
    widths = Choices(choices=(512, 64, 256))
    assert [widths.nearest(value) for value in (64, 65, 100, 400, 9999)] == [64, 64, 64, 512, 512]
    assert Choices(choices=("pre", "post")).nearest("post") == "post"
    assert Choices(choices=("pre", "post")).nearest("neither") == "pre"
    assert Choices(choices=(16, 32)).nearest(None) == 16
    assert Range(low=16, high=32).nearest(None) == 16
    assert Range(low=16, high=32).nearest("wide") == 16


def test_choices_tell_values_of_different_types_apart() -> None:
    numbers = Choices(choices=(1, 2))
    assert numbers.contains(1)
    for value in (True, "1", None, 1.0):
        assert not numbers.contains(value)
        assert not Range(low=0, high=2).contains(value)
    for truth in (False, True):
        assert Choices(choices=(False, True)).nearest(truth) is truth
        assert Choices(choices=(2, 3)).nearest(truth) == 2


def test_choices_stay_in_their_order_and_are_all_values() -> None:
    choices = Choices(choices=("post", "pre"))
    assert choices.values() == choices.ends() == choices.choices == ("post", "pre")
    assert choices.count == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"low": 2, "high": 1},
        {"low": 1, "high": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": 1, "high": 9, "log": True, "step": 2},
        {"low": 1, "high": 9, "step": 0},
        {"low": 1, "high": 9, "step": 10},
        {"low": float("nan"), "high": 1.0},
        {"low": 0.0, "high": float("inf")},
        {"low": True, "high": 5},
        {"choices": ()},
        {"choices": (1, 1)},
        {"choices": (1, None)},
        {"choices": ((1, 2), 3)},
    ],
)
def test_what_is_no_domain_is_refused(broken: dict) -> None:
    with pytest.raises(ValidationError):
        (Choices if "choices" in broken else Range).model_validate(broken)


def random_domain(rng: random.Random, values: list[int]) -> Domain:
    if rng.random() < 0.5:
        return Choices(choices=tuple(rng.sample(values, rng.randint(1, 3))))
    low, high = sorted(rng.sample(values, 2))
    if rng.random() < 0.3:
        return Range(low=low, high=high, log=True)
    return Range(low=low, high=high, step=rng.choice([None, 1, min(2, high - low)]))


def random_space(rng: random.Random) -> Space:
    candidates: dict[str, Domain] = {
        "model.d_model": random_domain(rng, [32, 40, 48, 56, 64]),
        "model.num_heads": random_domain(rng, [1, 2, 3, 4, 8]),
        "model.d_k": random_domain(rng, [7, 8, 12, 16]),
        "model.d_v": random_domain(rng, [7, 8, 16]),
        "model.positions": Choices(choices=tuple(rng.sample(["sinusoidal", "rotary"], 2))),
        "training.warmup_steps": random_domain(rng, [10, 50, 100]),
        "training.validate_every": random_domain(rng, [20, 60, 110]),
        "training.max_steps": random_domain(rng, [40, 60, 120]),
    }
    names = rng.sample(sorted(candidates), rng.randint(1, 4))
    return Space({name: candidates[name] for name in names})


def is_legal_everywhere(space: Space, fixed: dict) -> bool:
    """Tries every point of a space whose settings are all whole or choices, rule by rule."""
    for rule in RULES:
        searched = [name for name in rule.reads if name in space.domains]
        for point in itertools.product(*(space.domains[name].values() for name in searched)):
            settings = {**fixed, **dict(zip(searched, point, strict=True))}
            if rule.violation(settings) is not None:
                return False
    return True


def test_the_proof_is_right_about_random_spaces() -> None:
    rng = random.Random(1)
    fixed = {**default_settings(), "training.max_steps": 100, "training.warmup_steps": 10}
    fixed |= {"training.validate_every": 20}
    verdicts = []
    for _ in range(300):
        space = random_space(rng)
        violation = space.illegal_combination(fixed)
        verdicts.append(violation is None)
        assert (violation is None) == is_legal_everywhere(space, fixed)
        if violation is not None:
            shown = dict(zip(violation.rule.reads, violation.values, strict=True))
            assert all(
                space.domains[name].contains(value)
                if name in space.domains
                else fixed[name] == value
                for name, value in shown.items()
            )
            assert first_violation({**fixed, **shown}) is not None
    assert True in verdicts
    assert False in verdicts


def test_a_proof_that_would_take_too_long_is_not_begun() -> None:
    wide = Range(low=2, high=8192, step=2)
    assert Space({"model.d_model": wide}).unproved_rule() is None
    large = Space({"model.d_model": wide, "model.num_heads": Range(low=1, high=64)})
    assert large.domains["model.d_model"].count * 64 > MAX_COMBINATIONS
    unproved = large.unproved_rule()
    assert unproved is not None
    assert "model.num_heads" in unproved.reads
    steps = Range(low=1, high=10**9)
    comparing = Space({"training.warmup_steps": steps, "training.max_steps": steps})
    assert comparing.unproved_rule() is None
    assert comparing.illegal_combination(default_settings()) is not None


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
