import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from automl_tf.home import HomeDirectory
from automl_tf.tracking.client import TrackingTarget, connect

STUDY_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, as making them takes a second or two."""
    home = tmp_path_factory.mktemp("store")
    connect(HomeDirectory(home).tracking_uri)
    return home / "mlflow.db"


@pytest.fixture
def local(tmp_path: Path, empty_store: Path) -> TrackingTarget:
    """A study whose runs go to a database in a home directory."""
    where = TrackingTarget.of_study(tmp_path / "home", "toy", STUDY_ID)
    (tmp_path / "home").mkdir()
    shutil.copy(empty_store, tmp_path / "home" / "mlflow.db")
    return where


class Server:
    """A real MLflow server that can be stopped and started again on the same store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        store = f"sqlite:///{self.directory / 'server.db'}"
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", store]
        command += ["--artifacts-destination", str(self.directory / "artifacts")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.directory, stdout=log, stderr=log
            )
        for _ in range(600):
            try:
                with urlopen(f"{self.url}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.directory / "server.log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture
def server(tmp_path: Path, empty_store: Path) -> Iterator[Server]:
    directory = tmp_path / "server"
    directory.mkdir()
    shutil.copy(empty_store, directory / "server.db")
    server = Server(directory)
    yield server
    server.stop()
