"""What CI takes from other files: commands of README.md, the lowest versions of pyproject.toml."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("number", "end"), [(1, "studies/quickstart.yaml"), (2, "pytest -n 3")])
def test_ci_reads_the_commands_of_the_readme(number: int, end: str) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    function = re.search(r"^readme_command\(\) \{.*?^\}", script, re.MULTILINE | re.DOTALL)
    assert function is not None
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{function[0]}\nreadme_command {number}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    command = done.stdout.strip()
    assert command.endswith(end)
    assert f"\n{command}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def bounds(requirements: list[str], operator: str) -> dict[str, Version]:
    """The version of each package that an operator binds."""
    return {
        found.name: Version(bound.version)
        for found in map(Requirement, requirements)
        for bound in found.specifier
        if bound.operator == operator
    }


def test_ci_installs_the_lowest_versions_that_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = bounds(project["dependencies"], ">=")
    assert len(allowed) == len(project["dependencies"]), "each has a lower bound"
    del allowed["torch"]
    lines = (ROOT / "tests" / "lowest-versions.txt").read_text(encoding="utf-8").splitlines()
    assert bounds([line for line in lines if not line.startswith("#")], "==") == allowed
