"""Processor cores that this process may use, inside a container too."""

import os
from collections.abc import Iterator
from pathlib import Path


def num_cores(root: Path = Path("/")) -> int:
    """Returns the number of whole cores: the smallest of what affinity and control groups allow.

    Args:
        root: Root of the file system whose control groups are read.
    """
    quotas = [int(quota) for quota in _quotas(root)]
    return max(1, min([_num_visible_cores(), *quotas]))


def _num_visible_cores() -> int:
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def _quotas(root: Path) -> Iterator[float]:
    """Yields the quota, in cores, of each control group that this process is in."""
    mount = root / "sys/fs/cgroup"
    for controllers, group in _groups(root):
        if not controllers:
            for folder in _with_parents(mount, group):
                yield from _quota(_words(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in (
                path for name in (controllers, "cpu") for path in _with_parents(mount / name, group)
            ):
                quota = _words(folder / "cpu.cfs_quota_us")
                yield from _quota([*quota, *_words(folder / "cpu.cfs_period_us")])


def _groups(root: Path) -> Iterator[tuple[str, str]]:
    """Yields controllers and path of each group; version 2 has one group and no controllers."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        yield controllers, group


def _with_parents(mount: Path, group: str) -> Iterator[Path]:
    """Yields the folders from a group up to the mount point.

    In a container the group's path may be the host's, of which only the mount point is there.
    """
    folder = mount / group.lstrip("/")
    yield folder
    yield from (parent for parent in folder.parents if parent.is_relative_to(mount))


def _quota(words: list[str]) -> Iterator[float]:
    """Yields quota / period, both in microseconds, unless there is no limit (``max`` or -1)."""
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):  # noqa: PLR2004
        yield int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
