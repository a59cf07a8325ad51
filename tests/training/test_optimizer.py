"""MasterAdamW against torch's AdamW and torch's own clipping."""

import copy

import pytest
import torch
from torch import nn

from automl_tf.training.optimizer import MasterAdamW


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def steps(module: nn.Module, optimizer: torch.optim.Optimizer, clip: float | None, count: int = 5):
    generator = torch.Generator().manual_seed(2)
    norms = []
    dtype = next(module.parameters()).dtype
    for _ in range(count):
        inputs = torch.randn(10, 6, generator=generator).to(dtype)
        optimizer.zero_grad()
        (10 * module(inputs).float().square().mean()).backward()
        if clip is not None:
            norms.append(nn.utils.clip_grad_norm_(module.parameters(), clip))
        optimizer.step()
        if isinstance(optimizer, MasterAdamW):
            norms.append(optimizer.grad_norm)
    return torch.stack([norm.float() for norm in norms])


def test_equals_torch_in_fp32() -> None:
    ours, theirs = network(), network()
    master = MasterAdamW(ours.parameters(), lr=0.01, beta2=0.98, weight_decay=0.1, clip_norm=0.5)
    groups = [
        {"params": [w for w in theirs.parameters() if w.dim() > 1], "weight_decay": 0.1},
        {"params": [w for w in theirs.parameters() if w.dim() <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-8)
    torch.testing.assert_close(steps(ours, master, None), steps(theirs, adamw, 0.5))
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_multipliers_change_rates_and_leave_decay() -> None:
    ours, theirs = network(), network()
    multipliers = {ours[0].weight: 4.0, ours[3].weight: 0.5, ours[0].bias: 2.0}
    master = MasterAdamW(
        ours.parameters(),
        lr=0.01,
        beta2=0.98,
        weight_decay=0.1,
        clip_norm=0.5,
        multipliers=multipliers,
    )
    groups = []
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        rate = 0.01 * multipliers.get(one, 1.0)
        decay_a_step = 0.01 * 0.1 if two.dim() > 1 else 0.0
        groups.append({"params": [two], "lr": rate, "weight_decay": decay_a_step / rate})
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=1e-8)
    torch.testing.assert_close(steps(ours, master, None), steps(theirs, adamw, 0.5))
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("parts", [1, 3])
def test_added_gradients_are_those_of_backward(parts) -> None:
    inputs = torch.randn(12, 6, generator=torch.Generator().manual_seed(2))
    one, other = network(), network()
    added, gathered = (
        MasterAdamW(module.parameters(), lr=0.01, beta2=0.98, weight_decay=0.1, clip_norm=0.5)
        for module in (one, other)
    )
    for _ in range(3):
        added.forget_added()
        gathered.zero_grad()
        for part in inputs.chunk(parts):
            added.add_gradients_of(one(part).square().mean() / parts)
            (other(part).square().mean() / parts).backward()
            # Lightning calls it between the step and its backward pass.
            added.zero_grad()
        added.step()
        gathered.step()
        torch.testing.assert_close(added.grad_norm, gathered.grad_norm)
    for weight, expected in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)


def test_masters_keep_updates_that_bf16_would_lose() -> None:
    module = nn.Linear(4, 4, bias=False).bfloat16()
    with torch.no_grad():
        module.weight.fill_(1.0)
    optimizer = MasterAdamW(
        module.parameters(), lr=1e-4, beta2=0.98, weight_decay=0.0, clip_norm=0.0
    )
    for _ in range(100):
        optimizer.zero_grad()
        module(torch.ones(1, 4, dtype=torch.bfloat16)).sum().backward()
        optimizer.step()
    weight = optimizer.full_precision(module)["weight"]
    torch.testing.assert_close(weight, torch.full((4, 4), 0.99), atol=1e-4, rtol=0)
    assert torch.equal(module.weight, weight.bfloat16())


@pytest.mark.parametrize("multiplier", [1.0, 4.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_restores_the_course(dtype: torch.dtype, multiplier: float) -> None:
    module = network().to(dtype)
    options = {"lr": 0.01, "beta2": 0.98, "weight_decay": 0.1, "clip_norm": 0.5}
    optimizer = MasterAdamW(
        module.parameters(), **options, multipliers={module[0].weight: multiplier}
    )
    steps(module, optimizer, None)
    weights, state = copy.deepcopy(module.state_dict()), copy.deepcopy(optimizer.state_dict())
    expected = steps(module, optimizer, None)
    other = network().to(dtype)
    other.load_state_dict(weights)
    restored = MasterAdamW(other.parameters(), **options, multipliers={other[0].weight: multiplier})
    restored.load_state_dict(state)
    assert torch.equal(steps(other, restored, None), expected)
    for one, two in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
