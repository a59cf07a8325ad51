"""The commands that CI takes from README.md."""

import re
import subprocess
from pathlib import Path

import pytest

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
