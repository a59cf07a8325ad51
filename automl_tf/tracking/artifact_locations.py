"""Artifacts of an MLflow database in a home directory: where they are after the home has moved.

MLflow writes absolute locations into its database and never changes them. Those that this program
has chosen follow the database: ``mlartifacts/EXPERIMENT`` beside it.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

ARTIFACTS = "mlartifacts"
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns of MLflow's database that hold locations of artifacts."""

_DEFAULT = "Default"
"""MLflow's own first experiment, whose artifacts it would keep in the folder of its creator."""
_DEFAULT_FOLDERS = ("mlruns", "0")
_LOCK_SECONDS = 30.0


def keep_beside(database: Path) -> None:
    """Corrects the locations of artifacts in an SQLite database whose directory has moved.

    Locations that a user has chosen stay, and so do those of a home directory that still exists and
    shares this database. A database that cannot be changed is MLflow's to report.
    """
    if not database.is_file():
        return
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(database, timeout=_LOCK_SECONDS)) as connection,
    ):
        moved = dict(_moved(connection, database.absolute().parent / ARTIFACTS))
        if not moved:
            return
        with connection:
            for old, new in moved.items():
                for table, column in LOCATIONS:
                    _replace_beginning(connection, table, column, old, new)


def _moved(connection: sqlite3.Connection, root: Path) -> Iterator[tuple[str, str]]:
    """Yields old and new location of each experiment whose artifacts are elsewhere now."""
    for name, location in connection.execute("SELECT name, artifact_location FROM experiments"):
        old, new = _path(location), root / name
        if old is None or old == new:
            continue
        if old.parts[-2:] == (ARTIFACTS, name):
            is_moved = new.is_dir() or not old.parent.parent.exists()
        else:
            is_moved = name == _DEFAULT and old.parts[-2:] == _DEFAULT_FOLDERS and not old.exists()
        if is_moved:
            yield location, new.as_uri()


def _path(location: str | None) -> Path | None:
    """Returns the local path of a location; None if it is elsewhere."""
    parts = urlsplit(location or "")
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    # Without a scheme it is a path, in which nothing is encoded.
    return Path(unquote(parts.path) if parts.scheme else location or "")


def _replace_beginning(
    connection: sqlite3.Connection, table: str, column: str, old: str, new: str
) -> None:
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names of ours
        f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
        (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
    )
