"""The kernels of attention against the formula, values and gradients, and what masks mean."""

import itertools

import pytest
import torch

from automl_tf.model import attention
from automl_tf.model.attention import attention_weights, scaled_dot_product_attention
from automl_tf.model.kernels import attention as kernels
from automl_tf.model.masks import additive, padding_mask


def mask_of_lengths(num_keys, *, has_empty=False):
    """The mask of three sentences of unequal length; one of them may be nothing but padding."""
    lengths = torch.tensor([num_keys, -(-num_keys // 2), 0 if has_empty else 1])
    return padding_mask(torch.arange(num_keys) < lengths[:, None], pad_id=False)


def parts(num_queries, num_keys, dtype=torch.float32, *, heads_first=False):
    """Queries, keys and values as projections leave them, or head by head as a cache does."""
    torch.manual_seed(1)
    lengths = (num_queries, num_keys, num_keys)
    for length, width in zip(lengths, (8, 8, 5), strict=True):
        side_by_side = torch.randn(3, length, 2, width, dtype=dtype)
        heads = side_by_side.transpose(1, 2)
        yield heads.contiguous() if heads_first else heads


def with_gradients(attend, *inputs, **options):
    """What attention gives and the gradients that flow through it."""
    inputs = [part.detach().requires_grad_() for part in inputs]
    mixed = attend(*inputs, **options)
    generator = torch.Generator().manual_seed(7)
    mixed.backward(torch.randn(mixed.shape, generator=generator).to(mixed.dtype))
    return mixed.detach(), *(part.grad for part in inputs)


@pytest.fixture
def formula(monkeypatch):
    """The formula itself, as devices without a kernel compute it."""

    def attend(*inputs, **options):
        with monkeypatch.context() as patch:
            patch.setattr(attention, "has_fused_kernels", lambda _tensor: False)
            return scaled_dot_product_attention(*inputs, **options)

    return attend


# Of keys below, at and above the length of a vector; by our products and by torch's kernel.
SHAPES = [(9, 1), (1, 1), (9, 7), (16, 16), (3, 40), (40, 40)]
MASKS = ["none", "causal", "padding", "empty", "numbers"]


def options_of(kind, num_queries, num_keys):
    return {
        "none": {},
        "causal": {"is_causal": True},
        "padding": {"mask": mask_of_lengths(num_keys)},
        "empty": {"mask": mask_of_lengths(num_keys, has_empty=True)},
        "numbers": {"mask": additive(mask_of_lengths(num_keys), torch.float32)},
    }[kind]


@pytest.mark.parametrize("longest_plain", [0, 512])
@pytest.mark.parametrize(("num_queries", "num_keys"), SHAPES)
@pytest.mark.parametrize("kind", MASKS)
def test_kernels_equal_the_formula(
    formula, longest_plain, num_queries, num_keys, kind, monkeypatch
):
    if kind == "causal" and num_queries != num_keys:
        pytest.skip("a sequence over itself is as long as itself")
    monkeypatch.setattr(kernels, "LONGEST_PLAIN_PRODUCT", longest_plain)
    inputs = list(parts(num_queries, num_keys))
    options = options_of(kind, num_queries, num_keys)
    actual = with_gradients(scaled_dot_product_attention, *inputs, **options)
    expected = with_gradients(formula, *inputs, **options)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("heads_first", [False, True])
@pytest.mark.parametrize(("num_queries", "num_keys"), SHAPES)
@pytest.mark.parametrize("kind", MASKS)
def test_without_gradients_the_values_are_the_same(
    formula, num_queries, num_keys, kind, heads_first
):
    if kind == "causal" and num_queries != num_keys:
        pytest.skip("a sequence over itself is as long as itself")
    inputs = list(parts(num_queries, num_keys, heads_first=heads_first))
    options = options_of(kind, num_queries, num_keys)
    with torch.no_grad():
        actual = scaled_dot_product_attention(*inputs, **options)
    torch.testing.assert_close(actual, formula(*inputs, **options), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("is_causal", "num_keys"), list(itertools.product([False, True], [6, 24])))
def test_the_same_weights_are_dropped_as_by_the_formula(formula, is_causal, num_keys, monkeypatch):
    # The kernel's matrices are filled up to a vector, so that only its own mask can be replayed.
    masks = []
    draw = kernels.dropout_mask

    def remember(like, probability):
        masks.append(draw(like, probability))
        return masks[-1]

    monkeypatch.setattr(kernels, "dropout_mask", remember)
    inputs = list(parts(num_keys, num_keys))
    actual = with_gradients(scaled_dot_product_attention, *inputs, is_causal=is_causal, drop=0.4)
    [mask_NTL] = masks
    mask_BHTS = mask_NTL[..., :num_keys].unflatten(0, (3, 2))
    monkeypatch.setattr(
        attention, "dropout", lambda weights, probability, *, training: weights * mask_BHTS
    )
    expected = with_gradients(formula, *inputs, is_causal=is_causal, drop=0.4)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("drop", [0.0, 0.4])
@pytest.mark.parametrize("is_causal", [False, True])
def test_gradients_are_the_derivatives(is_causal, drop):
    inputs = [part.requires_grad_() for part in parts(6, 6, torch.float64)]

    def attend_alike(*inputs):
        torch.manual_seed(3)
        return scaled_dot_product_attention(*inputs, is_causal=is_causal, drop=drop)

    assert torch.autograd.gradcheck(attend_alike, inputs)


@pytest.mark.parametrize("num_keys", [7, 40])
def test_bf16_is_off_by_its_rounding_alone(formula, num_keys):
    rounded = with_gradients(scaled_dot_product_attention, *parts(9, num_keys, torch.bfloat16))
    inputs = [part.float() for part in parts(9, num_keys, torch.bfloat16)]
    for one, other in zip(rounded, with_gradients(formula, *inputs), strict=True):
        # A few roundings of a 256th each, of numbers as large as the largest.
        assert (one.float() - other).abs().max() < 4 * 2**-8 * other.abs().max()


@pytest.mark.parametrize("longest_plain", [0, 512])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_queries", [1, 12])
@pytest.mark.parametrize("has_gradients", [False, True])
def test_a_sentence_of_padding_alone_stays_finite(
    longest_plain, dtype, num_queries, has_gradients, monkeypatch
):
    monkeypatch.setattr(kernels, "LONGEST_PLAIN_PRODUCT", longest_plain)
    inputs = [part.requires_grad_(has_gradients) for part in parts(num_queries, 6, dtype)]
    with torch.set_grad_enabled(has_gradients):
        mixed = scaled_dot_product_attention(*inputs, mask_of_lengths(6, has_empty=True))
    assert mixed.isfinite().all()
    if has_gradients:
        mixed.sum().backward()
        assert all(part.grad.isfinite().all() for part in inputs)


@pytest.mark.parametrize("num_queries", [4, 12])
def test_padded_keys_weigh_exactly_nothing(num_queries):
    query, key, value = (part.contiguous() for part in parts(num_queries, 7))
    before = scaled_dot_product_attention(query, key, value, mask_of_lengths(7))
    key[2, :, 1:], value[2, :, 1:] = 100.0, -100.0
    after = scaled_dot_product_attention(query, key, value, mask_of_lengths(7))
    assert torch.equal(after, before)
    weights = attention_weights(query, key, mask_of_lengths(7))
    assert not weights[2, :, :, 1:].any()


def test_attention_weights_are_dropped():
    torch.manual_seed(3)
    key = torch.randn(2, 2, 6, 8)
    value = torch.eye(6).expand(2, 2, 6, 6)
    weights = scaled_dot_product_attention(key, key, value, drop=0.5)
    kept = scaled_dot_product_attention(key, key, value)
    is_dropped = weights == 0
    assert 0 < is_dropped.sum() < is_dropped.numel()
    torch.testing.assert_close(weights[~is_dropped], 2 * kept[~is_dropped])


@pytest.mark.parametrize("num_queries", [1, 5])
def test_a_cache_in_fp32_serves_queries_in_bf16(num_queries):
    query, key, value = parts(num_queries, 20, heads_first=True)
    with torch.no_grad():
        actual = scaled_dot_product_attention(query.bfloat16(), key, value)
    assert actual.dtype == torch.bfloat16
    expected = scaled_dot_product_attention(query.bfloat16().float(), key, value)
    torch.testing.assert_close(actual, expected.bfloat16(), rtol=0.02, atol=0.01)
