"""Dropout's rate, mean and gradient."""

import pytest
import torch

from automl_tf.model.kernels.dropout import SMALLEST_TABLE, add_dropped, dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.05, 0.3, 0.9])
def test_rate_and_scale(probability, dtype):
    torch.manual_seed(1)
    count = 200_003
    dropped = dropout(torch.ones(count, dtype=dtype), probability, training=True)
    rate = (dropped == 0).double().mean().item()
    # Four standard deviations of a binomial share.
    assert abs(rate - probability) < 4 * (probability * (1 - probability) / count) ** 0.5
    expected = torch.tensor(1 / (1 - probability), dtype=dtype)
    assert dropped.unique().tolist() == [0.0, expected.item()]


def test_neighbours_are_dropped_independently():
    torch.manual_seed(2)
    kept = dropout(torch.ones(100_000, 4), 0.5, training=True).bool().double()
    correlation = torch.corrcoef(torch.cat((kept, kept.roll(1, dims=0)), dim=1).t())
    assert (correlation - torch.eye(8)).abs().max() < 4 / 100_000**0.5


def test_gradient_flows_through_what_is_kept():
    x = torch.randn(50, 7, requires_grad=True)
    dropped = dropout(x, 0.25, training=True)
    dropped.sum().backward()
    torch.testing.assert_close(dropped, x * x.grad)


def test_the_seed_decides():
    x = torch.ones(1000)
    torch.manual_seed(5)
    first = dropout(x, 0.5, training=True)
    second = dropout(x, 0.5, training=True)
    torch.manual_seed(5)
    assert torch.equal(dropout(x, 0.5, training=True), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("probability", "training"), [(0.0, True), (0.5, False)])
def test_nothing_is_dropped_without_reason(probability, training):
    x = torch.randn(10)
    assert dropout(x, probability, training=training) is x


def test_almost_everything_can_be_dropped():
    dropped = dropout(torch.ones(100_000), 1 - 1e-9, training=True)
    assert (dropped == 0).double().mean() > 0.999


def test_a_sum_with_what_is_kept_equals_the_two_steps():
    x, y = torch.randn(2, 30, 8).unbind()
    torch.manual_seed(4)
    expected = x + dropout(y, 0.3, training=True)
    torch.manual_seed(4)
    torch.testing.assert_close(add_dropped(x, y, 0.3, training=True), expected)
    assert torch.equal(add_dropped(x, y, 0.3, training=False), x + y)


def test_tensors_larger_than_the_smallest_table_are_dropped_alike():
    torch.manual_seed(6)
    dropped = dropout(torch.ones(SMALLEST_TABLE + 1), 0.25, training=True)
    assert abs((dropped == 0).double().mean() - 0.25) < 1e-3


def test_masks_of_a_step_have_nothing_in_common():
    torch.manual_seed(7)
    masks = torch.stack([dropout(torch.ones(100_000), 0.5, training=True) for _ in range(20)])
    correlation = torch.corrcoef(masks)
    assert (correlation - torch.eye(20)).abs().max() < 5 / 100_000**0.5
