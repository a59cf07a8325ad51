"""Cores that control groups leave to a process, read from file systems made for it."""

from pathlib import Path

import pytest

from automl_tf import cores
from automl_tf.cores import num_cores

V1 = "4:memory:/pod\n3:cpu,cpuacct:/pod/box\n0::/\n"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, 64),
        ("0::/\n", {}, 64),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("0::/\n", {"cpu.max": "400000 100000"}, 4),
        ("0::/\n", {"cpu.max": "250000 100000"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000"}, 64),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "max 100000", "a/b/cpu.max": "200000 100000"}, 2),
        # The path is the host's, of which the container sees its own root alone.
        ("0::/system.slice/docker-5e.scope\n", {"cpu.max": "200000 100000"}, 2),
        (V1, {"cpu/pod/box/cpu.cfs_quota_us": "-1", "cpu/pod/box/cpu.cfs_period_us": "1000"}, 64),
        (V1, {"cpu/pod/box/cpu.cfs_quota_us": "3000", "cpu/pod/box/cpu.cfs_period_us": "1000"}, 3),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "5000", "cpu,cpuacct/cpu.cfs_period_us": "1000"}, 5),
        ("0::/\n", {"cpu.max": "nonsense"}, 64),
        ("0::/\n", {"cpu.max": "100 0"}, 64),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    groups: str,
    files: dict[str, str],
    expected: int,
) -> None:
    monkeypatch.setattr(cores, "_num_visible_cores", lambda: 64)
    for name, text in {
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert num_cores(tmp_path) == expected


def test_this_machine_has_cores() -> None:
    assert 1 <= num_cores() <= cores._num_visible_cores()


def test_without_affinity_the_machines_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("process_cpu_count", "sched_getaffinity"):
        monkeypatch.delattr(cores.os, name, raising=False)
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 10)
    assert cores._num_visible_cores() == 10
