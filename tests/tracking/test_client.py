"""MLflow's own database: created by processes that die, and ailing while it is written to."""

import contextlib
import multiprocessing
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from automl_tf.tracking.client import SQLITE, connect

LOGGING = """
import sys
from automl_tf.tracking.client import connect

try:
    connect(sys.argv[1]).log_metric(sys.argv[2], "val_bleu", 1.0)
except Exception as error:
    print("raised", type(error).__name__)
"""


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
    client = connect(f"{SQLITE}{database}")
    run = client.create_run(client.create_experiment("toy"))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("DROP TABLE latest_metrics")
    words = [sys.executable, "-c", LOGGING, f"{SQLITE}{database}", run.info.run_id]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("raised MlflowException\n", "")
