"""Scaled dot-product attention against torch's kernel, and the properties of its masks."""

import pytest
import torch

from automl_tf.model import dot_product
from automl_tf.model.dot_product import attend, future_bias, padding_bias

IS_PADDING_BS = torch.arange(7) >= torch.tensor([7, 4, 1])[:, None]


def with_gradients(*inputs, **options):
    """What attention gives and the gradients that flow through it."""
    inputs = [part.detach().requires_grad_() for part in inputs]
    mixed = attend(*inputs, **options)
    generator = torch.Generator().manual_seed(7)
    mixed.backward(torch.randn(mixed.shape, generator=generator).to(mixed.dtype))
    return mixed.detach(), *(part.grad for part in inputs)


def all_kinds(num_queries, num_keys, dtype=torch.float32):
    torch.manual_seed(1)
    lengths = (num_queries, num_keys, num_keys)
    return [
        torch.randn(3, length, 2, width, dtype=dtype)
        for length, width in zip(lengths, (8, 8, 5), strict=True)
    ]


# Below, at and above the length of a vector.
@pytest.mark.parametrize("num_keys", [1, 7, 16, 40])
@pytest.mark.parametrize("kind", ["plain", "causal", "padded"])
def test_equals_torchs_kernel(num_keys, kind, monkeypatch):
    inputs = all_kinds(num_keys if kind == "causal" else 9, num_keys)
    is_padding_BS = torch.arange(num_keys) >= torch.tensor([num_keys, num_keys // 2, 1])[:, None]
    options = {
        "plain": {},
        "causal": {"is_causal": True},
        "padded": {"padding_B11S": padding_bias(is_padding_BS, torch.float32)},
    }[kind]
    ours = with_gradients(*inputs, **options)
    monkeypatch.setattr(dot_product, "LONGEST_PLAIN_PRODUCT", 0)
    for one, other in zip(ours, with_gradients(*inputs, **options), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize("is_causal", [False, True])
def test_gradients_are_the_derivatives(is_causal, drop):
    inputs = [part.requires_grad_() for part in all_kinds(6, 6, torch.float64)]

    def attend_alike(*parts):
        torch.manual_seed(3)
        return attend(*parts, is_causal=is_causal, drop=drop)

    assert torch.autograd.gradcheck(attend_alike, inputs)


@pytest.mark.parametrize("num_keys", [7, 40])
def test_bf16_is_off_by_its_rounding_alone(num_keys):
    rounded = with_gradients(*all_kinds(9, num_keys, torch.bfloat16))
    inputs = [part.float() for part in all_kinds(9, num_keys, torch.bfloat16)]
    exact = with_gradients(*inputs)
    for one, other in zip(rounded, exact, strict=True):
        # A few roundings of a 256th each, of numbers as large as the largest.
        assert (one.float() - other).abs().max() < 4 * 2**-8 * other.abs().max()


@pytest.mark.parametrize("longest_plain", [0, 512])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_of_padding_alone_stays_finite(longest_plain, dtype, monkeypatch):
    monkeypatch.setattr(dot_product, "LONGEST_PLAIN_PRODUCT", longest_plain)
    query = torch.randn(2, 4, 3, 8, dtype=dtype, requires_grad=True)
    key, value = torch.randn(2, 2, 6, 3, 8, dtype=dtype).unbind()
    mixed = attend(query, key, value, padding_bias(torch.ones(2, 6, dtype=torch.bool), dtype))
    mixed.sum().backward()
    assert mixed.isfinite().all()
    assert query.grad.isfinite().all()


def test_padded_keys_weigh_exactly_nothing():
    query, key, value = torch.randn(3, 4, 2, 8), *torch.randn(2, 3, 7, 2, 8).unbind()
    padding = padding_bias(IS_PADDING_BS, torch.float32)
    before = attend(query, key, value, padding)
    key[2, 1:], value[2, 1:] = 100.0, -100.0
    assert torch.equal(attend(query, key, value, padding), before)


def test_the_future_is_hidden_by_minus_infinity_above_the_diagonal():
    bias = future_bias(5, torch.zeros(1))
    above = torch.ones(5, 5).triu(1).bool()
    assert (bias[above] == -torch.inf).all()
    assert (bias[~above] == 0).all()


def test_attention_weights_are_dropped():
    torch.manual_seed(3)
    key = torch.randn(2, 6, 2, 8)
    value = torch.eye(6)[:, None].expand(2, 6, 2, 6)
    weights = attend(key, key, value, drop=0.5)
    kept = attend(key, key, value)
    is_dropped = weights == 0
    assert 0 < is_dropped.sum() < is_dropped.numel()
    torch.testing.assert_close(weights[~is_dropped], 2 * kept[~is_dropped])
