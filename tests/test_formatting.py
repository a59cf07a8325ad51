"""Numbers, times and JSON as they are printed."""

import json
import math
from typing import Any

import pytest

from automl_tf.formatting import (
    format_amount,
    format_clock,
    format_count,
    format_counts,
    format_duration,
    format_json,
    format_list,
    format_loss,
    format_objective,
    format_plural,
    format_score,
    format_setting,
    format_size,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00123456, "0.00123"),
        (1e-5, "1e-05"),
        (0.1, "0.1"),
        (32_000, "32000"),
        (True, "true"),
        (False, "false"),
        ("pre", "pre"),
        (None, "None"),
    ],
)
def test_settings_read_as_in_yaml(value: Any, text: str) -> None:
    assert format_setting(value) == text


def test_losses_have_three_decimals() -> None:
    assert format_loss(1.23456) == "1.235"
    assert format_loss(None) == ""


def test_scores_have_two_decimals_and_a_minus_sign() -> None:
    assert format_score(31.456) == "31.46"
    assert format_score(-0.5) == "−0.50"
    assert format_score(None) == ""


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("bleu", 31.456, "31.46"),
        ("chrf", 50.0, "50.00"),
        ("num_parameters", 1_234_567.0, "1,234,567"),
        ("flops_per_token", 3e7, "30,000,000"),
        ("latency", 12.345, "12.35"),
        ("estimated_memory_mb", 1024.5, "1,024.50"),
        ("train_hours", 0.0004123, "0.000412"),
    ],
)
def test_amounts_have_the_digits_of_their_objective(name: str, value: float, text: str) -> None:
    assert format_amount(name, value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("bleu", 31.456, "31.46"),
        ("chrf", 50.0, "50.00"),
        ("num_parameters", 1_234_567.0, "1.2M"),
        ("flops_per_token", 3e7, "3e+07"),
        ("latency", 12.345, "12.3 ms"),
        ("estimated_memory_mb", 1024.5, "1,024 MB"),
        ("train_hours", 2.5, "2.5 h"),
    ],
)
def test_objectives_and_limits_have_their_unit(name: str, value: float, text: str) -> None:
    assert format_objective(name, value) == text


def test_lists() -> None:
    shown = [format_list(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])]
    assert shown == ["", "a", "a and b", "a, b and c"]


def test_counts() -> None:
    assert format_count(12_345) == "12,345"
    assert format_count(61.5) == "62"
    assert format_count(None) == ""
    assert format_size(850_000) == "850k"
    assert format_size(2_149_000) == "2.1M"
    assert format_plural(1, "trial") == "1 trial"
    assert format_plural(1200, "trial") == "1,200 trials"
    assert format_counts({"complete": 3, "pruned": 0, "failed": 1}) == "3 complete, 1 failed"


@pytest.mark.parametrize(
    ("seconds", "clock", "duration"),
    [
        (0, "0:00", "0 s"),
        (59.9, "0:59", "60 s"),
        (125, "2:05", "2 min"),
        (3725, "1:02:05", "62 min"),
        (7200, "2:00:00", "2.0 h"),
        (400_000, "111:06:40", "4.6 days"),
    ],
)
def test_times(seconds: float, clock: str, duration: str) -> None:
    assert format_clock(seconds) == clock
    assert format_duration(seconds) == duration


NOT_FINITE = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: value,
        lambda value: [1, value],
        lambda value: (value, 1),
        lambda value: {"a": value},
        lambda value: {"a": [{"b": {1: value}}]},
    ],
)
def test_json_never_holds_what_json_lacks(wrap: Any, number: float) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    for indent in (None, 1):
        text = format_json(wrap(number), indent)
        assert "null" in text
        json.loads(text, parse_constant=refuse)


def test_json_is_otherwise_pythons() -> None:
    value = {"a": [1, 2.5, True, None, "Straße"], "b": {3: 1e-9}}
    assert json.loads(format_json(value)) == json.loads(json.dumps(value))
