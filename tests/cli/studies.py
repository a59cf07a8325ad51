"""Study files that are small enough for tests, and the program as a person starts it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from automl_tf.search.opening import load_study
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.study_view import StudyView

SPACE = {
    "model.d_model": {"choices": [16, 32]},
    "model.num_heads": {"choices": [1, 2]},
    "model.dropout": {"low": 0.0, "high": 0.3},
    "training.learning_rate": {"low": 1e-3, "high": 2e-2, "log": True},
}
FIXED = {
    "model.d_ff": 64,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "training.max_steps": 120,
    "training.precision": "fp32",
    "training.validate_every": 30,
    "training.warmup_steps": 5,
    "training.batch_tokens": 256,
    "data.vocab_size": 200,
    "data.max_length": 32,
}


def write_study(folder: Path, corpus: dict, space: dict[str, Any] = SPACE, **changes: Any) -> Path:
    """A study file with its space beside it."""
    study = {
        "name": "tour",
        "space": "space.yaml",
        "corpus": corpus,
        "fixed": FIXED,
        "pruner": {"kind": "threshold", "lower": 0.0},
        "sampler": {"kind": "random"},
        "start_with_base": False,
        "budget": {"trials": 3},
        **changes,
    }
    yaml = YAML()
    yaml.dump(space, folder / "space.yaml")
    yaml.dump(study, folder / "study.yaml")
    return folder / "study.yaml"


def run(*words: str, home: Path, text: str | None = None, code: int = 0) -> str:
    """What the program prints, after checking its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "automl_tf", *words],
        # Sums are cut by the number of threads: a trial and its export compare at one.
        env={**os.environ, "AUTOML_TF_HOME": str(home), "OMP_NUM_THREADS": "1"},
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def board(home: Path, name: str = "tour") -> dict[str, Any]:
    """What ``show --json`` prints, without another process."""
    storage = open_storage(default_url(home), home)
    found = StudyView.read(load_study(storage, name)).to_json()
    storage.engine.dispose()
    return found
