"""MLflow's own database, created by processes that die."""

import multiprocessing
import time
from pathlib import Path

import pytest

from automl_tf.tracking.client import connect


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
