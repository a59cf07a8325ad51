"""A short chaos: the benchmark's own checks hold when workers and the database die."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.servers import find_programs

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.skipif(find_programs() is None, reason="no PostgreSQL is installed")
def test_a_short_chaos_loses_and_doubles_nothing(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="automl-tf[postgresql] is not installed")
    output = tmp_path / "chaos.json"
    words = ["--minutes=0.25", "--workers=2", "--first-kill=4", "--kill-every=8"]
    program = [sys.executable, str(ROOT / "benchmarks" / "chaos.py")]
    done = subprocess.run(
        [*program, *words, "--without-mlflow", f"--output={output}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text(encoding="utf-8"))
    assert found["tally"]["PostgreSQL restarted"] == 2
    assert found["tally"]["workers started"] > 2
    assert found["tally"]["trials complete"] > 0
    assert all(wrong == [] for wrong in found["checks"].values())
