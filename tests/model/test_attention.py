"""Multi-head attention against torch's own."""

import pytest
import torch
from torch import nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model import attention
from automl_tf.model.attention import (
    CrossAttention,
    SelfAttention,
    scaled_dot_product_attention,
)
from automl_tf.model.masks import causal_mask, padding_mask

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
        attn_mask=causal_mask(7, x_BSD) if is_causal else None,
    )
    mask = padding_mask(~IS_PADDING_BS, pad_id=False) if has_padding else None
    actual = ours(y_BSD, mask, is_causal=is_causal)
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
    mask_B11S = padding_mask(~IS_PADDING_BS, pad_id=False)
    actual = ours(x_BTD, ours.keys_and_values(encoded_BSD), mask_B11S)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    expected.square().sum().backward()
    actual.square().sum().backward()
    _assert_same_gradients(reference, ours)


def test_the_weights_equal_torchs():
    reference = _reference()
    ours = _like(reference, CrossAttention(CONFIG))
    x_BTD, encoded_BSD = torch.randn(3, 5, 24), torch.randn(3, 7, 24)
    _, expected_BHTS = reference(
        x_BTD,
        encoded_BSD,
        encoded_BSD,
        key_padding_mask=IS_PADDING_BS,
        average_attn_weights=False,
    )
    mask_B11S = padding_mask(~IS_PADDING_BS, pad_id=False)
    key_BHSK, value_BHSV = ours.keys_and_values(encoded_BSD)
    weights_BHTS = ours.weights(x_BTD, key_BHSK, mask_B11S)
    torch.testing.assert_close(weights_BHTS, expected_BHTS)
    # The output is what these weights make of the values.
    mixed_BTHV = torch.einsum("bhts,bhsv->bthv", weights_BHTS, value_BHSV)
    expected_BTD = ours(x_BTD, (key_BHSK, value_BHSV), mask_B11S)
    torch.testing.assert_close(ours.output(mixed_BTHV.flatten(2)), expected_BTD)


def test_rows_of_one_source_ask_side_by_side():
    layer = CrossAttention(CONFIG)
    rows_RD, encoded_BSD = torch.randn(6, 24), torch.randn(3, 7, 24)
    mask_B11S = padding_mask(~IS_PADDING_BS, pad_id=False)
    expected_BTD = layer(rows_RD.view(3, 2, 24), layer.keys_and_values(encoded_BSD), mask_B11S)
    with torch.no_grad():
        actual_RD = layer(rows_RD, layer.keys_and_values(encoded_BSD), mask_B11S)
    torch.testing.assert_close(actual_RD, expected_BTD.flatten(0, 1))


@pytest.mark.parametrize("num_queries", [1, 5])
def test_the_formula_is_torchs(num_queries, monkeypatch):
    monkeypatch.setattr(attention, "has_fused_kernels", lambda _tensor: False)
    query, key, value = (torch.randn(3, 2, length, 8) for length in (num_queries, 7, 7))
    mask = padding_mask(~IS_PADDING_BS, pad_id=False)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(scaled_dot_product_attention(query, key, value, mask), expected)


def test_widths_of_keys_and_values_are_free():
    config = ModelConfig(d_model=24, num_heads=3, d_k=4, d_v=10)
    x = torch.randn(2, 5, 24)
    assert SelfAttention(config)(x).shape == x.shape
    layer = CrossAttention(config)
    key, value = layer.keys_and_values(x)
    assert (key.shape, value.shape) == ((2, 3, 5, 4), (2, 3, 5, 10))
    assert layer(x, (key, value)).shape == x.shape


def test_each_packed_projection_has_the_bound_of_its_own_width():
    layer = SelfAttention(ModelConfig(d_model=64, num_heads=2, d_k=8, d_v=32))
    for weight in layer.query_key_value.weight.split([16, 16, 64]):
        bound = (6 / sum(weight.shape)) ** 0.5
        assert 0.9 * bound < weight.abs().max() <= bound
    assert not layer.query_key_value.bias.any()
