import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import venv
from importlib.metadata import distribution
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from automl_tf.bundle.bundle import Bundle, load
from automl_tf.config.settings import (
    DataConfig,
    DecodingConfig,
    ModelConfig,
    SyntheticCorpus,
    TrialConfig,
)
from automl_tf.data.subwords import PAD
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.model.transformer import Transformer
from automl_tf.tracking.client import RunKey, TrackingTarget, connect
from automl_tf.tracking.outbox import RunState
from automl_tf.tracking.registry import REQUIREMENTS, register_bundle
from automl_tf.tracking.runs import RootRun
from benchmarks.servers import HOST, free_port

SENTENCES = ["a red house", "the green tree", "a tree", "the house"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a small untrained model."""
    torch.manual_seed(1)
    config = TrialConfig(
        corpus=SyntheticCorpus(kind="synthetic"),
        model=ModelConfig(d_model=16, num_heads=2, d_ff=16, encoder_layers=1, decoder_layers=1),
        data=DataConfig(vocab_size=40, max_length=16),
        decoding=DecodingConfig(beam_size=1),
    )
    vocabulary = Vocabulary.train(SENTENCES, SENTENCES, config.data)
    model = Transformer(
        config.model, vocabulary.sizes, max_length=config.data.max_length + 1, pad_id=PAD
    )
    directory = tmp_path_factory.mktemp("trained") / "Bündel #1 %41?"
    Bundle(config, vocabulary, model.state_dict(), {}).save(directory)
    return directory


def register(where: TrackingTarget, bundle: Path) -> tuple[RootRun, int | None]:
    run = RootRun(where, RunKey("training", "best"))
    run.start("training", {"model.d_model": 16}, {})
    translations = load(bundle).translate(SENTENCES[:2])
    version = register_bundle(run, bundle, "toy", SENTENCES[:2], translations)
    run.finish(RunState.COMPLETE)
    run.close(60)
    return run, version


@pytest.mark.slow
def test_the_registered_model_translates(
    local: TrackingTarget, bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = dict(os.environ)
    run, version = register(local, bundle)
    assert version == 1
    assert os.environ == before
    assert capfd.readouterr() == ("", "")

    client = connect(local.tracking_uri)
    found = client.get_model_version("toy", "1")
    assert found.run_id == run.run_id
    assert SENTENCES[0] in found.description
    (model,) = client.search_logged_models([client.get_run(run.run_id).info.experiment_id])
    assert model.source_run_id == run.run_id
    assert model.status == "READY"
    assert client.get_run(run.run_id).info.status == "FINISHED"

    (named,) = (tmp_path / "home" / "mlartifacts").rglob("requirements.txt")
    python = bare_environment(tmp_path / "bare", named.read_text().split())
    translate_elsewhere(python, local, load(bundle), tmp_path)
    serve_elsewhere(python, local, load(bundle), tmp_path)


def bare_environment(folder: Path, requirements: list[str]) -> Path:
    """The Python of an environment that has what is named, what that needs, and nothing else."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    wanted, found = [Requirement(text).name for text in requirements], set()
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name in found:
            continue
        found.add(name)
        package = distribution(name)
        for entry in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            if not (site / entry).exists():
                (site / entry).symlink_to(package.locate_file(entry))
        needs = map(Requirement, package.requires or ())
        wanted += [need.name for need in needs if not need.marker or need.marker.evaluate()]
    assert not {"optuna", "lightning", "automl-tf"} & found
    write_command(folder / "bin", "uvicorn", "from uvicorn.main import main")
    return folder / "bin" / "python"


def write_command(folder: Path, name: str, imported: str) -> None:
    """Writes a command of a package as pip does: MLflow's server of models runs one by name."""
    command = folder / name
    command.write_text(f"#!{folder / 'python'}\n{imported}\n\nmain()\n")
    command.chmod(0o755)


def serve_elsewhere(python: Path, where: TrackingTarget, expected: Bundle, tmp_path: Path) -> None:
    """Asks MLflow's own server of models."""
    port = free_port()
    command = [str(python), "-I", "-m", "mlflow", "models", "serve", "--model-uri", "models:/toy/1"]
    command += ["--env-manager", "local", "--host", HOST, "--port", str(port)]
    log = tmp_path / "serve.log"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "MLFLOW_TRACKING_URI": where.tracking_uri,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONNOUSERSITE": "1",
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        request = Request(
            f"http://{HOST}:{port}/invocations",
            json.dumps({"inputs": SENTENCES, "params": {"beam_size": 2}}).encode(),
            {"Content-Type": "application/json"},
        )
        answer = json.loads(asked(request, server, log))
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself, and the log says why
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
    assert answer == {"predictions": expected.translate(SENTENCES, beam_size=2)}


def asked(request: Request, server: subprocess.Popen[bytes], log: Path) -> bytes:
    """The answer of a server that is starting."""
    for _ in range(600):
        try:
            with urlopen(request, timeout=60) as answer:
                return answer.read()
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from None
        except URLError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def translate_elsewhere(
    python: Path, where: TrackingTarget, expected: Bundle, tmp_path: Path
) -> None:
    """Asks the model in a process that has the package from nowhere but the model."""
    script = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/toy/1")
sentences = json.loads(sys.argv[2])
import automl_tf
print(json.dumps([
    model.predict(sentences),
    model.predict(pd.DataFrame({"source": sentences})),
    model.predict(pd.Series(sentences)),
    model.predict(sentences, params={"beam_size": 3, "length_penalty": 0.6}),
    automl_tf.__file__,
]))
"""
    command = [str(python), "-I", "-c", script, where.tracking_uri, json.dumps(SENTENCES)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "type hint" not in answer.stderr.lower()
    *plain, searched, package = json.loads(answer.stdout)
    assert plain == [expected.translate(SENTENCES)] * 3
    assert searched == expected.translate(SENTENCES, beam_size=3, length_penalty=0.6)
    assert not Path(package).is_relative_to(Path(__file__).parents[2])


def test_translating_needs_no_more_than_the_model_names(bundle: Path) -> None:
    script = """
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
standard = set(sys.modules)
from automl_tf.bundle.bundle import load
load(Path(sys.argv[1])).translate(["a tree"])
owners = packages_distributions()
print(*{owner for name in set(sys.modules) - standard for owner in owners.get(name, ())})
"""
    command = [sys.executable, "-c", script, str(bundle)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"mlflow", "optuna", "lightning", "datasets", "pandas", "typer"} & set(loaded)
    assert set(REQUIREMENTS) <= set(loaded)


def test_a_server_that_is_away_costs_the_registration_alone(
    tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = TrackingTarget(
        "toy", "toy", "id", "http://ann:s3cret@127.0.0.1:9", None, tmp_path / "outbox"
    )
    run, version = register(nowhere, bundle)
    assert version is None
    assert run.run_id is None
    assert any("not registered" in message for message in caplog.messages)
    assert "s3cret" not in caplog.text
