"""``train --trainer.devices`` as a person types it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from automl_tf.config.files import to_yaml
from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import unflatten
from tests.cli.studies import FIXED, run


def write_export(folder: Path, corpus: dict) -> Path:
    small = {**FIXED, "model.d_model": 16, "model.num_heads": 1, "training.max_steps": 300}
    config = TrialConfig.model_validate({"corpus": corpus, **unflatten(small)})
    path = folder / "best.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="takes as many GPUs")
def test_interrupted_on_two_devices_it_goes_on_with_one(reversal: dict, tmp_path: Path) -> None:
    words = ["train", str(write_export(tmp_path, reversal)), "-o", str(tmp_path / "bundle")]
    with subprocess.Popen(
        [sys.executable, "-m", "automl_tf", *words, "--trainer.devices", "2"],
        env={**os.environ, "AUTOML_TF_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "step 60:" in line:
                # A terminal sends Ctrl-C to every process.
                os.killpg(process.pid, signal.SIGINT)
    output = "".join(lines)
    assert process.returncode == 130, output
    assert "the same command resumes it" in output
    assert "Traceback" not in output, output
    done = json.loads(run(*words, "--json", home=tmp_path / "home"))
    assert (done["outcome"], done["step"]) == ("finished", 300)
    assert (tmp_path / "bundle" / "model.safetensors").exists()
    assert len(list((tmp_path / "home" / "training").iterdir())) == 1


def test_a_number_of_devices_is_at_least_one(reversal: dict, tmp_path: Path) -> None:
    path = write_export(tmp_path, reversal)
    assert "--trainer.devices" in run(
        "train", str(path), "--trainer.devices", "0", home=tmp_path, code=2
    )
