import numpy as np
import pytest

from automl_tf.config.settings import DataConfig
from automl_tf.data.filters import FilterReport, filter_by_length, filter_by_text
from automl_tf.errors import UserError

SOURCES = ["a", "", "a", "b", "c", "d", "e"]
TARGETS = ["A", "B", "A", "B", "C", "D", ""]
HELD_OUT = [(["c"], ["X"]), (["y"], ["D"])]


def test_each_pair_counts_once_under_the_first_reason() -> None:
    kept, report = filter_by_text(SOURCES, TARGETS, HELD_OUT, deduplicate=True)
    assert kept == [0, 3]
    assert report == FilterReport(kept=2, empty=2, duplicate=1, in_validation_or_test=2)


def test_repeated_and_leaked_pairs_stay_when_asked_for() -> None:
    kept, report = filter_by_text(SOURCES, TARGETS, HELD_OUT, deduplicate=False)
    assert kept == [0, 2, 3, 4, 5]
    assert report == FilterReport(kept=5, empty=2)


def test_length_and_ratio() -> None:
    data = DataConfig(max_length=10, max_ratio=2.0)
    source, target = np.array([10, 11, 4, 5, 2, 1]), np.array([5, 11, 10, 10, 4, 10])
    kept, report = filter_by_length(source, target, data, FilterReport(kept=6, empty=3))
    assert kept.tolist() == [0, 3, 4]
    assert report == FilterReport(kept=3, empty=3, too_long=1, ratio=2)


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
