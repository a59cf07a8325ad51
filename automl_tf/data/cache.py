"""Cache entries: folders that are whole or absent, whoever builds them and whatever is killed.

An entry is built in a folder beside its place, under a lock, and moved there in one step together
with a list of its files' checksums. What does not agree with its list is built again.
"""

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_MANIFEST = "manifest.json"


POLL_SECONDS = 0.5
"""Longest wait for another process's lock before ``check`` is called again."""


def ensure_entry(
    folder: Path, build: Callable[[Path], None], check: Callable[[], None] = lambda: None
) -> None:
    """Makes sure that a cache entry is there and whole.

    Several processes may ask for the same entry at once: one builds, the others wait.

    Args:
        folder: Where the entry belongs; its name says what is in it.
        build: Fills an empty folder with the entry's files.
        check: Called again and again while another process builds; what it raises ends the wait.
    """
    if is_whole(folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(FileLock(folder.with_name(f"{folder.name}.lock")), check):
        if is_whole(folder):
            return
        shutil.rmtree(folder, ignore_errors=True)
        with _unfinished(folder) as unfinished:
            build(unfinished)
            (unfinished / _MANIFEST).write_text(json.dumps(_checksums(unfinished)))
            unfinished.rename(folder)


def is_whole(folder: Path) -> bool:
    """Whether every file of an entry is there as it was written; read once in a process."""
    try:
        state = (folder / _MANIFEST).stat()
    except OSError:
        return False
    return _agrees(folder, (state.st_ino, state.st_mtime_ns))


def digest(content: object) -> str:
    """A name for an entry made from what decides its content.

    Args:
        content: Anything that JSON can hold.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def _locked(lock: FileLock, check: Callable[[], None]) -> Iterator[None]:
    while not lock.is_locked:
        with suppress(Timeout):
            lock.acquire(timeout=POLL_SECONDS)
            continue
        check()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    # What a killed process has left, as nobody else builds under the lock.
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@functools.lru_cache(maxsize=1024)
def _agrees(folder: Path, _written: tuple[int, int]) -> bool:
    try:
        return bool(json.loads((folder / _MANIFEST).read_bytes()) == _checksums(folder))
    except (OSError, ValueError):
        return False


def _checksums(folder: Path) -> dict[str, str]:
    checksums = {}
    for path in sorted(folder.iterdir()):
        if path.name != _MANIFEST:
            with path.open("rb") as file:
                checksums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return checksums
