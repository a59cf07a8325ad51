import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from automl_tf.bundle.bundle import Bundle, load
from automl_tf.config.corpus import SyntheticCorpus
from automl_tf.config.settings import DataConfig, DecodingConfig, ModelConfig, TrialConfig
from automl_tf.data.subwords import PAD
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.model.transformer import Transformer
from automl_tf.tracking.client import connect
from automl_tf.tracking.home import Destination
from automl_tf.tracking.operations import RunState
from automl_tf.tracking.registry import REQUIREMENTS, register_bundle
from automl_tf.tracking.trial import TrainingRun

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
    directory = tmp_path_factory.mktemp("trained") / "bundle"
    Bundle(config, vocabulary, model.state_dict(), {}).save(directory)
    return directory


def register(where: Destination, bundle: Path) -> tuple[TrainingRun, int | None]:
    run = TrainingRun.open(where, "best", "training", {"model.d_model": 16}, {})
    translations = load(bundle).translate(SENTENCES[:2])
    version = register_bundle(run, bundle, "toy", SENTENCES[:2], translations)
    run.finish(RunState.COMPLETE)
    run.close(60)
    return run, version


@pytest.mark.slow
def test_the_registered_model_translates(
    local: Destination, bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
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

    translate_elsewhere(local, load(bundle), tmp_path)


def translate_elsewhere(where: Destination, expected: Bundle, tmp_path: Path) -> None:
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
    command = [sys.executable, "-I", "-c", script, where.tracking_uri, json.dumps(SENTENCES)]
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
    nowhere = Destination("toy", "http://ann:s3cret@127.0.0.1:9", None, tmp_path / "outbox")
    run, version = register(nowhere, bundle)
    assert version is None
    assert run.run_id is None
    assert any("not registered" in message for message in caplog.messages)
    assert "s3cret" not in caplog.text
