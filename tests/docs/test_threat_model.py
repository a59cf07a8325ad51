"""What docs/threat-model.md promises: nothing that is read from outside is executed."""

import ast
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from automl_tf.bundle.bundle import CARD, CONFIG, WEIGHTS, load
from automl_tf.config.files import read_export, read_study
from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.errors import UserError
from automl_tf.training.checkpoints import LAST_CHECKPOINT
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "automl_tf").rglob("*.py"))
LOADERS = {"torch.load", "trainer.fit", "Trainer.load_from_checkpoint"}
NEVER = {"eval", "exec", "os.system", "pickle.load", "yaml.load", "joblib.load", "cloudpickle.load"}


class Payload:
    """What a pickle may hold: it makes a folder when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self._mark),)


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(call: ast.Call) -> dict[str, str]:
    return {word.arg: ast.unparse(word.value) for word in call.keywords if word.arg}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_loads_weights_alone_and_never_evaluates(path: Path) -> None:
    for name, call in calls(path):
        given = keywords(call)
        assert name not in NEVER, f"line {call.lineno}"
        assert given.get("shell", "False") == "False", f"line {call.lineno}"
        assert "trust_remote_code" not in given, f"line {call.lineno}"
        if name in LOADERS:
            assert given.get("weights_only") == "True", f"line {call.lineno}"
        if name == "YAML":
            assert given.get("typ") in ("'rt'", "'safe'"), f"line {call.lineno}"


def test_pickles_are_read_nowhere_but_from_the_process_itself() -> None:
    importers = {
        path.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(name.name == "pickle" for name in node.names)
    }
    assert importers <= {"distributed.py"}


def test_a_checkpoint_with_code_in_it_is_refused(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    torch.save({"state_dict": Payload(mark)}, tmp_path / LAST_CHECKPOINT)
    with pytest.raises(Exception, match=r"(?i)weights.?only"):
        fit(config, data, tmp_path, lambda _validation: Decision.CONTINUE)
    assert not mark.exists()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / LAST_CHECKPOINT, weights_only=True)


@pytest.mark.parametrize("read", [read_study, read_export])
def test_yaml_makes_no_objects(tmp_path: Path, read: object) -> None:
    mark, path = tmp_path / "executed", tmp_path / "study.yaml"
    path.write_text(f"name: !!python/object/apply:os.mkdir ['{mark}']\n", encoding="utf-8")
    with pytest.raises(UserError):
        read(path)
    assert not mark.exists()


def test_a_bundle_with_a_pickle_for_weights_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    (tmp_path / CARD).write_text('{"format": 1}', encoding="utf-8")
    (tmp_path / CONFIG).write_text("{}", encoding="utf-8")
    torch.save(Payload(mark), tmp_path / WEIGHTS)
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path)
    assert not mark.exists()
