"""MasterAdamW against torch's AdamW and torch's own clipping."""

import copy

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from automl_tf.training.graphs import GraphedCall
from automl_tf.training.optimizer import MasterAdamW


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def steps(
    module: nn.Module, optimizer: torch.optim.Optimizer, clip: float | None = None, count: int = 5
):
    generator = torch.Generator().manual_seed(2)
    norms = []
    dtype = next(module.parameters()).dtype
    for _ in range(count):
        inputs = torch.randn(10, 6, generator=generator).to(dtype)
        loss = 10 * module(inputs).float().square().mean()
        if isinstance(optimizer, MasterAdamW):
            optimizer.add_gradients(loss * 7, num_tokens=7)
            optimizer.step()
            norms.append(optimizer.grad_norm.clone())
            continue
        optimizer.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(module.parameters(), clip))
        optimizer.step()
    return torch.stack([norm.float() for norm in norms])


def test_equals_torch_in_fp32() -> None:
    ours, theirs = network(), network()
    master = MasterAdamW(ours.parameters(), lr=0.01, beta2=0.98, weight_decay=0.1, clip_norm=0.5)
    groups = [
        {"params": [w for w in theirs.parameters() if w.dim() > 1], "weight_decay": 0.1},
        {"params": [w for w in theirs.parameters() if w.dim() <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-8)
    torch.testing.assert_close(steps(ours, master), steps(theirs, adamw, 0.5))
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
    torch.testing.assert_close(steps(ours, master), steps(theirs, adamw, 0.5))
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize("sizes", [(12,), (6, 6), (1, 11), (2, 3, 7), (1,) * 12])
@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_an_update_is_the_same_however_its_tokens_are_divided(
    sizes: tuple[int, ...], clip_norm: float
) -> None:
    inputs = torch.randn(12, 6, generator=torch.Generator().manual_seed(2))
    whole, divided = network(), network()
    options = {"lr": 0.01, "beta2": 0.98, "weight_decay": 0.1, "clip_norm": clip_norm}
    one, several = (MasterAdamW(module.parameters(), **options) for module in (whole, divided))
    for _ in range(3):
        losses = whole(inputs).square().mean(dim=1)
        one.add_gradients(losses.sum(), 12)
        one.step()
        for part in inputs.split(sizes):
            several.add_gradients(divided(part).square().mean(dim=1).sum(), len(part))
        several.step()
        torch.testing.assert_close(one.loss, losses.mean())
        torch.testing.assert_close(several.loss, one.loss)
        torch.testing.assert_close(several.grad_norm, one.grad_norm)
    for weight, expected in zip(divided.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)


def test_gradients_are_forgotten_after_a_step_and_when_asked_to() -> None:
    module = network()
    optimizer = MasterAdamW(
        module.parameters(), lr=0.01, beta2=0.98, weight_decay=0.0, clip_norm=0.0
    )
    inputs = torch.ones(1, 6)
    norms = []
    for forgotten in (0, 2, 0):
        for _ in range(forgotten):
            optimizer.add_gradients(1000 * module(inputs).sum(), 1)
        optimizer.zero_grad()
        optimizer.scale_learning_rates(0.0)
        optimizer.add_gradients(module(inputs).sum(), 1)
        optimizer.step()
        norms.append(float(optimizer.grad_norm))
    assert norms[0] == norms[1] == norms[2] > 0


def test_learning_rates_are_shares_of_their_peaks() -> None:
    module = network()
    optimizer = MasterAdamW(
        module.parameters(),
        lr=0.01,
        beta2=0.98,
        weight_decay=0.0,
        clip_norm=0.0,
        multipliers={module[0].weight: 4.0},
    )
    for factor in (0.5, 0.25, 1.0):
        optimizer.scale_learning_rates(factor)
        rates = {round(float(group["lr"]), 6) for group in optimizer.param_groups}
        assert rates == {round(0.04 * factor, 6), round(0.01 * factor, 6)}


class NoWaiting(TorchDispatchMode):
    """Fails where a number of a tensor is read, which waits for a GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket not in {
            torch.ops.aten._local_scalar_dense,
            torch.ops.aten.nonzero,
            torch.ops.aten.is_nonzero,
        }, f"{func} waits for the GPU"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("ema", [0.0, 0.1])
@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_update_waits_for_nothing(dtype: torch.dtype, clip_norm: float, ema: float) -> None:
    module = network().to(dtype)
    optimizer = MasterAdamW(
        module.parameters(), lr=0.01, beta2=0.98, weight_decay=0.1, clip_norm=clip_norm, ema=ema
    )
    inputs = torch.randn(10, 6, dtype=dtype)
    with NoWaiting():
        for step in range(3):
            losses = module(inputs).float().square().mean(dim=1)
            optimizer.add_gradients(losses.sum(), (losses.detach() >= 0).sum())
            optimizer.scale_learning_rates(1 / (1 + step))
            optimizer.step()
    assert float(optimizer.loss) > 0
    with pytest.raises(AssertionError, match="waits"), NoWaiting():
        float(optimizer.loss)


def test_an_update_reads_and_writes_the_same_memory_each_time() -> None:
    """A CUDA graph does so, whatever happens between its replays."""
    module = network().bfloat16()
    optimizer = MasterAdamW(
        module.parameters(), lr=0.01, beta2=0.98, weight_decay=0.1, clip_norm=1.0
    )

    def places() -> list[int]:
        groups = optimizer.param_groups
        held = [*module.parameters(), optimizer.loss, optimizer.grad_norm]
        held += [tensor for group in groups for tensor in (group["lr"], *group["params"])]
        held += [group["params"][0].grad for group in groups]
        held += [state[name] for state in optimizer.state.values() for name in sorted(state)]
        return [tensor.data_ptr() for tensor in held]

    steps(module, optimizer, count=1)
    before = places()
    steps(module, optimizer, count=2)
    optimizer.zero_grad()
    assert places() == before


class StubGraph(TorchDispatchMode):
    """Records operations without effect and repeats them on the same memory, like a CUDA graph."""

    def __init__(self, written: list[torch.Tensor]) -> None:
        super().__init__()
        self._written = written
        self._recorded: list[tuple] = []

    def __enter__(self):
        self._before = [tensor.clone() for tensor in self._written]
        return super().__enter__()

    def __exit__(self, *error) -> None:
        super().__exit__(*error)
        for tensor, before in zip(self._written, self._before, strict=True):
            tensor.copy_(before)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self._recorded.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, result in self._recorded:
            again = func(*args, **kwargs)
            if isinstance(result, torch.Tensor) and again.data_ptr() != result.data_ptr():
                result.copy_(again)


@pytest.mark.parametrize("ema", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_update_takes_the_same_course_as_a_graph(
    dtype: torch.dtype, ema: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"lr": 0.01, "beta2": 0.98, "weight_decay": 0.1, "clip_norm": 0.5, "ema": ema}
    plain, graphed = network().to(dtype), network().to(dtype)
    one, other = (MasterAdamW(module.parameters(), **options) for module in (plain, graphed))
    made: list[StubGraph] = []

    def new_graph() -> StubGraph:
        written = [*graphed.parameters(), other.loss, other.grad_norm, other._flat.sums]
        written += [other._flat.masters]
        written += [] if other._flat.averages is None else [other._flat.averages]
        written += [tensor for state in other.state.values() for tensor in state.values()]
        made.append(StubGraph(written))
        return made[-1]

    monkeypatch.setattr(torch.cuda, "CUDAGraph", new_graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, **_options: graph)
    other._update_graph = GraphedCall()
    other._flat._adds_to_zeros, other._flat._is_empty = True, False
    for factor in (0.5, 1.0, 0.7, 0.1):
        for optimizer in (one, other):
            optimizer.scale_learning_rates(factor)
        norms = steps(plain, one), steps(graphed, other)
        assert torch.equal(*norms)
        assert torch.equal(one.loss, other.loss)
    assert len(made) == 1
    for weight, expected in zip(graphed.parameters(), plain.parameters(), strict=True):
        assert torch.equal(weight, expected)
    kept = plain.named_parameters(), one.full_precision(plain), other.full_precision(graphed)
    assert all(torch.equal(kept[1][name], kept[2][name]) for name, _ in kept[0])


def test_an_update_that_cannot_be_captured_runs_without_a_graph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", fail)
    call, done = GraphedCall(), []
    for number in range(4):
        call(lambda number=number: done.append(number))
    assert done == [0, 1, 2, 3]


def test_masters_keep_updates_that_bf16_would_lose() -> None:
    module = nn.Linear(4, 4, bias=False).bfloat16()
    with torch.no_grad():
        module.weight.fill_(1.0)
    optimizer = MasterAdamW(
        module.parameters(), lr=1e-4, beta2=0.98, weight_decay=0.0, clip_norm=0.0
    )
    for _ in range(100):
        optimizer.add_gradients(module(torch.ones(1, 4, dtype=torch.bfloat16)).sum(), 1)
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
    steps(module, optimizer)
    weights, state = copy.deepcopy(module.state_dict()), copy.deepcopy(optimizer.state_dict())
    expected = steps(module, optimizer)
    other = network().to(dtype)
    other.load_state_dict(weights)
    restored = MasterAdamW(other.parameters(), **options, multipliers={other[0].weight: multiplier})
    restored.load_state_dict(state)
    assert torch.equal(steps(other, restored), expected)
    for one, two in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
