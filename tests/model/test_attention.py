"""Attention against torch's own, and the properties of its masks."""

import pytest
import torch
from torch import nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model import attention
from automl_tf.model.attention import (
    CrossAttention,
    SelfAttention,
    attend,
    attend_once,
    future_bias,
    padding_bias,
)

CONFIG = ModelConfig(d_model=24, num_heads=3)
IS_PADDING_BS = torch.arange(7) >= torch.tensor([7, 4, 1])[:, None]


def _reference(config=CONFIG):
    torch.manual_seed(1)
    reference = nn.MultiheadAttention(config.d_model, config.num_heads, batch_first=True)
    nn.init.normal_(reference.in_proj_bias)
    nn.init.normal_(reference.out_proj.bias)
    return reference


def _like(reference, ours):
    """Gives our module the reference's weights."""
    packed = ["in_proj_weight", "in_proj_bias"]
    for theirs, name in zip(packed, ["weight", "bias"], strict=True):
        values = getattr(reference, theirs).detach()
        width = CONFIG.d_model
        if isinstance(ours, SelfAttention):
            getattr(ours.query_key_value, name).data = values.clone()
        else:
            getattr(ours.query, name).data = values[:width].clone()
            getattr(ours.key_value, name).data = values[width:].clone()
        getattr(ours.output, name).data = getattr(reference.out_proj, name).detach().clone()
    return ours


def _packed_gradient(ours, name):
    if isinstance(ours, SelfAttention):
        return getattr(ours.query_key_value, name).grad
    return torch.cat([getattr(layer, name).grad for layer in (ours.query, ours.key_value)])


def _assert_same_gradients(reference, ours):
    torch.testing.assert_close(_packed_gradient(ours, "weight"), reference.in_proj_weight.grad)
    torch.testing.assert_close(
        _packed_gradient(ours, "bias"), reference.in_proj_bias.grad, rtol=1e-5, atol=1e-5
    )
    for name in ("weight", "bias"):
        theirs = getattr(reference.out_proj, name).grad
        torch.testing.assert_close(getattr(ours.output, name).grad, theirs)


@pytest.mark.parametrize(
    ("is_causal", "has_padding"), [(False, False), (False, True), (True, False)]
)
def test_self_attention_equals_torchs(is_causal, has_padding):
    reference = _reference()
    ours = _like(reference, SelfAttention(CONFIG))
    x_BSD = torch.randn(3, 7, 24, requires_grad=True)
    y_BSD = x_BSD.detach().clone().requires_grad_()
    expected, _ = reference(
        x_BSD,
        x_BSD,
        x_BSD,
        key_padding_mask=IS_PADDING_BS if has_padding else None,
        attn_mask=future_bias(7, x_BSD) if is_causal else None,
    )
    bias = padding_bias(IS_PADDING_BS, torch.float32) if has_padding else None
    actual = ours(y_BSD, bias, is_causal=is_causal)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    expected.square().sum().backward()
    actual.square().sum().backward()
    torch.testing.assert_close(y_BSD.grad, x_BSD.grad, rtol=1e-5, atol=1e-5)
    _assert_same_gradients(reference, ours)


def test_cross_attention_equals_torchs():
    reference = _reference()
    ours = _like(reference, CrossAttention(CONFIG))
    x_BTD, encoded_BSD = torch.randn(3, 5, 24), torch.randn(3, 7, 24)
    expected, _ = reference(x_BTD, encoded_BSD, encoded_BSD, key_padding_mask=IS_PADDING_BS)
    padding_B11S = padding_bias(IS_PADDING_BS, torch.float32)
    actual = ours(x_BTD, *ours.keys_and_values(encoded_BSD), padding_B11S)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    expected.square().sum().backward()
    actual.square().sum().backward()
    _assert_same_gradients(reference, ours)


@pytest.mark.parametrize("is_causal", [False, True])
def test_plain_products_equal_the_fused_kernel(is_causal, monkeypatch):
    query, key, value = (torch.randn(2, 3, 9, width) for width in (8, 8, 5))
    plain = attend(query, key, value, is_causal=is_causal)
    monkeypatch.setattr(attention, "LONGEST_PLAIN_PRODUCT", 0)
    torch.testing.assert_close(attend(query, key, value, is_causal=is_causal), plain)


@pytest.mark.parametrize("longest_plain", [0, 512])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_of_padding_alone_stays_finite(longest_plain, dtype, monkeypatch):
    monkeypatch.setattr(attention, "LONGEST_PLAIN_PRODUCT", longest_plain)
    query = torch.randn(2, 3, 4, 8, dtype=dtype, requires_grad=True)
    key, value = torch.randn(2, 2, 3, 6, 8, dtype=dtype).unbind()
    mixed = attend(query, key, value, padding_bias(torch.ones(2, 6, dtype=torch.bool), dtype))
    mixed.sum().backward()
    assert mixed.isfinite().all()
    assert query.grad.isfinite().all()


def test_padded_keys_weigh_exactly_nothing():
    query, key = torch.randn(3, 2, 4, 8), torch.randn(3, 2, 7, 8)
    value = torch.randn(3, 2, 7, 8)
    padding = padding_bias(IS_PADDING_BS, torch.float32)
    before = attend(query, key, value, padding)
    key[2, :, 1:], value[2, :, 1:] = 100.0, -100.0
    assert torch.equal(attend(query, key, value, padding), before)


def test_the_future_is_hidden_by_minus_infinity_above_the_diagonal():
    bias = future_bias(5, torch.zeros(1))
    above = torch.ones(5, 5).triu(1).bool()
    assert (bias[above] == -torch.inf).all()
    assert (bias[~above] == 0).all()


def test_one_query_at_a_time_equals_all_at_once():
    torch.manual_seed(2)
    query, key, value = (torch.randn(3, 2, 7, width) for width in (8, 8, 5))
    padding = padding_bias(IS_PADDING_BS, torch.float32)
    expected = attend(query, key, value, padding)
    # All seven queries as rows of one sentence.
    once = attend_once(
        query.transpose(1, 2),
        key.permute(2, 0, 1, 3)[:, :, None],
        value.permute(2, 0, 1, 3)[:, :, None],
        padding.permute(3, 0, 1, 2),
    )
    torch.testing.assert_close(once.transpose(1, 2), expected)


def test_attention_weights_are_dropped():
    torch.manual_seed(3)
    key = torch.randn(2, 2, 6, 8)
    value = torch.eye(6).expand(2, 2, 6, 6)
    weights = attend(key, key, value, drop=0.5)
    kept = attend(key, key, value)
    is_dropped = weights == 0
    assert 0 < is_dropped.sum() < is_dropped.numel()
    torch.testing.assert_close(weights[~is_dropped], 2 * kept[~is_dropped])


def test_widths_of_keys_and_values_are_free():
    config = ModelConfig(d_model=24, num_heads=3, d_k=4, d_v=10)
    x = torch.randn(2, 5, 24)
    assert SelfAttention(config)(x).shape == x.shape
    layer = CrossAttention(config)
    key, value = layer.keys_and_values(x)
    assert (key.shape, value.shape) == ((2, 3, 5, 4), (2, 3, 5, 10))
    assert layer(x, key, value).shape == x.shape


def test_each_packed_projection_has_the_bound_of_its_own_width():
    layer = SelfAttention(ModelConfig(d_model=64, num_heads=2, d_k=8, d_v=32))
    for weight in layer.query_key_value.weight.split([16, 16, 64]):
        bound = (6 / sum(weight.shape)) ** 0.5
        assert 0.9 * bound < weight.abs().max() <= bound
    assert not layer.query_key_value.bias.any()
