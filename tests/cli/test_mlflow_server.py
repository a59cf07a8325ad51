"""A study on a tracking server that asks for a password, lies on PostgreSQL and goes away."""

import contextlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from werkzeug.security import generate_password_hash

from automl_tf.tracking.client import STUDY_ID_TAG, find_targets
from benchmarks.servers import MLflowServer, PostgreSQL
from tests.cli.agreement import assert_mlflow_agrees
from tests.cli.studies import FIXED, board, run, write_study
from tests.conftest import write_reversal

AWAY_SECONDS = 3.0
SPACE = {
    "data.max_length": {"choices": [2, 32]},
    "training.learning_rate": {"low": 1e-6, "high": 2e-2, "log": True},
}
# Of the first all pairs are too long; the second hardly moves; the third learns.
FIRST = [
    {"data.max_length": 2, "training.learning_rate": 1e-2},
    {"data.max_length": 32, "training.learning_rate": 1e-6},
    {"data.max_length": 32, "training.learning_rate": 1e-2},
]


@pytest.fixture(scope="module")
def server(
    postgresql_server: PostgreSQL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MLflowServer]:
    pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed")
    database = f"mlflow_{secrets.token_hex(4)}"
    postgresql_server.create(database)
    folder = tmp_path_factory.mktemp("server")
    server = MLflowServer(folder, postgresql_server.url(database), secrets.token_urlsafe())
    server.start()
    make_hash_cheap(folder / "basic_auth.db", server.password)
    yield server
    server.stop()


def make_hash_cheap(database: Path, password: str) -> None:
    """Saves the tests the 0.1 s that MLflow spends on its password's hash at each request."""
    cheap = generate_password_hash(password, "pbkdf2:sha256:1")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute("UPDATE users SET password_hash = ?", (cheap,)).rowcount == 1


@pytest.fixture(scope="module")
def told(server: MLflowServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A study by two workers, in the middle of which the server was away."""
    folder = tmp_path_factory.mktemp("told")
    home = folder / "home"
    fixed = {name: value for name, value in FIXED.items() if name not in SPACE}
    study = write_study(
        folder,
        write_reversal(folder, shortest=3),
        space=SPACE,
        start_with=FIRST,
        fixed={**fixed, "model.d_model": 32, "model.num_heads": 2, "training.max_steps": 90},
        pruner={"kind": "threshold", "lower": 0.5, "warmup_steps": 60},
    )
    search = start_search(study, home, server, "--workers", "2")
    lines = []
    outage: threading.Thread | None = None
    for line in search.stdout:
        lines.append(line)
        if " step 30:" in line and outage is None:
            outage = threading.Thread(target=go_away, args=(server,))
            outage.start()
    assert search.wait(120) == 0, "".join(lines)
    assert outage is not None
    outage.join()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in access(server, home).items():
            patch.setenv(name, value)
        synced = run("sync", "tour", home=home)
        assert "has all 4 runs" in synced
        yield {"home": home, "output": "".join(lines) + synced, "board": board(home)}


def access(server: MLflowServer, home: Path) -> dict[str, str]:
    return {
        "AUTOML_TF_HOME": str(home),
        "AUTOML_TF_TRACKING": server.url,
        "MLFLOW_TRACKING_USERNAME": "admin",
        "MLFLOW_TRACKING_PASSWORD": server.password,
    }


def start_search(
    study: Path, home: Path, server: MLflowServer, *words: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "automl_tf", "search", str(study), *words],
        env={**os.environ, **access(server, home), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def go_away(server: MLflowServer) -> None:
    server.stop()
    time.sleep(AWAY_SECONDS)
    server.start()


@pytest.mark.slow
@pytest.mark.postgresql
def test_the_server_has_all_of_a_study_though_it_was_away(
    told: dict[str, Any], server: MLflowServer
) -> None:
    found = told["board"]
    assert found["counts"] == {"complete": 1, "pruned": 1, "failed": 1, "running": 0, "waiting": 0}
    assert [trial["state"] for trial in found["trials"]] == ["failed", "pruned", "complete"]
    assert "filtered away" in found["trials"][0]["reason"]
    assert "0.5" in found["trials"][1]["reason"]
    client = mlflow.MlflowClient(server.url)
    assert_mlflow_agrees(found, client)
    assert found["mlflow"]["tracking_uri"] == server.url


@pytest.mark.slow
@pytest.mark.postgresql
def test_a_local_store_gets_the_same(told: dict[str, Any], tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert "has all 4 runs" in run("sync", "tour", "--tracking", uri, home=told["home"])
    found = told["board"]
    assert_mlflow_agrees(found, mlflow.MlflowClient(uri))


@pytest.mark.slow
@pytest.mark.postgresql
def test_the_password_is_nowhere(
    told: dict[str, Any], server: MLflowServer, tmp_path: Path
) -> None:
    home, password = told["home"], server.password
    assert password not in told["output"]
    embedded = server.url.replace("://", f"://admin:{password}@")
    answer = run("sync", "tour", "--tracking", embedded, home=home)
    assert "has all 4 runs" in answer
    assert password not in answer
    assert len(list(home.glob("studies/tour-*/summary/best.yaml"))) == 1
    for file in home.rglob("*"):
        if file.is_file():
            assert password.encode() not in file.read_bytes(), file
    client = mlflow.MlflowClient(server.url)
    for found in client.search_runs([client.get_experiment_by_name("tour").experiment_id]):
        assert password not in str(found.to_dictionary())


@pytest.mark.slow
@pytest.mark.postgresql
def test_without_the_password_nothing_is_lost(
    told: dict[str, Any], server: MLflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    other = server.url.replace("127.0.0.1", "localhost")
    said = run("sync", "tour", "--tracking", other, home=told["home"], code=2)
    assert "Nothing is lost" in said
    assert "401" in said or "Unauthorized" in said or "authenticated" in said


@pytest.mark.slow
@pytest.mark.postgresql
def test_two_studies_of_one_name_are_searched_at_once_and_share_no_run(
    server: MLflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two homes with a database each, whose studies differ in their seed alone."""
    homes = [tmp_path / name for name in ("left", "right")]
    searches = []
    for seed, home in enumerate(homes):
        home.mkdir()
        study = write_study(home, write_reversal(home), name="twin", seed=seed)
        searches.append(start_search(study, home, server))
    outputs = [search.communicate(timeout=600)[0] for search in searches]
    assert [search.returncode for search in searches] == [0, 0], outputs

    for name, value in access(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    for home in homes:  # on a slow machine a search ends before all has arrived
        assert "has all 4 runs" in run("sync", "twin", home=home)
    client = mlflow.MlflowClient(server.url)
    runs = client.search_runs([client.get_experiment_by_name("twin").experiment_id])
    owners = [owner.study_id for home in homes for owner in find_targets(home, "twin")]
    assert len(set(owners)) == len(owners) == 2
    assert sorted(run.data.tags[STUDY_ID_TAG] for run in runs) == sorted(4 * owners)
    parents = [run.info for run in runs if run.data.tags["automl_tf.kind"] == "study"]
    assert max(run.start_time for run in parents) < min(run.end_time for run in parents)
    for home, owner in zip(homes, owners, strict=True):
        found = board(home, "twin")
        assert found["counts"]["complete"] == 3
        assert_mlflow_agrees(found, client, f"tags.\"{STUDY_ID_TAG}\" = '{owner}'")
        (parent,) = [run.run_id for run in parents if run.run_id == found["mlflow"]["run_id"]]
        kept = client.download_artifacts(parent, "leaderboard.json", str(home))
        assert json.loads(Path(kept).read_text(encoding="utf-8"))["trials"] == found["trials"]
