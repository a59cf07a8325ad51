"""The chunked loss against its formula and torch's own."""

import pytest
import torch
import torch.nn.functional as F

from automl_tf.model.kernels import cross_entropy
from automl_tf.model.kernels.cross_entropy import CHUNK, GPU_CHUNK_BYTES, chunk_tokens
from automl_tf.model.loss import label_smoothed_cross_entropy

PAD = 0


def _case(scale=1.0, dtype=torch.float32):
    torch.manual_seed(1)
    hidden = (scale * torch.randn(6, 17, 32)).to(dtype).requires_grad_()
    weight = (0.3 * torch.randn(111, 32)).to(dtype).requires_grad_()
    targets = torch.randint(1, 111, (6, 17))
    targets[2, 5:] = PAD
    targets[4, 16:] = PAD
    return hidden, weight, targets


def _reference(hidden, weight, targets, smoothing):
    logits = F.linear(hidden.float(), weight.float()).flatten(0, 1)
    flat = targets.flatten()
    loss = F.cross_entropy(logits, flat, ignore_index=PAD, label_smoothing=smoothing)
    return loss, F.cross_entropy(logits, flat, ignore_index=PAD)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_the_loss_is_its_formula(smoothing):
    hidden, weight, targets = _case()
    num_outputs = len(weight)
    log_p = F.linear(hidden, weight).log_softmax(dim=-1)[targets != PAD]
    q = (1 - smoothing) * F.one_hot(targets[targets != PAD], num_outputs) + smoothing / num_outputs
    expected = -(q * log_p).sum(dim=-1).mean()
    actual = label_smoothed_cross_entropy(hidden, weight, targets, smoothing, PAD).smoothed
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("num_outputs", [100, 8_000, 37_000, 250_000])
@pytest.mark.parametrize("unit_bytes", [2, 4])
def test_chunks_are_as_large_as_a_gpus_memory_admits(num_outputs, unit_bytes):
    tokens = chunk_tokens(num_outputs, unit_bytes, on_gpu=True)
    assert tokens >= chunk_tokens(num_outputs, unit_bytes, on_gpu=False) == CHUNK
    assert tokens == CHUNK or tokens * num_outputs * unit_bytes <= GPU_CHUNK_BYTES
    # The whole default batch of a small vocabulary is one chunk.
    assert num_outputs > 8_000 or tokens >= 4_000


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("chunk", [1, 16, 512])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_loss_and_gradients_equal_torchs(smoothing, chunk, scale, monkeypatch):
    monkeypatch.setattr(cross_entropy, "CHUNK", chunk)
    hidden, weight, targets = _case(scale)
    loss = label_smoothed_cross_entropy(hidden, weight, targets, smoothing, PAD)
    expected, expected_nll = _reference(hidden, weight, targets, smoothing)
    torch.testing.assert_close(loss.smoothed, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss.nll, expected_nll, rtol=1e-5, atol=1e-5)
    # The incoming gradient is not one.
    gradients = torch.autograd.grad(3 * loss.smoothed, (hidden, weight))
    for actual, reference in zip(
        gradients, torch.autograd.grad(3 * expected, (hidden, weight)), strict=True
    ):
        torch.testing.assert_close(actual, reference, rtol=1e-5, atol=1e-5 * max(1.0, scale))


def test_bf16_stays_within_its_rounding(monkeypatch):
    monkeypatch.setattr(cross_entropy, "CHUNK", 16)
    hidden, weight, targets = _case(dtype=torch.bfloat16)
    loss = label_smoothed_cross_entropy(hidden, weight, targets, 0.1, PAD)
    expected, expected_nll = _reference(hidden, weight, targets, 0.1)
    rounding = torch.finfo(torch.bfloat16).eps / 2
    largest_logit = F.linear(hidden, weight).abs().max().item()
    # A rounded logit and a rounded probability, each at its worst.
    bound = rounding * (largest_logit + 1)
    assert abs(loss.smoothed - expected) < bound
    assert abs(loss.nll - expected_nll) < bound
    for actual, reference in zip(
        torch.autograd.grad(loss.smoothed, (hidden, weight)),
        torch.autograd.grad(expected, (hidden, weight)),
        strict=True,
    ):
        error = (actual.float() - reference.float()).norm() / reference.float().norm()
        assert error < bound


def test_many_small_parts_of_the_weight_gradient_are_not_lost_in_bf16(monkeypatch):
    monkeypatch.setattr(cross_entropy, "CHUNK", 1)
    # In bf16 a sum of ones ends at 256.
    hidden = torch.ones(1, 2048, 8, dtype=torch.bfloat16)
    weight = torch.zeros(4, 8, dtype=torch.bfloat16, requires_grad=True)
    targets = torch.ones(1, 2048, dtype=torch.int64)
    loss = label_smoothed_cross_entropy(hidden, weight, targets, 0.0, PAD)
    loss.smoothed.backward()
    expected = torch.tensor([0.25, -0.75, 0.25, 0.25])
    torch.testing.assert_close(weight.grad[:, 0].float(), expected, rtol=0.005, atol=0)


def test_padding_does_not_count():
    hidden, weight, targets = _case()
    before = label_smoothed_cross_entropy(hidden, weight, targets, 0.1, PAD)
    changed = torch.where((targets == PAD)[..., None], 1e6, hidden.detach())
    assert torch.equal(
        label_smoothed_cross_entropy(changed, weight, targets, 0.1, PAD).smoothed, before.smoothed
    )
    before.smoothed.backward()
    assert not hidden.grad[targets == PAD].any()


def test_nothing_but_padding_is_no_loss():
    hidden, weight, targets = _case()
    loss = label_smoothed_cross_entropy(hidden, weight, torch.full_like(targets, PAD), 0.1, PAD)
    loss.smoothed.backward()
    assert loss.smoothed == 0
    assert not weight.grad.any()


def test_without_gradients_the_loss_is_the_same():
    hidden, weight, targets = _case()
    with_gradients = label_smoothed_cross_entropy(hidden, weight, targets, 0.1, PAD)
    with torch.no_grad():
        without = label_smoothed_cross_entropy(hidden, weight, targets, 0.1, PAD)
    assert torch.equal(with_gradients.smoothed, without.smoothed)
    assert not without.smoothed.requires_grad
    assert not with_gradients.nll.requires_grad


def test_the_default_type_does_not_matter():
    hidden, weight, targets = _case()
    expected = label_smoothed_cross_entropy(hidden, weight, targets, 0.1, PAD).smoothed
    torch.set_default_dtype(torch.bfloat16)
    try:
        actual = label_smoothed_cross_entropy(hidden, weight, targets, 0.1, PAD).smoothed
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(actual, expected)
