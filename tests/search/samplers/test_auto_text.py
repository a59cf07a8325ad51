"""What is known of a corpus."""

import pytest

from automl_tf.search.samplers.text import Text


@pytest.mark.parametrize(
    ("languages", "outward"),
    [
        (("en", "de"), 0.5),
        (("eng", "deu"), 0.5),
        (("zh-Hans", "en_GB"), -0.5),
        (("de", "fr"), 0.0),
        (("en-GB", "en-US"), 0.0),
        (("enm", "de"), 0.0),  # Middle English
        (None, 0.0),
    ],
)
def test_english_tells_the_direction(languages: tuple[str, str] | None, outward: float) -> None:
    assert Text(1000, languages).outward == outward


def test_sizes_count_in_tenfolds() -> None:
    assert [Text(pairs).decades for pairs in (10_000, None, 1_000_000)] == [-1, 0, 1]
