"""Workers on the nodes of a real Ray cluster, one of which is lost."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from automl_tf.search.launchers.ray import credentials
from tests.cli.studies import run, write_study

RAY = Path(sys.executable).parent / "ray"
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""What nodes and those who ask them for work know."""
WORDS = ("--set", "training.max_steps=240", "--set", "budget.trials=4")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, none of those that Ray gives to its workers."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            if port > 20_000:
                found.append(port)
    return found


class Node:
    """A node of the cluster, in a process tree of its own, once it has joined.

    Nodes of one machine start one after another: the names of their sockets are numbers that two
    which start at once would both find free.
    """

    def __init__(self, log: Path, *words: str) -> None:
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [RAY, "start", "--block", "--disable-usage-stats", *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **TOKEN},
            )
        while "Ray runtime started" not in log.read_text():
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.1)

    def lose(self) -> None:
        """Everything on it is gone at once."""
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = psutil.Process(self._process.pid)
            for process in [*tree.children(recursive=True), tree]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=60)


class Cluster:
    """A cluster whose head has no room for workers.

    Args:
        logs: Directory of what its nodes say.
    """

    def __init__(self, logs: Path) -> None:
        (self._gcs,) = free_ports(1)
        self._logs = logs
        self.nodes: list[Node] = []
        self._start("--head", "--num-cpus=0", f"--port={self._gcs}", "--include-dashboard=false")
        self.address = f"ray://127.0.0.1:{self._gcs}"

    def grow(self) -> None:
        """One more node joins, with a core."""
        self._start(f"--address=127.0.0.1:{self._gcs}", "--num-cpus=1")

    def _start(self, *words: str) -> None:
        (agent,) = free_ports(1)
        log = self._logs / f"node-{len(self.nodes)}.log"
        self.nodes.append(Node(log, *words, f"--dashboard-agent-listen-port={agent}"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that is gone after the test."""
    made = Cluster(tmp_path)
    yield made
    for node in reversed(made.nodes):
        node.lose()


def curves(home: Path) -> list[dict[str, Any]]:
    names = ("number", "state", "params", "values", "intermediate")
    board = json.loads(run("show", "tour", "--json", home=home))
    return [{name: trial[name] for name in names} for trial in board["trials"]]


@pytest.mark.slow
def test_nodes_may_join_late_and_be_lost(cluster: Cluster, tmp_path: Path, reversal: dict) -> None:
    home = tmp_path / "there"
    study = write_study(tmp_path, reversal)
    run("search", str(study), *WORDS, home=tmp_path / "here")
    there = ("--on", cluster.address, "--workers", "2", "--json")
    searching = subprocess.Popen(
        [sys.executable, "-m", "automl_tf", "search", study, *WORDS, *there],
        env={**os.environ, **TOKEN, "AUTOML_TF_HOME": str(home), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert searching.stdout is not None
    assert searching.stderr is not None
    assert any("waiting for one to join" in line for line in searching.stderr)
    cluster.grow()
    cluster.grow()
    told = []
    for line in searching.stdout:
        told.append(json.loads(line))
        if told[-1].get("event") == "TrialValidated":
            cluster.nodes[1].lose()
            break
    rest, errors = searching.communicate(timeout=300)
    assert searching.returncode == 0, errors
    assert "its node is gone" in rest
    assert curves(home) == curves(tmp_path / "here")


def test_workers_get_credentials_and_keep_their_own_places() -> None:
    given = {
        "AWS_SECRET_ACCESS_KEY": "a",
        "S3_ENDPOINT": "b",
        "AZURE_STORAGE_CONNECTION_STRING": "c",
        "GOOGLE_APPLICATION_CREDENTIALS": "/key.json",
        "DATABRICKS_TOKEN": "d",
        "MLFLOW_TRACKING_PASSWORD": "e",
        "MLFLOW_S3_ENDPOINT_URL": "f",
        "PGPASSWORD": "g",
        "HF_TOKEN": "h",
    }
    kept = {"HF_HOME": "/here", "HF_HUB_CACHE": "/here", "PATH": "/bin", "HOME": "/root"}
    assert credentials({**given, **kept}) == given


def test_a_cluster_that_is_not_there(tmp_path: Path, reversal: dict) -> None:
    study = write_study(tmp_path, reversal)
    (port,) = free_ports(1)
    told = run("search", str(study), "--on", f"ray://127.0.0.1:{port}", home=tmp_path, code=2)
    assert "No Ray cluster answers at" in told
