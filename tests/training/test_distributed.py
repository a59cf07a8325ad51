"""Several processes make the update of one, in fp32, and their weights stay equal."""

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from automl_tf.training.distributed import ProcessGroup
from automl_tf.training.events import Decision, FitResult, Outcome, TrainingHooks
from automl_tf.training.launch import launch
from automl_tf.training.optimizer import MasterAdamW

WORLD_SIZE = 2
BATCHES = 64


def batches(rank: int) -> Tensor:
    return torch.randn(BATCHES, 16, 6, generator=torch.Generator().manual_seed(rank)).bfloat16()


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)).bfloat16()


def loss(module: nn.Module, inputs: Tensor) -> Tensor:
    return (module(inputs).float() - 0.3).square().sum()


def update(
    folder: Path, processes: ProcessGroup, _hooks: TrainingHooks, updates: int = 2
) -> FitResult:
    """Trains on a rank's batches; writes the sums of the first update and the weights."""
    module = network()
    sums: list[Tensor] = []

    def all_reduce(buffer: Tensor) -> None:
        processes.all_reduce(buffer)
        sums.append(buffer.clone())

    optimizer = MasterAdamW(
        module.parameters(),
        lr=0.01,
        beta2=0.98,
        weight_decay=0.1,
        clip_norm=1.0,
        all_reduce=all_reduce,
    )
    for _ in range(updates):
        for inputs in batches(processes.rank):
            optimizer.add_gradients(loss(module, inputs), len(inputs))
        optimizer.step()
    weights = optimizer.full_precision(module)
    torch.save((sums[0], weights), folder / f"{processes.rank}.pt")
    return FitResult(Outcome.FINISHED, updates, None, None, None, 0.0)


def relative_error(found: Tensor, exact: Tensor) -> float:
    return float((found.double() - exact).norm() / exact.norm())


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="takes as many GPUs")
def test_gradients_of_several_processes_are_summed_in_fp32(tmp_path: Path) -> None:
    work = functools.partial(update, tmp_path)
    launch(work, WORLD_SIZE, TrainingHooks(lambda _: Decision.CONTINUE))
    module = network()
    optimizer = MasterAdamW(
        module.parameters(), lr=0.01, beta2=0.98, weight_decay=0.0, clip_norm=0.0
    )
    exact, in_bf16 = torch.zeros(()), torch.zeros((), dtype=torch.bfloat16)
    for rank in range(WORLD_SIZE):
        for inputs in batches(rank):
            optimizer.zero_grad()
            optimizer.add_gradients(loss(module, inputs), len(inputs))
            one = optimizer._flat.sums.clone()
            exact, in_bf16 = exact + one.double(), in_bf16 + one.bfloat16()
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(WORLD_SIZE)]
    (sums, weights), (other_sums, other_weights) = found
    assert torch.equal(sums, other_sums)
    assert int(sums[-1]) == WORLD_SIZE * BATCHES * 16
    assert relative_error(sums[:-1], exact[:-1]) < 1e-6
    assert relative_error(in_bf16[:-1], exact[:-1]) > 1e-3
    for name, weight in weights.items():
        assert torch.equal(weight, other_weights[name])
