"""Events as lines of text, among lines that are none."""

import math

import pytest

from automl_tf.search.events import (
    Event,
    Notice,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
    WorkerJoined,
    decode,
    encode,
)

EVENTS: list[Event] = [
    TrialStarted(3, {"model.d_model": 64, "model.norm": "pre"}, 12_345, 600, resumed=False),
    TrialProgress(3, 100, 4.25, 12_000.5),
    TrialValidated(3, 500, 31.25, 55.5),
    TrialEnded(3, "pruned", 31.25, "BLEU 3.00 at step 500\nby the median rule", 12.5),
    TrialEnded(4, "failed", None, None, 0.0),
    WorkerJoined("host:4711:1795361067"),
    StudyProgress({"complete": 1, "running": 1}, 1, [3], [], 1, 31.25),
    Notice('worker 1 died: "ümlaut" 漢字 \u2028 {}'),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line_that_is_read_back(event: Event) -> None:
    line = encode(event)
    assert len(line.splitlines()) == 1
    assert decode(line) == event
    assert decode(f"{line}\n") == event


def test_a_loss_that_is_no_number_is_told_as_such() -> None:
    event = decode(encode(TrialProgress(1, 2, math.nan, 3.0)))
    assert isinstance(event, TrialProgress)
    assert math.isnan(event.loss)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "GPU available: False",
        "5",
        "[]",
        "null",
        "{}",
        '"event"',
        '{"event": "Unknown"}',
        '{"event": "Notice"}',
        '{"event": "Notice", "text": "a", "more": 1}',
        '{"event": ["Notice"], "text": "a"}',
        '{"event": "Notice", "text": "a"',
    ],
)
def test_a_line_that_is_no_event_is_nothing(line: str) -> None:
    assert decode(line) is None
