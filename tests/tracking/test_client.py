"""MLflow's settings; its database, created by processes that die and ailing when written to."""

import contextlib
import json
import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_tf.home import sqlite_url
from automl_tf.tracking.client import (
    MLFLOW_VARIABLE,
    TRACKING_VARIABLE,
    configure_mlflow,
    connect,
    tracking_uri,
)

LOGGING = """
import sys
from automl_tf.tracking.client import configure_mlflow, connect

configure_mlflow()
try:
    connect(sys.argv[1]).log_metric(sys.argv[2], "val_bleu", 1.0)
except Exception as error:
    print("raised", type(error).__name__)
"""

IMPORTING = """
import json
import logging
import os
import sys

before = dict(os.environ)
levels = {name: logging.getLogger(name).level for name in ("mlflow", "mlflow.store.db.utils", "")}
import automl_tf.tracking.client
import automl_tf.tracking.outbox
import automl_tf.tracking.registry
import automl_tf.tracking.runs
import automl_tf.tracking.sender
import automl_tf.tracking.ui
print(json.dumps({
    "mlflow": "mlflow" in sys.modules,
    "environment": dict(os.environ) == before,
    "levels": levels == {name: logging.getLogger(name).level for name in levels},
}))
automl_tf.tracking.client.connect(sys.argv[1])
print(json.dumps([
    name for name in os.environ if name.startswith("MLFLOW") and name not in before
]))
"""


def test_importing_imports_no_mlflow_and_leaves_its_settings_alone(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    words = [sys.executable, "-c", IMPORTING, sqlite_url(tmp_path / "mlflow.db")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=clean)
    imported, connected = done.stdout.splitlines()
    assert json.loads(imported) == {"mlflow": False, "environment": True, "levels": True}
    assert json.loads(connected) == []


def test_a_users_own_settings_of_mlflow_win(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    configure_mlflow()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert not logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.ERROR)


def test_the_tracking_uri_is_the_option_else_the_environment_else_the_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (TRACKING_VARIABLE, MLFLOW_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert tracking_uri(None, tmp_path) == sqlite_url(tmp_path / "mlflow.db")
    monkeypatch.setenv(MLFLOW_VARIABLE, "http://mlflow:1")
    assert tracking_uri(None, tmp_path) == "http://mlflow:1"
    monkeypatch.setenv(TRACKING_VARIABLE, "http://ours:2")
    assert tracking_uri(None, tmp_path) == "http://ours:2"
    assert tracking_uri("http://given:3", tmp_path) == "http://given:3"


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.1, 0.4, 0.7, 1.0])
def test_a_killed_creation_leaves_a_database_that_opens(tmp_path: Path, moment: float) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    process = multiprocessing.get_context("spawn").Process(target=connect, args=(uri,))
    process.start()
    while process.is_alive() and not any(tmp_path.rglob("*.db")):
        time.sleep(0.01)
    time.sleep(moment)
    process.kill()
    process.join()
    client = connect(uri)
    assert client.create_experiment("toy")
    assert client.get_experiment_by_name("toy") is not None


def test_an_ailing_database_is_told_by_the_error_alone(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    client = connect(sqlite_url(database))
    run = client.create_run(client.create_experiment("toy"))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE latest_metrics")
    words = [sys.executable, "-c", LOGGING, sqlite_url(database), run.info.run_id]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("raised MlflowException\n", "")
