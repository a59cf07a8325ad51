"""Encoder and decoder layers against torch's own, in both norm orders."""

import pytest
import torch
from torch import nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.feed_forward import PositionwiseFeedForward
from automl_tf.model.layers import DecoderLayer, EncoderLayer
from automl_tf.model.masks import causal_mask, padding_mask

IS_PADDING_BS = torch.arange(7) >= torch.tensor([7, 4, 1])[:, None]
WIDTH = 24


def _config(norm, activation="relu"):
    return ModelConfig(
        d_model=WIDTH, num_heads=3, d_ff=40, dropout=0.0, norm=norm, activation=activation
    )


def _reference(kind, norm, activation):
    torch.manual_seed(1)
    layer = kind(
        WIDTH,
        3,
        40,
        dropout=0.0,
        activation=activation,
        batch_first=True,
        norm_first=norm == "pre",
    )
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.1 * torch.randn_like(parameter)
    return layer


def _pairs(ours, theirs):
    """Our parameters beside the parts of the reference's that they stand for."""
    attention = theirs.self_attn
    yield from _modules(ours.self_attention.output, attention.out_proj)
    yield from _modules(ours.feed_forward.inner, theirs.linear1)
    yield from _modules(ours.feed_forward.output, theirs.linear2)
    for name in ("weight", "bias"):
        packed = getattr(attention, f"in_proj_{name}")
        yield getattr(ours.self_attention.query_key_value, name), packed, slice(None)
    residuals = [ours.self_attention_residual]
    if isinstance(ours, DecoderLayer):
        residuals.append(ours.cross_attention_residual)
        cross = theirs.multihead_attn
        yield from _modules(ours.cross_attention.output, cross.out_proj)
        for name in ("weight", "bias"):
            packed = getattr(cross, f"in_proj_{name}")
            yield getattr(ours.cross_attention.query, name), packed, slice(WIDTH)
            yield getattr(ours.cross_attention.key_value, name), packed, slice(WIDTH, None)
    residuals.append(ours.feed_forward_residual)
    for number, residual in enumerate(residuals, start=1):
        yield from _modules(residual.norm, getattr(theirs, f"norm{number}"))


def _modules(ours, theirs):
    for name in ("weight", "bias"):
        yield getattr(ours, name), getattr(theirs, name), slice(None)


def _assert_equal(ours, theirs, run_ours, run_theirs):
    pairs = list(_pairs(ours, theirs))
    assert len(pairs) == len(list(ours.parameters()))
    for mine, reference, part in pairs:
        mine.data = reference.detach()[part].clone()
    actual, expected = run_ours(), run_theirs()
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    direction = torch.randn_like(expected)
    (actual * direction).sum().backward()
    (expected * direction).sum().backward()
    for mine, reference, part in pairs:
        torch.testing.assert_close(mine.grad, reference.grad[part], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layer_equals_torchs(norm, activation):
    theirs = _reference(nn.TransformerEncoderLayer, norm, activation)
    ours = EncoderLayer(_config(norm, activation))
    x = torch.randn(3, 7, WIDTH)
    padding = padding_mask(~IS_PADDING_BS, pad_id=False)
    _assert_equal(
        ours,
        theirs,
        lambda: ours(x, padding),
        lambda: theirs(x, src_key_padding_mask=IS_PADDING_BS),
    )


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_decoder_layer_equals_torchs(norm, activation):
    theirs = _reference(nn.TransformerDecoderLayer, norm, activation)
    ours = DecoderLayer(_config(norm, activation))
    x, encoded = torch.randn(3, 5, WIDTH), torch.randn(3, 7, WIDTH)
    padding = padding_mask(~IS_PADDING_BS, pad_id=False)
    _assert_equal(
        ours,
        theirs,
        lambda: ours(x, ours.cross_attention.keys_and_values(encoded), padding),
        lambda: theirs(
            x, encoded, tgt_mask=causal_mask(5, x), memory_key_padding_mask=IS_PADDING_BS
        ),
    )


def test_swiglu_is_a_gated_network():
    layer = PositionwiseFeedForward(_config("pre", "swiglu"))
    x = torch.randn(4, WIDTH)
    gate, value = layer.inner(x).split(40, dim=-1)
    expected = layer.output(gate * torch.sigmoid(gate) * value)
    torch.testing.assert_close(layer(x), expected)


def test_inner_units_are_dropped_in_training_alone():
    config = ModelConfig(d_model=WIDTH, num_heads=3, d_ff=40, activation_dropout=0.5)
    layer, x = PositionwiseFeedForward(config), torch.randn(4, WIDTH)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))
