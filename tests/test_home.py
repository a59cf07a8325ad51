"""Paths of any name as URLs of databases, and what cannot be written."""

import random
from pathlib import Path

import pytest
import sqlalchemy

from automl_tf.errors import UserError
from automl_tf.home import (
    HomeDirectory,
    absolute_url,
    check_output_file,
    create_directory,
    expanded,
    sqlite_file,
)

ODD = " %?#&=+;:@'\"\\()[]{}*~$!|<>^`,.-_äß語🙂\n\t"


def odd_names(count: int) -> list[str]:
    """Names of folders that mean something in URLs, globs, shells or templates."""
    rng = random.Random(15)
    made = ["".join(rng.choice(f"{ODD}aZ09") for _ in range(rng.randint(1, 12))) for _ in range(60)]
    given = [
        "what?",
        "100%25",
        "%3F",
        "a%2Fb",
        "a#b?c=d&e",
        "a::b",
        "x://y"[:2],
        "?",
        "%",
        "{name}",
    ]
    return [*given, *made][:count]


@pytest.mark.parametrize("name", [name for name in odd_names(70) if name.strip(". ")])
def test_a_database_is_in_the_directory_of_its_name_and_nowhere_else(
    tmp_path: Path, name: str
) -> None:
    home = tmp_path / "homes" / name
    home.mkdir(parents=True)
    for url, file in (
        (HomeDirectory(home).storage_url, home / "studies.db"),
        (HomeDirectory(home).tracking_uri, home / "mlflow.db"),
    ):
        assert sqlite_file(url) == file
        assert absolute_url(url) == url
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE made (x INTEGER)"))
        engine.dispose()
        assert file.stat().st_size > 0
    assert list((tmp_path / "homes").iterdir()) == [home]


def test_plain_paths_keep_the_urls_that_they_always_had() -> None:
    home = HomeDirectory(Path("/data/my läufe #1"))
    assert home.storage_url == "sqlite:////data/my läufe #1/studies.db"
    assert home.tracking_uri == "sqlite:////data/my läufe #1/mlflow.db"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sqlite:///ml.db", "{here}/ml.db"),
        ("sqlite:///./sub/ml.db", "{here}/sub/ml.db"),
        ("sqlite+pysqlite:///ml.db", "{here}/ml.db"),
        ("sqlite:///~/ml.db", "{home}/ml.db"),
        ("sqlite:///a%3Fb.db", "{here}/a?b.db"),
        ("sqlite:////data/ml.db", "/data/ml.db"),
    ],
)
def test_a_relative_database_is_the_same_one_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ann")
    url = absolute_url(typed)
    monkeypatch.chdir("/")
    assert sqlite_file(url) == Path(meant.format(here=tmp_path, home="/home/ann"))
    assert absolute_url(f"{typed}?timeout=5") == f"{absolute_url(typed)}?timeout=5"


@pytest.mark.parametrize(
    "url",
    [
        *("http://mlflow:5000", "postgresql://ann@db/x?y=1", "databricks", "", "mlruns"),
        *("sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=ro&uri=true"),
    ],
)
def test_what_names_no_file_is_left_as_it_is(url: str) -> None:
    assert sqlite_file(url) is None
    assert absolute_url(url) == url


def test_a_home_directory_that_no_shell_has_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ann")
    assert expanded(Path("~/runs")) == Path("/home/ann/runs")
    assert expanded(Path("runs/~")) == Path("runs/~")
    with pytest.raises(UserError, match="without ~"):
        expanded(Path("~nobody-of-this-name/runs"))
    (tmp_path / "~").mkdir()
    assert expanded(Path("~/runs")) == Path("~/runs")


@pytest.mark.parametrize(
    "where", ["file", "file/below", "file/far/below", "/proc/below", "x" * 300]
)
def test_what_cannot_be_written_is_told_with_the_option(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written: .*\. Name another place with --home"):
        create_directory(tmp_path / where, "--home")
    with pytest.raises(UserError, match=r"cannot be written: .*with --output"):
        check_output_file(tmp_path / where / "report.html", "--output")


def test_a_directory_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Is a directory"):
        check_output_file(tmp_path, "--output")


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    output = tmp_path / "new" / "report.html"
    check_output_file(output, "--output")
    assert list(output.parent.iterdir()) == []
    output.write_text("before")
    check_output_file(output, "--output")
    assert output.read_text() == "before"
