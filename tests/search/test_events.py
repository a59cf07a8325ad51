"""Events as lines of text among other lines, and a writer whose reader may leave."""

import dataclasses
import math
import os
import pty
import threading
from pathlib import Path

import pytest

from automl_tf.search.events import (
    Event,
    EventWriter,
    LogMessage,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
    WorkerError,
    WorkerReady,
    decode,
    encode,
    worker_line,
)

EVENTS: list[Event] = [
    TrialStarted(3, {"model.d_model": 64, "model.norm": "pre"}, 12_345, 600, resumed=False),
    TrialProgress(3, 100, 4.25, 12_000.5),
    TrialValidated(3, 500, 31.25, 55.5),
    TrialEnded(3, "pruned", 31.25, "BLEU 3.00 at step 500\nby the median rule", 12.5),
    TrialEnded(4, "failed", None, None, 0.0),
    WorkerReady("host:4711:1795361067"),
    StudyProgress({"complete": 1, "running": 1}, 1, [3], [], 1, 31.25),
    WorkerError("The corpus is gone.", "Bring it back."),
    LogMessage('worker 1 died: "ümlaut" 漢字 \u2028 {}'),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_one_line_that_is_read_back(event: Event) -> None:
    line = encode(event)
    assert len(line.splitlines()) == 1
    assert decode(line) == event
    assert decode(f"{line}\n") == event


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(number: float) -> None:
    started = TrialStarted(1, {"a": [number]}, 1, 1, resumed=False)
    assert decode(encode(TrialProgress(1, 2, number, 3.0))) == TrialProgress(1, 2, None, 3.0)
    assert decode(encode(started)) == dataclasses.replace(started, params={"a": [None]})


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
        '{"event": "LogMessage"}',
        '{"event": "LogMessage", "text": "a", "more": 1}',
        '{"event": ["LogMessage"], "text": "a"}',
        '{"event": "LogMessage", "text": "a"',
    ],
)
def test_a_line_that_is_no_event_is_nothing(line: str) -> None:
    assert decode(line) is None


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_worker_prints_its_own_events_alone(event: Event) -> None:
    is_own = isinstance(event, LogMessage | WorkerError | WorkerReady)
    assert worker_line(event) == (encode(event) if is_own else None)


def line(event: Event) -> str:
    assert isinstance(event, LogMessage)
    return event.text


def test_lines_reach_the_reader_whole() -> None:
    reading, writing = os.pipe()
    writer = EventWriter(writing, line)
    texts = ["a", "\u6f22\u5b57", "b" * 200_000]
    threading.Thread(
        target=lambda: [*(writer.tell(LogMessage(text)) for text in texts), os.close(writing)]
    ).start()
    with os.fdopen(reading) as read:
        assert read.read().splitlines() == texts
    assert writer.listener_gone() is False


@pytest.mark.parametrize("told_before", [False, True])
def test_a_reader_that_has_left_is_noticed_without_and_with_a_line(*, told_before: bool) -> None:
    reading, writing = os.pipe()
    writer = EventWriter(writing, line)
    assert not writer.listener_gone()
    os.close(reading)
    if told_before:
        writer.tell(LogMessage("nobody hears"))
    assert writer.listener_gone()
    writer.tell(LogMessage("nobody hears"))
    os.close(writing)


def test_a_terminal_that_was_closed_has_no_reader() -> None:
    master, slave = pty.openpty()
    writer = EventWriter(slave, line)
    writer.tell(LogMessage("heard"))
    assert not writer.listener_gone()
    os.close(master)
    writer.tell(LogMessage("not heard"))
    assert writer.listener_gone()
    os.close(slave)


def test_a_reader_that_stands_still_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    writer = EventWriter(writing, line)
    for _ in range(100):
        writer.tell(LogMessage("x" * 4000))
    assert not writer.listener_gone()
    os.close(reading)
    os.close(writing)


def test_a_line_that_has_no_room_is_dropped() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a disk that is always full")
    full = os.open("/dev/full", os.O_WRONLY)
    writer = EventWriter(full, line)
    writer.tell(LogMessage("no room"))
    assert not writer.listener_gone()
    os.close(full)
    writer.tell(LogMessage("closed"))
    assert not writer.listener_gone()


def test_a_process_without_output_has_no_reader_to_lose() -> None:
    writer = EventWriter(None, line)
    writer.tell(LogMessage("nobody hears"))
    assert not writer.listener_gone()
