import math
from pathlib import Path

import pytest

from automl_tf.tracking.home import RunKey
from automl_tf.tracking.journal import Journal, written_keys
from automl_tf.tracking.operations import (
    Begin,
    Corpus,
    End,
    ExperimentNote,
    File,
    Metrics,
    Rename,
    RunState,
    Samples,
    Tags,
    Text,
    decode,
    encode,
)

KEY = RunKey("trial", "7")
OPERATIONS = [
    Begin("trial 7 · d256", {"model.d_model": "256"}, {"seed": "1"}),
    Metrics([["loss", 0.1, 5, 1_700_000_000_000]]),
    Tags({"a": "ü"}),
    ExperimentNote("# story\n"),
    Rename("trial 7 · 31.4"),
    Text("two\nlines", "a.txt"),
    File("/x/y.png", "plots"),
    Samples(10, [{"source": "東京", "bleu": 1.5}]),
    Corpus("files en-de", "ab12", {"kind": "files"}, {"train": 29_000}),
    End(RunState.PRUNED, "below the median"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_an_operation_survives_the_journal(operation) -> None:
    line = encode(operation)
    assert "\n" not in line
    assert decode(line) == operation


def test_infinite_and_missing_numbers_survive() -> None:
    points = decode(encode(Metrics([("a", math.nan, 1, 1), ("b", -math.inf, 1, 1)]))).points
    assert math.isnan(points[0][1])
    assert points[1][1] == -math.inf


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"operation": "Nothing"}', "7"])
def test_a_line_without_an_operation_is_told_apart(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(line)


def test_a_journal_is_read_on_from_any_operation(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "outbox", KEY)
    for operation in OPERATIONS:
        journal.append(operation)
    entries = list(journal.entries(0))
    assert [entry.operation for entry in entries] == OPERATIONS
    for number, entry in enumerate(entries, start=1):
        assert [later.operation for later in journal.entries(entry.end)] == OPERATIONS[number:]
    assert written_keys(tmp_path / "outbox") == [KEY]


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    first = Journal(tmp_path, KEY)
    first.append(OPERATIONS[0])
    with first.path.open("a") as file:
        file.write(encode(OPERATIONS[1])[:20])
    assert [entry.operation for entry in first.entries(0)] == OPERATIONS[:1]
    second = Journal(tmp_path, KEY)
    second.append(OPERATIONS[2])
    assert [entry.operation for entry in second.entries(0)] == [OPERATIONS[0], OPERATIONS[2]]


@pytest.mark.parametrize("key", [RunKey("study", "multi30k-en.de"), KEY, RunKey("training", "a-1")])
def test_a_key_is_read_back_from_its_name(key: RunKey, tmp_path: Path) -> None:
    Journal(tmp_path, key)
    assert RunKey.parse(str(key)) == key
    assert written_keys(tmp_path) == [key]
