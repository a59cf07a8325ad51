"""The MLflow UI on a home's runs, in the foreground until Ctrl-C."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from automl_tf.errors import Place, UserError
from automl_tf.home import HomeDirectory, create_directory, sqlite_file
from automl_tf.redaction import without_credentials
from automl_tf.signals import raise_on_signals
from automl_tf.tracking.artifact_locations import keep_beside
from automl_tf.tracking.client import connect, is_server

MAX_START_SECONDS = 120.0
_POLL_SECONDS = 0.2
_MAX_STOP_SECONDS = 10.0
_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (compared with, not listened on)


@dataclass(frozen=True)
class Address:
    """Address of the MLflow UI.

    Attributes:
        host: Interface to listen on; only this machine can reach the loopback interface.
        port: Port to listen on.
    """

    host: str = "127.0.0.1"
    port: int = 5000

    @property
    def url(self) -> str:
        """Address for a browser on this machine."""
        host = "127.0.0.1" if self.host in _ANY_ADDRESS else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def serve(
    home: Path,
    tracking_uri: str,
    address: Address,
    study: str | None,
    on_ready: Callable[[str], None],
) -> None:
    """Serves the MLflow UI until Ctrl-C; for a tracking server it only reports the address.

    Args:
        home: Home directory, where the server's log is written.
        tracking_uri: MLflow server or database.
        address: Address to listen on.
        study: Name of the study to open on; all of them when not given.
        on_ready: Called with the address for a browser, once it answers.

    Raises:
        UserError: If the port is taken, or the server does not start or ends by itself.
    """
    if is_server(tracking_uri):
        on_ready(without_credentials(tracking_uri).rstrip("/") + _page(tracking_uri, study))
        return
    if (database := sqlite_file(tracking_uri)) is not None:
        keep_beside(database)
    log = home.absolute() / "mlflow-ui.log"
    with (
        contextlib.suppress(KeyboardInterrupt),
        raise_on_signals(),
        _server(home, tracking_uri, address, log) as server,
    ):
        _wait_until_it_answers(server, address, log)
        on_ready(address.url + _page(tracking_uri, study))
        server.wait()
        raise _ended(log)


@contextlib.contextmanager
def _server(
    home: Path, tracking_uri: str, address: Address, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    _require_free(address)
    create_directory(home, "--home")
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", address.host, "--port", str(address.port)]
    command += ["--artifacts-destination", HomeDirectory(home.absolute()).artifacts.as_uri()]
    environment = {
        **os.environ,
        # Without jobs and with one worker, the server is 2 processes instead of 15.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONSAFEPATH": "1",
        # Every user of the machine can read a command line, but not an environment.
        "MLFLOW_BACKEND_STORE_URI": tracking_uri,
    }
    # Uvicorn imports what lies in the folder that it is started in.
    with log.open("wb") as output, tempfile.TemporaryDirectory(prefix="automl-tf-ui-") as empty:
        server = subprocess.Popen(  # noqa: S603  (no shell, and nothing of others' making)
            command,
            cwd=empty,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
        try:
            yield server
        finally:
            _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ends the server and the processes that it has started."""
    server.terminate()
    try:
        server.wait(_MAX_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _require_free(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise UserError(
                f"Port {address.port} of {address.host} cannot be used: {error.strerror}.",
                f"Choose another one: --port {address.port + 1}",
            ) from error


def _wait_until_it_answers(server: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    deadline = time.monotonic() + MAX_START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise _ended(log)
        try:
            with urlopen(f"{address.url}/health", timeout=_POLL_SECONDS * 10):  # noqa: S310
                return
        except OSError:
            time.sleep(_POLL_SECONDS)
    raise UserError(
        f"The MLflow UI did not answer within {MAX_START_SECONDS:.0f} seconds.",
        "Look into its log.",
        Place(log),
    )


def _ended(log: Path) -> UserError:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1] if lines else "without a message"
    return UserError(f"The MLflow server ended: {last}", "Look into its log.", Place(log))


def _page(tracking_uri: str, study: str | None) -> str:
    """Returns the part of the UI's address that leads to a study's runs."""
    if study is None:
        return ""
    try:
        experiment = connect(tracking_uri).get_experiment_by_name(study)
    except Exception:  # noqa: BLE001  (the page itself will say what is wrong)
        return ""
    return "" if experiment is None else f"/#/experiments/{experiment.experiment_id}/runs"
