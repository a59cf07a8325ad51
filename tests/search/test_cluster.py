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
    """A node of the cluster, in a process tree of its own."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [RAY, "start", "--block", "--disable-usage-stats", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **TOKEN},
        )

    def lose(self) -> None:
        """Everything on it is gone at once."""
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = psutil.Process(self._process.pid)
            for process in [*tree.children(recursive=True), tree]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=60)


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[Node]]]:
    """The address of a cluster, and its nodes: a head without room, and two with a core each."""
    gcs, agent = free_ports(2)
    head = Node(
        *("--head", "--num-cpus=0", f"--port={gcs}"),
        *("--include-dashboard=false", f"--dashboard-agent-listen-port={agent}"),
    )
    nodes: list[Node] = []
    try:
        _wait_for(gcs)
        nodes += [
            Node(f"--address=127.0.0.1:{gcs}", "--num-cpus=1", f"--dashboard-agent-listen-port={p}")
            for p in free_ports(2)
        ]
        yield f"ray://127.0.0.1:{gcs}", nodes
    finally:
        for node in [*nodes, head]:
            node.lose()


def _wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as caller:
            caller.settimeout(0.1)
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(port)


def curves(home: Path) -> list[dict[str, Any]]:
    names = ("number", "state", "params", "values", "intermediate")
    board = json.loads(run("show", "tour", "--json", home=home))
    return [{name: trial[name] for name in names} for trial in board["trials"]]


@pytest.mark.slow
def test_a_lost_node_costs_no_trial(
    cluster: tuple[str, list[Node]], tmp_path: Path, reversal: dict
) -> None:
    address, nodes = cluster
    home = tmp_path / "there"
    study = write_study(tmp_path, reversal)
    run("search", str(study), *WORDS, home=tmp_path / "here")
    searching = subprocess.Popen(
        [sys.executable, "-m", "automl_tf", "search", study, *WORDS, "--on", address, "--json"],
        env={**os.environ, **TOKEN, "AUTOML_TF_HOME": str(home), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert searching.stdout is not None
    told = []
    for line in searching.stdout:
        told.append(json.loads(line))
        if told[-1].get("event") == "TrialValidated":
            nodes[0].lose()
            break
    rest, errors = searching.communicate(timeout=300)
    assert searching.returncode == 0, errors
    assert "its node is gone" in rest
    assert curves(home) == curves(tmp_path / "here")


def test_a_cluster_that_is_not_there(tmp_path: Path, reversal: dict) -> None:
    study = write_study(tmp_path, reversal)
    (port,) = free_ports(1)
    told = run("search", str(study), "--on", f"ray://127.0.0.1:{port}", home=tmp_path, code=2)
    assert "No Ray cluster answers at" in told
