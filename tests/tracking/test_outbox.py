import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from automl_tf.tracking.client import RunKey, TrackingTarget, find_targets, is_server
from automl_tf.tracking.outbox import (
    Corpus,
    EndRun,
    ExperimentNote,
    File,
    Journal,
    Metrics,
    Operation,
    Rename,
    RunState,
    Samples,
    StartRun,
    Tags,
    Text,
    written_keys,
)
from automl_tf.tracking.sender import Delivered, DeliveryCursor
from tests.tracking.conftest import STUDY_ID

KEY = RunKey("trial", "7")
OPERATIONS = [
    StartRun("trial 7 · d256", {"model.d_model": "256"}, {"seed": "1"}),
    Metrics([["loss", 0.1, 5, 1_700_000_000_000]]),
    Tags({"a": "ü"}),
    ExperimentNote("# story\n"),
    Rename("trial 7 · 31.4"),
    Text("two\nlines", "a.txt"),
    File("/x/y.png"),
    Samples(10, [{"source": "東京", "bleu": 1.5}]),
    Corpus("files en-de", "ab12", {"kind": "files"}, {"train": 29_000}),
    EndRun(RunState.PRUNED, "below the median"),
]


@pytest.fixture
def target(tmp_path: Path) -> TrackingTarget:
    return TrackingTarget.of_study(tmp_path, "toy", STUDY_ID)


def operations(journal: Journal, start: int = 0) -> list[Operation]:
    return [operation for operation, _ in journal.read(start)]


def test_a_journal_is_read_on_from_any_entry(target: TrackingTarget) -> None:
    journal = Journal(target, KEY)
    for operation in OPERATIONS:
        journal.append(operation)
    assert operations(journal) == OPERATIONS
    for number, (_, end) in enumerate(journal.read(0), start=1):
        assert operations(journal, end) == OPERATIONS[number:]
    assert written_keys(target) == [KEY]


def test_infinite_and_missing_numbers_survive(target: TrackingTarget) -> None:
    journal = Journal(target, KEY)
    journal.append(Metrics([("a", math.nan, 1, 1), ("b", -math.inf, 1, 1)]))
    ((read, _),) = journal.read(0)
    assert math.isnan(read.points[0][1])
    assert read.points[1][1] == -math.inf


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "{}", '{"operation": "Nothing"}', "7", '{"operation": "Rename"}', "ü\xff"],
)
def test_a_line_without_an_operation_costs_itself_alone(target: TrackingTarget, line: str) -> None:
    journal = Journal(target, KEY)
    journal.append(OPERATIONS[0])
    with journal.path.open("ab") as file:
        file.write(f"{line}\n".encode("latin-1"))
    journal.append(OPERATIONS[1])
    assert operations(journal) == OPERATIONS[:2]


def test_a_torn_line_costs_itself_alone(target: TrackingTarget) -> None:
    first = Journal(target, KEY)
    first.append(OPERATIONS[0])
    with first.path.open("a") as file:
        file.write("torn")
    assert operations(first) == OPERATIONS[:1]
    second = Journal(target, KEY)
    second.append(OPERATIONS[1])
    assert operations(second) == OPERATIONS[:2]


@pytest.mark.parametrize(
    "key", [RunKey("study"), KEY, RunKey("trial", "7", 2), RunKey("training", "a-1.2")]
)
def test_a_key_is_read_back_from_its_name(key: RunKey, target: TrackingTarget) -> None:
    Journal(target, key)
    assert RunKey.parse(str(key)) == key
    assert written_keys(target) == [key]


def test_no_two_keys_have_the_same_tags_or_file() -> None:
    keys = [
        RunKey("study"),
        *(RunKey("trial", str(number), attempt) for number in (1, 2, 12) for attempt in (1, 2)),
        *(RunKey("training", label) for label in ("1", "2", "1.2")),
    ]
    assert len({str(key) for key in keys}) == len(keys)
    assert len({json.dumps(key.tags) for key in keys}) == len(keys)


def test_a_password_makes_no_other_server(target: TrackingTarget) -> None:
    plain = replace(target, tracking_uri="https://mlflow.example")
    same = replace(target, tracking_uri="https://ann:s3cret@mlflow.example")
    others = [
        replace(target, tracking_uri=uri)
        for uri in (
            "https://ann:s3cret@elsewhere.example",
            "postgresql://ann:with/slash@one/db",
            "postgresql://ann:with/slash@two/db",
        )
    ]
    target.outbox.mkdir(parents=True)
    DeliveryCursor(same, KEY).write(Delivered(7, "abc"))
    assert DeliveryCursor(plain, KEY).read() == Delivered(7, "abc")
    assert len({other.server for other in (plain, *others)}) == 1 + len(others)
    for other in others:
        assert DeliveryCursor(other, KEY).read() == Delivered()


def test_a_home_keeps_its_own_runs(tmp_path: Path) -> None:
    where = TrackingTarget.of_study(tmp_path, "toy", STUDY_ID)
    assert where.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert where.artifact_root == tmp_path / "mlartifacts"
    assert where.outbox == tmp_path / "studies" / f"toy-{STUDY_ID[:8]}" / "outbox"
    assert not is_server(where.tracking_uri)


def test_a_server_decides_where_artifacts_lie(tmp_path: Path) -> None:
    where = TrackingTarget.of_training(tmp_path, "toy", STUDY_ID, "toy-1", "https://mlflow.example")
    assert where.artifact_root is None
    assert where.outbox == tmp_path / "training" / "toy-1" / "outbox"


def test_the_outboxes_of_a_name_are_found_and_no_others(tmp_path: Path) -> None:
    ids = (STUDY_ID, STUDY_ID[::-1])
    wanted = [TrackingTarget.of_study(tmp_path, "toy", study_id) for study_id in ids]
    wanted.append(TrackingTarget.of_training(tmp_path, "toy", STUDY_ID, "toy-1234"))
    others = [
        TrackingTarget.of_study(tmp_path, "toy-0123abcd", STUDY_ID),
        TrackingTarget.of_study(tmp_path, "toys", STUDY_ID),
        TrackingTarget.of_training(tmp_path, "to", STUDY_ID, "to-1234"),
    ]
    for target in (*wanted, *others):
        Journal(target, KEY)
    found = find_targets(tmp_path, "toy")
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert find_targets(tmp_path, "nobody") == find_targets(tmp_path / "nowhere", "toy") == []
