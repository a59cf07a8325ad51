"""A training step on a GPU never makes the host wait; shown on a pretended GPU."""

from pathlib import Path

import pytest
import torch

from automl_tf.data.prepare import prepare
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule
from automl_tf.training.optimizer import MasterAdamW
from tests.conftest import small_config
from tests.training.pretended_gpu import HostSyncError, no_host_sync, pretend, refusing

VARIANTS = (
    {},
    {"model__norm": "pre", "model__activation": "swiglu", "model__positions": "rotary"},
    {"model__positions": "learned", "model__tie_embeddings": False},
    {"model__attention_dropout": 0.1, "model__activation_dropout": 0.1},
    {"training__accumulate": 2, "training__clip_norm": 0.0, "training__label_smoothing": 0.0},
    {"training__precision": "bf16"},
)


def train_without_waiting(
    corpus: dict, cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, settings: dict
) -> None:
    """Some steps and a validation; the steps may not make the host wait."""
    for owner, name in ((TranslationModule, "training_step"), (MasterAdamW, "step")):
        monkeypatch.setattr(owner, name, refusing(getattr(owner, name)))
    steps = {"training__max_steps": 6, "training__validate_every": 6}
    settings = {**steps, "training__precision": "fp32", "model__dropout": 0.1, **settings}
    config = small_config(corpus, **settings)
    result = fit(config, prepare(config, cache), folder, lambda _validation: Decision.CONTINUE)
    assert result.step == 6


@pytest.mark.parametrize("settings", VARIANTS, ids=lambda settings: "-".join(settings) or "plain")
def test_a_step_makes_the_host_wait_for_nothing(
    reversal: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict
) -> None:
    pretend(monkeypatch)
    train_without_waiting(reversal, cache, tmp_path, monkeypatch, settings)


def test_a_step_on_the_cpu_would_make_a_gpu_wait(
    reversal: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HostSyncError):
        train_without_waiting(reversal, cache, tmp_path, monkeypatch, {})


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.item(),
        lambda x: x.sum().item(),
        lambda x: bool(x.any()),
        lambda x: float(x.sum()),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.masked_select(x > 0),
        lambda x: x.index_put_((x > 0,), torch.zeros(())),
        lambda x: x.repeat_interleave(x.long()),
        torch.unique,
        lambda x: torch.equal(x, x),
        lambda x: torch.tensor([1.0, 2.0]),
    ],
)
def test_what_makes_the_host_wait_is_found(wait) -> None:
    x = torch.ones(3)
    with no_host_sync(), pytest.raises(HostSyncError):
        wait(x)


@pytest.mark.parametrize(
    "go",
    [
        lambda x: x + 1,
        lambda x: x[:2],
        lambda x: x.masked_fill(x > 0, 2.0),
        lambda x: x[torch.arange(2)],
        lambda x: x.index_select(0, torch.arange(2)),
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: x.repeat_interleave(2),
        len,
    ],
)
def test_what_the_gpu_does_by_itself_is_let_pass(go) -> None:
    x = torch.ones(3)
    with no_host_sync():
        go(x)
