"""Opening databases, and never telling a password."""

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy

from automl_tf.errors import UserError
from automl_tf.search.storage import (
    another_view,
    claiming,
    default_url,
    open_for_reading,
    open_storage,
)
from tests.search.making import PATIENCE_SECONDS, bench, definition, new_home, processes

SECRET = "s3cr3t"
NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@{NOWHERE}/db",
        f"postgresql+psycopg2://user:{SECRET}@{NOWHERE}/db",
        f"postgresql://user:{SECRET}%40more@{NOWHERE}/db",
        f"postgresql://user:some@{SECRET}@{NOWHERE}/db",
        f"postgresql://user:some/{SECRET}@{NOWHERE}/db",
        f"postgresql://user:{SECRET}@host:port/db",
        f"postgresql://{NOWHERE}/db?password={SECRET}",
        f"postgresql://{NOWHERE}/db?user=u&password={SECRET}&unknown=1",
        f"mysql://user:{SECRET}@host/db",
        f"user:{SECRET}@host/db",
        f"http://user:{SECRET}@host/",
        f"file:x?password={SECRET}",
    ],
)
def test_an_error_of_a_url_never_shows_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError) as caught:
        open_storage(url, tmp_path)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.place.key == "--storage"


@pytest.mark.parametrize("url", ["", "studies.db", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_database_on_disk_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="sqlite:///PATH"):
        open_storage(url, tmp_path)


def test_a_database_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, but a text of some length\n" * 50, encoding="utf-8")
    for path in (broken, tmp_path / "nowhere" / "studies.db"):
        with pytest.raises(UserError, match="cannot be opened"):
            open_storage(f"sqlite:///{path}", tmp_path)


def test_the_homes_database_is_made_and_found_again(tmp_path: Path) -> None:
    home = tmp_path / "a home" / "runs"
    storage = open_storage(default_url(home), home)
    optuna.create_study(study_name="made", storage=storage)
    again = open_storage(default_url(home), home)
    assert optuna.get_all_study_names(again) == ["made"]
    assert (home / "studies.db").is_file()


def test_transactions_take_the_write_lock_when_they_begin(tmp_path: Path) -> None:
    storage = open_storage(default_url(tmp_path), tmp_path)
    with storage.engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("PRAGMA journal_mode")).scalar() == "wal"
        connection.rollback()
        connection.begin()
        other = sqlite3.connect(tmp_path / "studies.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        connection.rollback()
        other.execute("BEGIN IMMEDIATE")
        other.close()


def count_alone(home: Path, barrier: Any) -> None:
    """Reads a number and writes the next: were anyone else at it, some would be lost."""
    barrier.wait(PATIENCE_SECONDS)
    storage = open_storage(default_url(home), home)
    counter = home / "counter"
    barrier.wait(PATIENCE_SECONDS)
    for _ in range(20):
        with claiming(storage, "made"):
            count = int(counter.read_text()) if counter.exists() else 0
            time.sleep(0.001)
            counter.write_text(str(count + 1))


def test_processes_create_a_database_at_once_and_hold_its_lock_alone(tmp_path: Path) -> None:
    context = processes()
    barrier = context.Barrier(3)
    crew = [context.Process(target=count_alone, args=(tmp_path, barrier)) for _ in range(3)]
    for process in crew:
        process.start()
    for process in crew:
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
    assert (tmp_path / "counter").read_text() == "60"


def test_another_view_may_read_while_this_one_claims(tmp_path: Path) -> None:
    worker = bench(new_home(tmp_path), definition())
    view = another_view(worker.study, tmp_path)
    answered = threading.Event()

    def claim() -> None:
        with claiming(worker.storage, worker.study.study_name):
            threading.Thread(target=view.get_trials, daemon=True).start()
            time.sleep(1.0)  # it waits for the database by now, and holds its cache
            worker.study.get_trials()
            answered.set()

    threading.Thread(target=claim, daemon=True).start()
    assert answered.wait(PATIENCE_SECONDS / 10)


def test_a_database_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    open_storage(default_url(tmp_path), tmp_path).engine.dispose()
    url = f"sqlite:///file:{tmp_path}/studies.db?mode=ro&uri=true"
    with pytest.raises(UserError, match=r"cannot be written: .*readonly.*--storage"):
        open_storage(url, tmp_path)


def test_a_home_that_is_read_only_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = bench(tmp_path / "home", definition()).study
    before = {path: path.read_bytes() for path in (tmp_path / "home").iterdir() if path.is_file()}
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    storage = open_for_reading(default_url(tmp_path / "home"), tmp_path / "home")
    assert optuna.get_all_study_names(storage) == [study.study_name]
    assert Path(str(storage.engine.url.database)).parent != tmp_path / "home"
    assert {path: path.read_bytes() for path in before} == before
