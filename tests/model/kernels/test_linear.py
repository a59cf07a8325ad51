"""Packed linear layers against `torch.nn.Linear`."""

import pytest
import torch
from torch import nn

from automl_tf.model.kernels.linear import packed_linears


def _model(dtype: torch.dtype) -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Linear(48, 96), nn.ReLU(), nn.Linear(96, 40, bias=False), nn.Linear(40, 7)
    ).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(1,), (8,), (130,), (3, 5), (1, 1)])
def test_packed_products_are_those_of_the_layers(
    dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    model, x = _model(dtype), torch.randn(*shape, 48).to(dtype)
    with torch.inference_mode():
        expected = model(x)
        with packed_linears(model):
            found = model(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected)


def test_weights_of_the_moment_are_packed_and_the_layers_are_left_as_they_were() -> None:
    model, x = _model(torch.bfloat16), torch.randn(9, 48).bfloat16()
    with torch.inference_mode(), packed_linears(model):
        model(x)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    with torch.inference_mode():
        expected = model(x)
        with packed_linears(model):
            torch.testing.assert_close(model(x), expected)
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not any("forward" in vars(module) for module in model.modules())


def test_an_error_leaves_the_layers_as_they_were() -> None:
    model = _model(torch.bfloat16)
    with pytest.raises(ZeroDivisionError), packed_linears(model):
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in model.modules())
