"""Each mistake of a user: one clear message on standard error, exit code 2, nothing lost."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from automl_tf.cli.main import main
from automl_tf.config.files import to_yaml
from automl_tf.config.settings import TrialConfig
from automl_tf.tracking.client import PARENT, TrackingTarget
from automl_tf.tracking.outbox import Journal, StartRun
from tests.cli.studies import FIXED, write_study


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Runs a command that has to fail and returns its message."""

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["automl-tf", *words])
        monkeypatch.setenv("AUTOML_TF_HOME", str(tmp_path / "home"))
        with pytest.raises(SystemExit) as left:
            main()
        output = capsys.readouterr()
        assert left.value.code == 2, output.out + output.err
        assert "Traceback" not in output.err
        assert output.out == ""
        return output.err

    return run


@pytest.fixture
def corpus(reversal: dict, tmp_path: Path) -> dict[str, Any]:
    """A corpus of copies that a test may spoil."""
    spoilable = copy.deepcopy(reversal)
    for split in ("train", "validation", "test"):
        for side, path in reversal[split].items():
            copied = tmp_path / Path(path).name
            copied.write_bytes(Path(path).read_bytes())
            spoilable[split][side] = str(copied)
    return spoilable


def test_missing_study(told, tmp_path: Path) -> None:
    assert str(tmp_path / "none.yaml") in told("search", str(tmp_path / "none.yaml"))


def test_missing_corpus_file(told, tmp_path: Path, corpus: dict) -> None:
    Path(corpus["train"]["source"]).unlink()
    message = told("search", str(write_study(tmp_path, corpus)))
    assert corpus["train"]["source"] in message
    assert "corpus.train.source" in message


def test_empty_corpus_file(told, tmp_path: Path, corpus: dict) -> None:
    Path(corpus["validation"]["target"]).write_text("")
    message = told("search", str(write_study(tmp_path, corpus)))
    assert "empty" in message
    assert corpus["validation"]["target"] in message


def test_files_of_different_length(told, tmp_path: Path, corpus: dict) -> None:
    with Path(corpus["train"]["source"]).open("a") as file:
        file.write("one more\n")
    message = told("search", str(write_study(tmp_path, corpus)))
    assert "1001" in message.replace(",", "")
    assert "1000" in message.replace(",", "")


def test_line_that_is_not_utf8(told, tmp_path: Path, corpus: dict) -> None:
    path = Path(corpus["train"]["source"])
    lines = path.read_bytes().split(b"\n")
    lines[6] = b"Stra\xdfe"
    path.write_bytes(b"\n".join(lines))
    message = told("search", str(write_study(tmp_path, corpus)))
    assert str(path) in message
    assert "line 7" in message


def test_split_that_is_filtered_away(told, tmp_path: Path, corpus: dict) -> None:
    train, validation = corpus["train"], corpus["validation"]
    for side in ("source", "target"):
        Path(train[side]).write_bytes(Path(validation[side]).read_bytes())
    message = told("search", str(write_study(tmp_path, corpus)))
    assert "data.deduplicate" in message or "validation" in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pruner": {"kind": "medain"}}, ["medain", "median", "study.yaml, line"]),
        ({"budget": {"trails": 4}}, ["budget.trails", "budget.trials", "line"]),
        ({"budget": {"trials": "many"}}, ["budget.trials", "many", "line"]),
        ({"budget": {"trials": 0}}, ["budget.trials", "line"]),
        ({"fixed": {"model.d_modle": 64}}, ["model.d_modle", "model.d_model", "line"]),
        ({"fixed": {**FIXED, "training.max_steps": -1}}, ["training.max_steps", "-1", "line"]),
        ({"objectives": ["blue"]}, ["blue", "bleu", "line"]),
    ],
)
def test_keys_of_a_study(
    told, tmp_path: Path, corpus: dict, changes: dict, expected: list[str]
) -> None:
    message = told("search", str(write_study(tmp_path, corpus, **changes)))
    for words in expected:
        assert words in message


def test_illegal_combination_of_a_space(told, tmp_path: Path, corpus: dict) -> None:
    study = write_study(tmp_path, corpus)
    space = {"model.d_model": {"choices": [16, 32]}, "model.num_heads": {"choices": [2, 3]}}
    YAML().dump(space, tmp_path / "space.yaml")
    message = told("search", str(study))
    assert "model.num_heads = 3 does not divide model.d_model = 16" in message
    assert "space.yaml" in message


def test_bundle_that_is_none(told, tmp_path: Path) -> None:
    assert "is not a bundle" in told("translate", str(tmp_path))
    assert "is not a bundle" in told("evaluate", str(tmp_path / "none"))


def test_unknown_study_and_command(told) -> None:
    assert "There is no study nobody" in told("show", "nobody")
    assert "automl-tf studies" in told("export", "nobody")
    told("serach")


@pytest.mark.parametrize(
    "name", ["../..", "/abs/path", "a b", "x" * 101, ".confirm", "a.confirm.confirm"]
)
@pytest.mark.parametrize(
    "words",
    [
        ("show", "NAME"),
        ("show", "NAME", "--json"),
        ("export", "NAME"),
        ("report", "NAME"),
        ("sync", "NAME"),
        ("ui", "--study", "NAME"),
    ],
)
def test_names_that_no_study_can_have(told, tmp_path: Path, words: tuple, name: str) -> None:
    message = told(*[name if word == "NAME" else word for word in words])
    assert "No study can be named" in message
    assert name in message.replace("\n", "")
    assert not (tmp_path / "home").exists()


def test_an_export_cannot_name_a_directory(told, tmp_path: Path, corpus: dict) -> None:
    export = tmp_path / "best.yaml"
    outside = tmp_path / "outside"
    provenance = {"study": str(outside)}
    config = TrialConfig.model_validate({"corpus": corpus})
    export.write_text(to_yaml(config, extra={"provenance": provenance}), encoding="utf-8")
    message = told("train", str(export))
    assert "provenance.study" in message
    assert f"{export}, line" in message
    assert not outside.exists()
    assert not (tmp_path / "home").exists()


def test_export_of_a_corpus_that_has_changed(told, tmp_path: Path, corpus: dict) -> None:
    config = TrialConfig.model_validate(
        {
            "corpus": corpus,
            "model": {"d_model": 16, "num_heads": 2},
            "training": {"max_steps": 2, "warmup_steps": 1, "validate_every": 2},
        }
    )
    export = tmp_path / "best.yaml"
    provenance = {"study": "tour", "corpus_fingerprint": "0" * 64}
    export.write_text(to_yaml(config, extra={"provenance": provenance}), encoding="utf-8")
    message = told("train", str(export))
    assert "has changed" in message
    assert "000000000000" in message


def test_export_with_an_unknown_key(told, tmp_path: Path, corpus: dict) -> None:
    export = tmp_path / "best.yaml"
    text = to_yaml(TrialConfig.model_validate({"corpus": corpus}))
    export.write_text(text.replace("d_model:", "d_modle:"), encoding="utf-8")
    message = told("train", str(export))
    assert "model.d_modle" in message
    assert "model.d_model" in message


def test_hub_name_without_network(tmp_path: Path) -> None:
    """In a process of its own, because the Hub's library reads its settings when it is loaded."""
    corpus = {"kind": "hub", "name": "no/such", "source_lang": "en", "target_lang": "de"}
    study = write_study(tmp_path, corpus)
    done = subprocess.run(
        [sys.executable, "-m", "automl_tf", "search", str(study), "--home", str(tmp_path / "home")],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "no/such" in done.stderr
    assert "Traceback" not in done.stderr


def test_storage_and_tracking_that_do_not_exist(told, tmp_path: Path, corpus: dict) -> None:
    study = str(write_study(tmp_path, corpus))
    message = told("search", study, "--storage", "postgresql://me:secret@127.0.0.1:1/none")
    assert "secret" not in message
    assert "mysql" in told("search", study, "--storage", "mysql://127.0.0.1/none")


def test_nothing_to_sync_and_a_server_that_is_away(told, tmp_path: Path) -> None:
    assert "nobody" in told("sync", "nobody")
    where = TrackingTarget.of_study(tmp_path / "home", "lonely", "an-id")
    Journal(where, PARENT).append(StartRun("lonely", {}, {}))
    message = told("sync", "lonely", "--tracking", "http://me:secret@127.0.0.1:9")
    assert "1 of 1 runs" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--gpus-per-trial", "0.5"], "--gpus-per-trial = 0.5 goes with --on ray"),
        (["--on", "ray", "--workers-per-gpu", "2"], "--workers-per-gpu = 2 goes with no cluster"),
        (["--on", "ray://nowhere"], "ray://nowhere is no address"),
    ],
)
def test_options_of_where_workers_run(
    told, tmp_path: Path, corpus: dict, words: list[str], expected: str
) -> None:
    assert expected in told("search", str(write_study(tmp_path, corpus)), *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to share")
def test_a_gpu_that_is_not_there_is_not_shared(told, tmp_path: Path, corpus: dict) -> None:
    words = ("search", str(write_study(tmp_path, corpus)), "--workers-per-gpu", "2")
    assert "this machine has no GPU" in told(*words)
