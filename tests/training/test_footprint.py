"""The peak of a training's memory: what each part must be, and how it answers to settings."""

import pytest
import torch

from automl_tf.config.settings import TrialConfig, unflatten
from automl_tf.model.activations import Arithmetic, BatchShape, activation_bytes
from automl_tf.model.size import VocabSizes, num_parameters
from automl_tf.model.transformer import Transformer
from automl_tf.training.footprint import Extent, footprint
from automl_tf.training.optimizer import MasterAdamW

VOCAB = VocabSizes(600, 600, joint=True, outputs=500)
EXTENT = Extent(longest=30, longest_validated=25, validated=100)
BYTES = {torch.float32: 4, torch.bfloat16: 2}


def config(**settings: object) -> TrialConfig:
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    return TrialConfig.model_validate({"corpus": {"kind": "synthetic"}, **unflatten(dotted)})


@pytest.mark.parametrize("ema", [0.0, 0.1])
@pytest.mark.parametrize("dtype", BYTES)
def test_weights_and_optimizer_hold_what_they_are_said_to(dtype: torch.dtype, ema: float) -> None:
    given = config(model__d_model=64, training__ema=ema)
    model = Transformer(given.model, VOCAB, given.data.longest_sequence).to(dtype)
    optimizer = MasterAdamW(
        model.parameters(), lr=1e-3, beta2=0.98, weight_decay=0.01, clip_norm=1.0, ema=ema
    )
    optimizer.add_gradients(sum(weight.float().sum() for weight in model.parameters()), 1)
    optimizer.step()
    held: dict[int, int] = {}
    state = [tensor for values in optimizer.state.values() for tensor in values.values()]
    masters = [master for group in optimizer.param_groups for master in group["params"]]
    gradients = [master.grad for master in masters]
    averages = [optimizer.state_dict()["averages"]] if ema else []
    for tensor in (*model.parameters(), *state, *masters, *gradients, *averages):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
    said = footprint(given, VOCAB, EXTENT, Arithmetic(BYTES[dtype]))
    # Places in the optimizer's buffers are rounded up.
    assert said.weights + said.optimizer == pytest.approx(sum(held.values()), rel=0.01)
    # Each backward pass makes gradients of the weights' type, which are added to the fp32 ones.
    assert said.gradients == sum(weight.nbytes for weight in model.parameters())
    written = sum(tensor.nbytes for tensor in (*model.parameters(), *state, *averages))
    masters_again = 4 * num_parameters(given.model, VOCAB, given.data.longest_sequence)
    assert said.checkpoint == pytest.approx(written + masters_again, rel=0.01)


@pytest.mark.parametrize("arithmetic", [Arithmetic(2), Arithmetic(2, on_gpu=True)])
def test_half_the_tokens_take_half_the_activations(arithmetic: Arithmetic) -> None:
    whole, half = (
        footprint(config(training__batch_tokens=tokens), VOCAB, EXTENT, arithmetic)
        for tokens in (6000, 3000)
    )
    assert whole.activations == 2 * half.activations
    assert whole.weights == half.weights
    assert half.peak <= whole.peak


@pytest.mark.parametrize("unit", BYTES.values())
def test_without_a_corpus_the_estimate_is_no_smaller(unit: int) -> None:
    for settings in ({}, {"model__attention_dropout": 0.1}, {"model__num_heads": 16}):
        given = config(**settings)
        known = footprint(given, VOCAB, EXTENT, Arithmetic(unit))
        bound = footprint(given, VOCAB, Extent.unknown(given), Arithmetic(unit))
        assert bound.peak >= known.peak


def test_devices_share_a_batch() -> None:
    alone, together = (
        footprint(config(trainer__devices=devices), VOCAB, EXTENT, Arithmetic(2))
        for devices in (1, 2)
    )
    assert together.activations == pytest.approx(alone.activations / 2, rel=0.05)
    assert together.optimizer == alone.optimizer


@pytest.mark.parametrize("width", [1, 4, 7, 16, 29, 30])
@pytest.mark.parametrize("settings", [{}, {"model__dropout": 0.3, "model__norm": "pre"}])
def test_on_a_gpu_no_shape_within_the_budget_keeps_more(width: int, settings: dict) -> None:
    given = config(training__batch_tokens=3000, **settings)
    arithmetic = Arithmetic(2, on_gpu=True)
    said = footprint(given, VOCAB, EXTENT, arithmetic)
    for source, target in ((width, width), (width, 1), (1, width)):
        shape = BatchShape(3000 // width, source, target)
        assert activation_bytes(given.model, shape, arithmetic) <= said.activations


def test_graphs_keep_a_step_while_another_shape_runs() -> None:
    given = config()
    plain = config(trainer__compile=True)
    arithmetic = Arithmetic(2, on_gpu=True)
    graphs, kernels = (footprint(one, VOCAB, EXTENT, arithmetic) for one in (given, plain))
    assert graphs.graphs == graphs.activations + graphs.loss
    assert kernels.graphs == 0
    assert graphs.peak - kernels.peak == graphs.graphs
    assert footprint(given, VOCAB, EXTENT, Arithmetic(2)).graphs == 0


@pytest.mark.parametrize("arithmetic", [Arithmetic(4), Arithmetic(2, on_gpu=True)])
def test_decoding_holds_the_logits_of_a_step(arithmetic: Arithmetic) -> None:
    small, large = (
        footprint(config(), VocabSizes(600, 600, joint=True, outputs=outputs), EXTENT, arithmetic)
        for outputs in (500, 600)
    )
    logits = EXTENT.validated * 100 * (arithmetic.unit_bytes + 4)
    assert large.decoding - small.decoding == logits
