"""A PostgreSQL and an MLflow server of one's own, on loopback and for as long as a run lasts."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

HOST = "127.0.0.1"
LONGEST_START_SECONDS = 120
_UNPRIVILEGED = ("postgres", "nobody")
_SETTINGS = f"""
listen_addresses = '{HOST}'
password_encryption = scram-sha-256
max_connections = {{max_connections}}
# What is committed survives the end of the server, which is all that is tried here.
fsync = off
"""


def find_programs() -> Path | None:
    """The directory of PostgreSQL's programs, the newest where there are several."""
    on_path = shutil.which("pg_ctl")
    if on_path:
        return Path(on_path).resolve().parent
    found = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    newest = max(found, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


class PostgreSQL:
    """A server with one user, who has a password.

    Args:
        programs: The directory of PostgreSQL's programs.
        max_connections: Connections that it admits.
    """

    user = "automl"

    def __init__(self, programs: Path, max_connections: int = 60) -> None:
        self._programs = programs
        self.password = secrets.token_hex(12)
        self.port = free_port()
        # It refuses to run as root, and its folder must be its user's own.
        self._account = _unprivileged() if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._data = self._folder / "data"
        password_file = self._folder / "password"
        password_file.write_text(self.password)
        if self._account:
            for path in (self._folder, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        initdb = ["--auth=scram-sha-256", f"--pwfile={password_file}", f"--username={self.user}"]
        self._run("initdb", *initdb, "--encoding=UTF8", "--no-sync")
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(max_connections=max_connections))
            settings.write(f"port = {self.port}\nunix_socket_directories = '{self._folder}'\n")

    @classmethod
    @contextmanager
    def running(cls, programs: Path, max_connections: int = 60) -> Iterator["PostgreSQL"]:
        """A server for as long as the context lasts."""
        server = cls(programs, max_connections)
        try:
            server.start()
            yield server
        finally:
            server.stop()
            shutil.rmtree(server._folder, ignore_errors=True)

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}")

    def stop(self) -> None:
        """Ends the server in the middle of whatever it does; connections break."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def restart(self, away: float = 0.0) -> None:
        """Stops the server, and starts it again after some seconds."""
        self.stop()
        time.sleep(away)
        self.start()

    def create(self, database: str) -> None:
        """Makes an empty database."""
        self.execute("postgres", f'CREATE DATABASE "{database}"')

    def execute(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """Runs a query and returns its rows, if it has any."""
        import psycopg

        url = self.url(database).replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str, *, with_password: bool = True) -> str:
        """The address of a database."""
        login = f"{self.user}:{quote(self.password, safe='')}" if with_password else self.user
        return f"postgresql+psycopg://{login}@{HOST}:{self.port}/{database}"

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(  # the server inherits no pipe, or nobody would see its end
            [str(self._programs / program), *words, "--pgdata", str(self._data)],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=self._account.pw_uid if self._account else None,
            group=self._account.pw_gid if self._account else None,
            extra_groups=[] if self._account else None,
            check=True,
        )


class MLflowServer:
    """A tracking server as the compose file starts it.

    Args:
        folder: Where it keeps artifacts and its log.
        backend: URL of its database.
        password: Password of its user ``admin``; it lets in anyone if there is none.
    """

    def __init__(self, folder: Path, backend: str, password: str | None = None) -> None:
        self.port = free_port()
        self.password = password
        self._folder = folder
        self._backend = backend
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", HOST]
        command += ["--port", str(self.port)]
        command += ["--artifacts-destination", str(self._folder / "artifacts")]
        secrets_of_its_own = {}
        if self.password:
            command += ["--app-name", "basic-auth"]
            secrets_of_its_own = {
                "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
                "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
            }
        with (self._folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={
                    **os.environ,
                    "MLFLOW_BACKEND_STORE_URI": self._backend,
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    **secrets_of_its_own,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while time.monotonic() < deadline:
            try:
                with urlopen(f"{self.url}/health", timeout=2):  # noqa: S310 - our own address
                    return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError(f"no MLflow; see {self._folder / 'mlflow.log'}")

    def stop(self) -> None:
        """Ends the server."""
        if self._process:
            self._process.terminate()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in _UNPRIVILEGED if name in known)
