"""Studies on a real PostgreSQL, which goes away and comes back while workers come and go."""

import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from automl_tf.search import ownership
from automl_tf.search import storage as storage_module
from automl_tf.search.context import WorkerContext
from automl_tf.search.opening import load_study, open_study
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.ownership import LivenessMonitor, this_process
from automl_tf.search.schema import OWNER, StudyRecord
from automl_tf.search.storage import GRACE_SECONDS, claiming, default_url, open_storage
from automl_tf.search.study_view import StudyView
from benchmarks.servers import HOST, PostgreSQL, free_port
from tests.cli.studies import FIXED, write_study
from tests.search.making import PATIENCE_SECONDS, bench, claim, definition, finish, pause, processes

pytestmark = pytest.mark.postgresql
CUT_OFF = (StorageInternalError, sqlalchemy.exc.SQLAlchemyError)
RANDOM = {"sampler": {"kind": "random"}, "start_with_base": False}


def bench_at(url: str, home: Path, made: StudyRecord) -> WorkerContext:
    """A worker's bench on a study in some database."""
    storage = open_storage(url, home)
    return WorkerContext(
        storage=storage,
        study=open_study(storage, made),
        record=made,
        home=home,
        tracking=None,
        tell=lambda event: None,
        should_pause=lambda: False,
    )


def claim_all_at(url: str, home: Path, made: StudyRecord, claimed: Any, barrier: Any) -> None:
    worker = bench_at(url, home, made)
    barrier.wait(PATIENCE_SECONDS)
    while (trial := claim(worker)) is not None:
        claimed.put((trial.number, trial.params))
        finish(worker, trial, bleu=20.0 + trial.number, steps=(1, 2))


def test_processes_that_claim_at_once_share_no_trial_and_hold_the_budget(
    postgresql: str, tmp_path: Path
) -> None:
    made = definition(**RANDOM, budget={"trials": 12})
    context = processes()
    claimed, barrier = context.SimpleQueue(), context.Barrier(3)
    crew = [
        context.Process(
            target=claim_all_at, args=(postgresql, tmp_path / str(i), made, claimed, barrier)
        )
        for i in range(3)
    ]
    for process in crew:
        process.start()
    for process in crew:
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
    found = sorted((claimed.get() for _ in range(12)), key=lambda pair: pair[0])
    assert claimed.empty()
    assert [number for number, _ in found] == list(range(12))
    trials = bench_at(postgresql, tmp_path, made).study.trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 12
    assert {trial.number: trial.params for trial in trials} == dict(found)
    alone = bench(tmp_path / "alone", made)
    points = []
    while (trial := claim(alone)) is not None:
        points.append(trial.params)
        finish(alone, trial)
    assert points == [params for _, params in found]


def die_while_claiming(url: str, home: Path, made: StudyRecord) -> None:
    worker = bench_at(url, home, made)
    with claiming(worker.storage, made.config.name):
        worker.study.ask()
        os._exit(9)


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_worker_that_dies_within_a_claim_has_claimed_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    made = definition(**RANDOM, budget={"trials": 1})
    url = default_url(tmp_path) if kind == "sqlite" else request.getfixturevalue("postgresql")
    process = processes().Process(target=die_while_claiming, args=(url, tmp_path, made))
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 9
    after = bench_at(url, tmp_path, made)
    assert after.study.trials == []
    assert claim(after).number == 0
    assert claim(after) is None


def test_a_claim_is_undone_when_the_server_goes_away_within_it(
    postgresql: str, postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    worker = bench_at(postgresql, tmp_path, definition(**RANDOM, budget={"trials": 1}))

    def broken_claim() -> None:
        with claiming(worker.storage, worker.config.name):
            worker.study.ask()
            postgresql_server.restart()

    with pytest.raises(CUT_OFF):
        broken_claim()
    after = bench_at(postgresql, tmp_path, worker.record)
    assert after.study.trials == []
    assert claim(after).number == 0


@contextmanager
def away(server: PostgreSQL, seconds: float) -> Iterator[None]:
    """The server is gone when the context begins, and comes back within it."""
    server.stop()
    back = threading.Timer(seconds, server.start)
    back.start()
    try:
        yield
    finally:
        back.join()


def test_what_is_asked_and_told_waits_for_a_server_that_is_away(
    postgresql: str, postgresql_server: PostgreSQL, tmp_path: Path
) -> None:
    worker = bench_at(postgresql, tmp_path, definition(**RANDOM, budget={"trials": 3}))
    with away(postgresql_server, 0.6):
        trial = claim(worker)
    with away(postgresql_server, 0.6):
        trial.report(10.0, 1)
    with away(postgresql_server, 0.6):
        trial.set_user_attr("kept", 5)
    with away(postgresql_server, 0.6):
        worker.study.tell(trial, 20.0)
    other = claim(worker)
    with away(postgresql_server, 0.6):
        pause(worker, other)
    told, paused = bench_at(postgresql, tmp_path, worker.record).study.trials
    assert (told.state, told.values) == (TrialState.COMPLETE, [20.0])
    assert (told.intermediate_values, told.user_attrs["kept"]) == ({1: 10.0}, 5)
    assert (paused.state, paused.params) == (TrialState.WAITING, other.params)


class CuttingProxy:
    """Passes bytes to a server, and once, when told to, loses its answer to a commit.

    The commit itself arrives, after some seconds of delay.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self.is_armed = False
        self.cuts = 0
        self.delay = 0.0
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((HOST, self._target))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        while data := self._read(client):
            if self.is_armed and b"COMMIT" in data:
                self.is_armed = False
                self.cuts += 1
                client.shutdown(socket.SHUT_RDWR)
                time.sleep(self.delay)
                server.sendall(data)
                self._read(server)  # the server has done as it was told
                break
            server.sendall(data)
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := self._read(source):
                sink.sendall(data)
        except OSError:
            pass
        sink.close()

    @staticmethod
    def _read(source: socket.socket) -> bytes:
        try:
            return source.recv(65536)
        except OSError:
            return b""


@pytest.fixture
def proxy(postgresql_server: PostgreSQL) -> Iterator[CuttingProxy]:
    """A way to the tests' server that can be cut."""
    made = CuttingProxy(postgresql_server.port)
    yield made
    made.close()


@contextmanager
def armed_at_writes(engine: sqlalchemy.Engine, proxy: CuttingProxy) -> Iterator[None]:
    """The answer to the commit after the first write is the one that is lost."""

    def arm(*event: Any) -> None:
        if event[2].startswith(("UPDATE", "INSERT")) and not proxy.cuts:
            proxy.is_armed = True

    sqlalchemy.event.listen(engine, "after_cursor_execute", arm)
    try:
        yield
    finally:
        sqlalchemy.event.remove(engine, "after_cursor_execute", arm)


def _tell(worker: WorkerContext, trial: optuna.Trial) -> None:
    worker.study.tell(trial, 20.0)


def _pause(worker: WorkerContext, trial: optuna.Trial) -> None:
    pause(worker, trial)


def _note(worker: WorkerContext, trial: optuna.Trial) -> None:
    trial.set_user_attr("noted", 5)


@pytest.mark.parametrize("delay", [0.0, 1.0])
@pytest.mark.parametrize(
    ("act", "state"),
    [
        (_tell, TrialState.COMPLETE),
        (_pause, TrialState.WAITING),
        (_note, TrialState.RUNNING),
    ],
)
def test_what_was_done_is_not_done_again_when_its_answer_is_lost(
    postgresql: str,
    postgresql_server: PostgreSQL,
    proxy: CuttingProxy,
    tmp_path: Path,
    act: Callable[[WorkerContext, optuna.Trial], None],
    state: TrialState,
    delay: float,
) -> None:
    proxy.delay = delay
    url = postgresql.replace(f":{postgresql_server.port}/", f":{proxy.port}/")
    worker = bench_at(url, tmp_path, definition(**RANDOM, budget={"trials": 2}))
    trial = claim(worker)
    with armed_at_writes(worker.storage.engine, proxy):
        act(worker, trial)
    assert proxy.cuts == 1
    (found,) = bench_at(postgresql, tmp_path, worker.record).study.trials
    assert found.state == state
    assert found.values == ([20.0] if state == TrialState.COMPLETE else None)
    assert found.user_attrs.get("noted") == (5 if act is _note else None)


def test_a_server_that_was_away_is_watched_before_it_calls_a_worker_lost(
    postgresql: str,
    postgresql_server: PostgreSQL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = bench_at(postgresql, tmp_path, definition(**RANDOM, budget={"trials": 1}))
    trial = claim(worker)
    elsewhere = dataclasses.asdict(dataclasses.replace(this_process(), boot_id="elsewhere"))
    trial.set_user_attr(OWNER, {**trial.user_attrs[OWNER], **elsewhere})
    database = postgresql.rpartition("/")[2]
    postgresql_server.execute(
        database, "UPDATE trial_heartbeats SET heartbeat = now() - interval '1 hour'"
    )
    postgresql_server.restart()
    monitor = LivenessMonitor(worker.storage, worker.study)
    assert monitor.lost() == []
    now = time.monotonic()
    monkeypatch.setattr(ownership.time, "monotonic", lambda: now + GRACE_SECONDS)
    assert [lost.number for lost in monitor.lost()] == [trial.number]
    worker.storage.record_heartbeat(trial_id_of(trial))
    assert monitor.lost() == []


def test_a_worker_that_freezes_within_a_claim_loses_it(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, other = (
        bench_at(postgresql, tmp_path, definition(**RANDOM, budget={"trials": 1})) for _ in range(2)
    )
    # Creating the tables, which holds a lock of the same kind, may take longer than this.
    monkeypatch.setattr(storage_module, "CLAIM_SECONDS", 1)
    claimed: list[int] = []

    def frozen_claim() -> None:
        with claiming(frozen.storage, frozen.config.name):
            frozen.study.ask()
            quick = threading.Thread(target=lambda: claimed.append(claim(other).number))
            quick.start()
            quick.join(PATIENCE_SECONDS)
            frozen.study.ask()

    with pytest.raises(CUT_OFF):
        frozen_claim()
    assert claimed == [0]
    assert len(other.study.trials) == 1


@pytest.mark.parametrize("place", ["url", "PGPASSWORD", "PGPASSFILE"])
def test_a_password_may_come_from_the_environment_or_a_file(
    postgresql_server: PostgreSQL,
    postgresql: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    password = postgresql_server.password
    url = postgresql if place == "url" else postgresql.replace(f":{password}@", "@")
    assert (password in url) == (place == "url")
    if place == "PGPASSWORD":
        monkeypatch.setenv(place, password)
    elif place == "PGPASSFILE":
        file = tmp_path / "pgpass"
        file.write_text(f"{HOST}:*:*:{postgresql_server.user}:{password}\n")
        file.chmod(0o600)
        monkeypatch.setenv(place, str(file))
    assert optuna.get_all_study_names(open_storage(url, tmp_path)) == []


def start(word: str, study: Path, home: Path, url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "automl_tf", word, str(study), *words],
        env={
            **os.environ,
            "AUTOML_TF_HOME": str(home),
            "AUTOML_TF_STORAGE": url,
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def until_two_validations(worker: subprocess.Popen[str]) -> str:
    """What the worker prints until it has validated a trial twice."""
    lines = []
    for line in worker.stdout:
        lines.append(line)
        if " step 60:" in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def curves(url: str, home: Path) -> list[dict[str, Any]]:
    storage = open_storage(url, home)
    names = ("number", "state", "params", "values", "intermediate")
    board = StudyView.read(load_study(storage, "tour")).to_json()
    storage.engine.dispose()
    return [{name: trial[name] for name in names} for trial in board["trials"]]


@pytest.mark.slow
def test_workers_and_the_server_die_and_the_study_ends_as_if_they_had_not(
    postgresql: str, postgresql_server: PostgreSQL, tmp_path: Path, reversal: dict
) -> None:
    study = write_study(tmp_path, reversal, budget={"trials": 3})
    words = ("--set", "training.max_steps=450")
    home = tmp_path / "home"
    crew = [start("worker", study, home, postgresql, *words) for _ in range(2)]
    lost = until_two_validations(crew[0]).splitlines()[-1].strip().partition(" step")[0]
    crew[0].kill()
    crew[0].wait()
    crew.append(start("worker", study, home, postgresql, *words))
    # Where the second worker began late, it is the one that takes the lost trial.
    before = until_two_validations(crew[1])
    postgresql_server.restart(away=1.0)
    outputs = [before] + [worker.communicate(timeout=PATIENCE_SECONDS)[0] for worker in crew[1:]]
    assert [worker.returncode for worker in crew[1:]] == [0, 0], outputs
    assert any(f"{lost} resumes" in output for output in outputs), outputs
    quiet = tmp_path / "quiet"
    # Not by `search`, which would give its one worker all cores: sums are cut by their number.
    alone = start("worker", study, quiet, default_url(quiet), *words)
    output = alone.communicate(timeout=PATIENCE_SECONDS)[0]
    assert alone.returncode == 0, output
    assert curves(postgresql, home) == curves(default_url(quiet), quiet)


@pytest.mark.slow
def test_a_password_stands_nowhere(
    postgresql: str, postgresql_server: PostgreSQL, tmp_path: Path, reversal: dict
) -> None:
    # So long that its workers are seen at work.
    fixed = {**FIXED, "training.max_steps": 900, "training.validate_every": 100}
    study = write_study(tmp_path, reversal, budget={"trials": 2}, fixed=fixed)
    home = tmp_path / "home"
    process = start("search", study, home, postgresql, "--workers", "2")
    lines: list[str] = []
    seen = 0
    for line in process.stdout:
        lines.append(line)
        family = [
            psutil.Process(process.pid),
            *psutil.Process(process.pid).children(recursive=True),
        ]
        seen = max(seen, len(family))
        lines.extend(" ".join(member.cmdline()) for member in family if member.is_running())
    assert process.wait(PATIENCE_SECONDS) == 0, "".join(lines)
    assert seen > 1
    for name in ("show", "report", "export"):
        extra = [] if name == "show" else ["-o", str(home / name)]
        command = start(name, Path("tour"), home, postgresql, *extra)
        lines.append(command.communicate(timeout=PATIENCE_SECONDS)[0])
        assert command.returncode == 0, lines[-1]
    assert any("--events" in line for line in lines)
    assert postgresql_server.password not in "\n".join(lines)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {"mlflow.db", "worker-0.log", "report", "export"} <= {path.name for path in files}
    for path in files:
        assert postgresql_server.password.encode() not in path.read_bytes(), path
