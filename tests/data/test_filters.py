import dataclasses
import random

import numpy as np
import pytest

from automl_tf.config.settings import DataConfig
from automl_tf.data.filters import FilterReport, filter_by_length, filter_by_text
from automl_tf.data.pairs import Chunk
from automl_tf.errors import UserError

SOURCES = ["a", "", "a", "b", "c", "d", "e"]
TARGETS = ["A", "B", "A", "B", "C", "D", ""]
HELD_OUT = [Chunk(["c"], ["X"]), Chunk(["y"], ["D"])]


def filtered(*, deduplicate: bool, pieces: int = 3):
    chunks = [
        Chunk(SOURCES[start : start + pieces], TARGETS[start : start + pieces])
        for start in range(0, len(SOURCES), pieces)
    ]
    kept, report = filter_by_text(chunks, HELD_OUT, deduplicate=deduplicate)
    return np.flatnonzero(kept).tolist(), report


@pytest.mark.parametrize("pieces", [1, 2, 3, 100])
def test_each_pair_counts_once_under_the_first_reason(pieces: int) -> None:
    kept, report = filtered(deduplicate=True, pieces=pieces)
    assert kept == [0, 3]
    assert report == FilterReport(kept=2, empty=2, duplicate=1, in_validation_or_test=2)


def test_repeated_and_leaked_pairs_stay_when_asked_for() -> None:
    kept, report = filtered(deduplicate=False)
    assert kept == [0, 2, 3, 4, 5]
    assert report == FilterReport(kept=5, empty=2)


def test_the_same_pairs_stay_as_by_comparing_them_one_by_one() -> None:
    rng = random.Random(3)
    pairs = [(rng.choice("abcdef "), rng.choice("ABCDEF ")) for _ in range(500)]
    pairs = [(source.strip(), target.strip()) for source, target in pairs]
    expected, seen = [], set()
    for number, (source, target) in enumerate(pairs):
        if source and target and (source, target) not in seen and source != "c" and target != "D":
            expected.append(number)
            seen.add((source, target))
    chunk = Chunk(*map(list, zip(*pairs, strict=True)))
    kept, report = filter_by_text([chunk], HELD_OUT, deduplicate=True)
    assert np.flatnonzero(kept).tolist() == expected
    assert report.kept == len(expected)
    assert report.kept + sum(report.left_out.values()) == len(pairs)


def test_length_and_ratio() -> None:
    data = DataConfig(max_length=10, max_ratio=2.0)
    source, target = np.array([10, 11, 4, 5, 2, 1]), np.array([5, 11, 10, 10, 4, 10])
    kept, report = filter_by_length(source, target, data, FilterReport(kept=6, empty=3))
    assert kept.tolist() == [0, 3, 4]
    assert report == FilterReport(kept=3, empty=3, too_long=1, ratio=2)
    more = filter_by_length(source, target, data, dataclasses.replace(report, kept=3 + 6))[1]
    assert more == FilterReport(kept=6, empty=3, too_long=2, ratio=4)


@pytest.mark.parametrize(
    ("counts", "key"),
    [
        ({"empty": 5}, "corpus.train"),
        ({"duplicate": 1, "in_validation_or_test": 5}, "data.deduplicate"),
        ({"empty": 2, "too_long": 5}, "data.max_length"),
        ({"ratio": 5}, "data.max_ratio"),
    ],
)
def test_nothing_left_names_the_counts_and_the_setting(counts: dict[str, int], key: str) -> None:
    report = FilterReport(kept=0, **counts)
    with pytest.raises(UserError, match=f"All {sum(counts.values())} training pairs") as error:
        report.demand_some()
    assert all(str(count) in str(error.value) for count in counts.values())
    assert error.value.place is not None
    assert error.value.place.key == key


def test_something_left_is_enough() -> None:
    FilterReport(kept=1, empty=1000).demand_some()
