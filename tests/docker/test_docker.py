"""What is shipped for containers and clusters is valid, and careless about nothing."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from automl_tf.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(DOCKER / "compose.yaml")
JOB: dict[str, Any] = YAML(typ="safe").load(DOCKER / "kubernetes.yaml")
SCRIPTS = sorted(DOCKER.glob("*.sh"))
LOCKS = sorted(DOCKER.glob("requirements.*.txt"))
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")
COMMAND = typer.main.get_command(app)


def tool(name: str) -> str:
    """A validator, which stands beside the interpreter or on the path."""
    found = shutil.which(
        name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def check(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_follows_its_specification() -> None:
    check(
        tool("check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        str(DOCKER / "compose.yaml"),
    )


def test_the_job_follows_its_schema() -> None:
    check(tool("kubernetes-validate"), "--strict", str(DOCKER / "kubernetes.yaml"))


def test_the_dockerfile_has_no_known_flaws() -> None:
    check(tool("hadolint"), str(DOCKER / "Dockerfile"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    check("bash", "-n", str(script))
    check(tool("shellcheck"), str(script))


def test_passwords_are_required_and_have_no_default() -> None:
    secrets = {
        f"{name}.{key}": value
        for name, service in COMPOSE["services"].items()
        for key, value in service["environment"].items()
        if "PASSWORD" in key
    }
    assert len(secrets) == 3
    for value in secrets.values():
        assert REQUIRED.fullmatch(value), value
    (password,) = (
        entry
        for entry in JOB["spec"]["template"]["spec"]["containers"][0]["env"]
        if "PASSWORD" in entry["name"]
    )
    assert set(password) == {"name", "valueFrom"}


def test_no_address_holds_a_password() -> None:
    for path in DOCKER.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"://[^\s/@]*:[^\s/@]*@", text), path.name


def test_ports_are_open_on_loopback_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not any("network_mode" in service for service in COMPOSE["services"].values())


def test_nothing_runs_as_root() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    runtime = next(stage for stage in stages if "AS runtime" in stage.splitlines()[0])
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", runtime, flags=re.MULTILINE)
    for target in ("cpu", "cuda"):
        stage = next(s for s in stages if s.splitlines()[0] == f"runtime AS {target}")
        assert "USER" not in stage
    assert COMPOSE["services"]["postgres"]["user"] == "postgres"
    for service in COMPOSE["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
    pod = JOB["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"]


def test_the_compose_targets_and_files_exist() -> None:
    worker = COMPOSE["services"]["worker"]
    assert (DOCKER / worker["build"]["context"] / worker["build"]["dockerfile"]).is_file()
    assert (DOCKER / "databases.sql").is_file()
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name


@pytest.mark.parametrize(
    "words",
    [
        COMPOSE["services"]["worker"]["command"],
        JOB["spec"]["template"]["spec"]["containers"][0]["args"],
    ],
    ids=["compose", "kubernetes"],
)
def test_workers_commands_can_be_typed(words: list[str]) -> None:
    program, name, *arguments = (re.sub(r"\$\{\w+:-(.+)\}", r"\1", word) for word in words)
    assert program == "automl-tf"
    COMMAND.commands[name].make_context(name, [*arguments])
    assert (ROOT / arguments[0]).is_file()


def pinned(lock: Path) -> dict[str, str]:
    """Names and versions of a lock file."""
    return dict(
        re.findall(r"^([a-z0-9._-]+)(?:\[[^\]]+\])?==(\S+)", lock.read_text(), re.MULTILINE)
    )


def test_everything_is_locked_by_its_hash() -> None:
    for lock in LOCKS:
        text = lock.read_text(encoding="utf-8")
        assert text.count("==") == len(pinned(lock)) > 50
        assert not re.search(r"://|--(extra-)?index|--find-links", text)
        for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]:
            assert "--hash=sha256:" in entry
    assert "--require-hashes" in DOCKERFILE


def test_the_locks_hold_what_the_project_depends_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {
        re.match(r"[\w.-]+", dependency)[0].lower().replace("_", "-").replace(".", "-")
        for dependency in [*project["dependencies"], *extras["postgresql"], *extras["fast"]]
    }
    cpu, cuda = (pinned(DOCKER / f"requirements.{target}.txt") for target in ("cpu", "cuda"))
    assert {name.replace(".", "-") for name in cuda} >= wanted
    assert cpu.items() <= cuda.items()
    only_cuda = set(cuda) - set(cpu)
    assert all(re.match(r"torch$|triton$|nvidia-|cuda-", name) for name in only_cuda), only_cuda
    assert (DOCKER / "torch.txt").read_text() == f"torch=={cuda['torch']}\n"


def test_the_array_job_wants_its_places(tmp_path: Path) -> None:
    srun = tmp_path / "srun"
    srun.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    places = {
        "AUTOML_TF_STORAGE": "postgresql://ann@db/studies",
        "AUTOML_TF_TRACKING": "http://mlflow:5000",
    }
    script = ["bash", str(DOCKER / "slurm.sh")]

    def submitted(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*script, *words],
            env={"PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    done = submitted("studies/quickstart.yaml", **places)
    assert done.stdout.split()[-3:] == ["automl-tf", "worker", "studies/quickstart.yaml"]
    for missing in places:
        rest = {name: value for name, value in places.items() if name != missing}
        assert missing in submitted("studies/quickstart.yaml", **rest).stderr
    assert submitted(**places).returncode != 0
