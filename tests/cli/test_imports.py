"""Packages that the commands may import: those that only read a study answer at once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automl_tf.search.schema import NUM_PARAMETERS
from tests.search.making import bench, claim, definition, finish

TRIALS = 10
COMPLETE = 9
"""Enough for importances."""

HEAVY = {
    *("torch", "lightning", "ctranslate2", "tokenizers", "datasets", "sacrebleu", "mlflow"),
    *("sklearn", "pandas", "pyarrow", "scipy.stats", "transformers", "ray", "matplotlib"),
}
PLOTS = {"plotly", "jinja2"}
STORAGE = {"optuna", "sqlalchemy", "alembic", "numpy", "scipy", "psutil", "filelock"}

PROGRAM = """
import json, runpy, sys
sys.argv = ["automl-tf", *sys.argv[1:]]
try:
    runpy.run_module("automl_tf", run_name="__main__")
except SystemExit as left:
    assert not left.code, left.code
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a study of ten trials."""
    folder = tmp_path_factory.mktemp("home")
    worker = bench(folder, definition(sampler={"kind": "random"}, budget={"trials": TRIALS}))
    for number in range(TRIALS):
        trial = claim(worker)
        assert trial is not None
        trial.set_user_attr(NUM_PARAMETERS, 1000 + number)
        if number < COMPLETE:
            finish(worker, trial, bleu=20.0 + number, steps=(400, 800))
        else:
            worker.study.tell(trial, state=worker.study.trials[0].state.PRUNED)
    return folder


@pytest.fixture
def imported(home: Path, tmp_path: Path) -> Callable[..., set[str]]:
    """Runs a command and returns the modules that it has imported."""

    def run(*arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            env={**os.environ, "AUTOML_TF_HOME": str(home)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert done.stdout
        return set(json.loads(done.stderr.splitlines()[-1]))

    return run


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--help"], HEAVY | PLOTS | STORAGE),
        (["search", "--help"], HEAVY | PLOTS | STORAGE),
        (["show", "made"], HEAVY | PLOTS),
        (["show", "made", "--json"], HEAVY | PLOTS),
        (["studies"], HEAVY | PLOTS),
        (["studies", "--json"], HEAVY | PLOTS),
        (["export", "made"], HEAVY | PLOTS),
        (["export", "made", "--trial", "3", "-o", "best.yaml"], HEAVY | PLOTS),
        # Optuna's figures import matplotlib, and there is no public way round it.
        (["report", "made"], HEAVY - {"matplotlib"}),
    ],
)
def test_commands_that_read_a_study_import_little(
    imported: Callable[..., set[str]], arguments: list[str], forbidden: set[str]
) -> None:
    assert imported(*arguments) & forbidden == set()
