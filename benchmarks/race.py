"""Two searches at the same time, each on a core of its own, heard line by line."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from accounts import Account
from automl_tf.signals import StopRequest

SAVING_SECONDS = 90
"""How long a search may take to leave once it is asked to."""
LAST_WORDS = 2000
"""Letters of what a search said before it failed."""


@dataclass(frozen=True)
class Racer:
    """A search that runs.

    Attributes:
        name: Its name.
        process: Its process.
        account: What it has told so far.
        listener: The thread that listens.
        log: What it says beside.
    """

    name: str
    process: subprocess.Popen[str]
    account: Account
    listener: threading.Thread
    log: Path

    def leave(self) -> None:
        """Asks it to end."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self) -> None:
        """Waits until it has ended, and has been heard to the end."""
        try:
            self.process.wait(SAVING_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.listener.join(SAVING_SECONDS)

    def complaint(self) -> str | None:
        """Why it ended, if it has failed."""
        if self.process.poll() in (None, 0):
            return None
        words = self.log.read_text(errors="replace")[-LAST_WORDS:]
        return f"{self.name} ended with status {self.process.returncode}:\n{words}"


def race(
    commands: Mapping[str, Sequence[str]],
    cores: Sequence[int],
    folder: Path,
    minutes: float,
    stop: StopRequest,
) -> tuple[dict[str, Account], str | None]:
    """Runs some searches at once until their time is over, or all or a broken one have ended.

    Args:
        commands: The command of each by its name.
        cores: The core of each.
        folder: Where each writes what it says beside its lines.
        minutes: Wall time of each from the start of its process.
        stop: Set when they are to end before their time.

    Returns:
        What each has told in its time, and what went wrong, if anything.
    """
    racers: list[Racer] = []
    began = time.monotonic()
    try:
        for (name, command), core in zip(commands.items(), cores, strict=True):
            racers.append(_start(name, command, core, folder, minutes))
        complaint = None
        while complaint is None and time.monotonic() < began + 60 * minutes:
            is_over = all(racer.process.poll() is not None for racer in racers)
            if is_over or stop.is_set():
                break
            time.sleep(0.2)
            complaint = next(filter(None, (racer.complaint() for racer in racers)), None)
    finally:
        for racer in racers:
            racer.leave()
        for racer in racers:
            racer.wait()
    return {racer.name: racer.account for racer in racers}, complaint


def _start(name: str, command: Sequence[str], core: int, folder: Path, minutes: float) -> Racer:
    log = folder / f"{name}.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUTOML_TF_")}
    with log.open("w") as errors, _on_core(core):
        began = time.monotonic()
        process = subprocess.Popen(
            list(command),
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            env={**own, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
            text=True,
            # Ctrl-C is for this process, which asks both to leave.
            start_new_session=True,
        )
    account = Account()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            passed = (time.monotonic() - began) / 60
            # What ends after the time does not count.
            words = account.note(passed, line) if passed <= minutes else None
            if words:
                print(f"{passed:6.2f} min  {name:6} {words}", file=sys.stderr, flush=True)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    return Racer(name, process, account, listener, log)


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Processes that are started meanwhile keep to one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
