"""Masks: what they hide, and that they never hide all."""

import pytest
import torch

from automl_tf.model.masks import additive, causal_mask, padding_mask

PAD = 3


def test_the_causal_mask_is_minus_infinity_above_the_diagonal():
    mask_TT = causal_mask(5, torch.zeros(1, dtype=torch.bfloat16))
    above = torch.ones(5, 5).triu(1).bool()
    assert mask_TT.dtype == torch.bfloat16
    assert (mask_TT[above] == -torch.inf).all()
    assert (mask_TT[~above] == 0).all()


def test_padding_is_hidden_wherever_it_stands():
    tokens_BS = torch.tensor([[5, 7, PAD, PAD], [PAD, 4, PAD, 9]])
    expected = torch.tensor([[True, True, False, False], [False, True, False, True]])
    assert torch.equal(padding_mask(tokens_BS, PAD)[:, 0, 0], expected)


def test_no_row_is_hidden_whole():
    tokens_BS = torch.randint(PAD, PAD + 2, (200, 3), generator=torch.Generator().manual_seed(1))
    assert (tokens_BS == PAD).all(dim=1).any()
    mask_B11S = padding_mask(tokens_BS, PAD)
    assert mask_B11S.any(dim=-1).all()
    has_token = (tokens_BS != PAD).any(dim=1)
    assert torch.equal(mask_B11S[has_token, 0, 0], (tokens_BS != PAD)[has_token])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_boolean_mask_as_numbers(dtype):
    mask = torch.tensor([[True, False], [False, False]])
    scores = torch.tensor([[1.0, 50.0], [2.0, 2.0]], dtype=dtype)
    weights = torch.softmax(scores + additive(mask, dtype), dim=-1)
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=dtype))
    numbers = torch.tensor([0.0, -torch.inf])
    assert additive(numbers, dtype) is numbers
