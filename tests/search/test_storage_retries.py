"""What counts as a database that is away, and what waiting for one comes to."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError

from automl_tf.errors import UserError
from automl_tf.search import retries as retrying
from automl_tf.search.retries import is_away, with_retries
from automl_tf.search.storage import default_url, open_storage


def caught(engine: sqlalchemy.Engine, query: str) -> Exception:
    """The error that a query ends with."""
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError) as info:
        connection.execute(sqlalchemy.text(query))
    return info.value


def test_a_locked_database_is_away_and_a_wrong_query_is_none(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    assert not is_away(caught(engine, "SELECT * FROM nowhere"))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    locked = caught(engine, "CREATE TABLE made (x)")
    holder.close()
    assert is_away(locked)
    wrapped = StorageInternalError("says nothing")
    wrapped.__cause__ = locked
    assert is_away(wrapped)
    assert not is_away(StorageInternalError("says nothing"))
    assert not is_away(ValueError("locked"))


def test_calls_are_repeated_until_the_database_answers(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    attempts = []

    def create() -> str:
        attempts.append(1)
        if len(attempts) == 3:
            holder.close()
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE made (x)"))
        return "made"

    assert with_retries(create) == "made"
    assert len(attempts) == 3
    with pytest.raises(sqlalchemy.exc.OperationalError, match="already exists"):
        with_retries(create)
    assert len(attempts) == 4


def test_patience_ends_with_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrying, "PATIENCE_SECONDS", 0.3)
    storage = open_storage(default_url(tmp_path), tmp_path)
    holder = sqlite3.connect(tmp_path / "studies.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def hurry(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=10")

    storage.engine.dispose()
    with pytest.raises(UserError, match="has not answered") as info:
        storage.get_all_studies()
    assert info.value.__cause__ is None
    holder.close()
    assert storage.get_all_studies() == []
