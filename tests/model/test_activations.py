"""What autograd keeps, in closed form, against what it really keeps."""

import itertools

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.model.activations import Arithmetic, BatchShape, activation_bytes
from automl_tf.model.kernels.attention import LONGEST_PLAIN_PRODUCT
from automl_tf.model.kernels.dropout import table_size
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

SHAPES = (
    {"d_model": 16, "num_heads": 2, "d_ff": 24, "encoder_layers": 2, "decoder_layers": 3},
    {"d_model": 12, "num_heads": 3, "d_k": 6, "d_v": 5, "encoder_layers": 3, "decoder_layers": 1},
)
BATCHES = (BatchShape(3, 11, 9), BatchShape(2, 17, 40))
LONG = LONGEST_PLAIN_PRODUCT + 8
BYTES = {torch.float32: 4, torch.bfloat16: 2}


def kept_bytes(config: ModelConfig, shape: BatchShape, dtype: torch.dtype) -> int:
    """Bytes of all that a forward pass saves but weights, ids and the tables of masks."""
    model = Transformer(config, VocabSizes(31, 31, joint=True, outputs=31), LONG).to(dtype).train()
    source, target = (
        torch.randint(4, 31, (shape.sentences, length)) for length in (shape.source, shape.target)
    )
    known = {
        tensor.untyped_storage().data_ptr()
        for tensor in (*model.parameters(), *model.buffers(), source, target)
    }
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known and storage.nbytes() != table_size(1) * BYTES[dtype]:
            kept[storage.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(source, target)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("drop", [0.0, 0.1])
def test_closed_form_equals_what_autograd_keeps(shape: dict, drop: float, dtype: torch.dtype):
    drops = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), drop)
    options = itertools.product(
        ("pre", "post"), ("relu", "gelu", "swiglu"), ("sinusoidal", "learned", "rotary"), BATCHES
    )
    for norm, activation, positions, batch in options:
        config = ModelConfig(
            **shape, **drops, norm=norm, activation=activation, positions=positions
        )
        expected = activation_bytes(config, batch, Arithmetic(BYTES[dtype]))
        assert kept_bytes(config, batch, dtype) == expected, (config, batch)


@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
@pytest.mark.parametrize("lengths", [(LONG, LONG), (LONG, 20), (20, LONG)])
def test_long_sentences_keep_no_attention_weights(
    lengths: tuple[int, int], positions: str, dtype: torch.dtype
):
    config = ModelConfig(**SHAPES[0], positions=positions, dropout=0.0)
    batch = BatchShape(2, *lengths)
    expected = activation_bytes(config, batch, Arithmetic(BYTES[dtype]))
    assert kept_bytes(config, batch, dtype) == expected


def test_dropout_of_attention_in_long_sentences_keeps_the_weights():
    config = ModelConfig(**SHAPES[0], dropout=0.0, attention_dropout=0.1)
    batch = BatchShape(2, LONG, LONG)
    for dtype, unit in BYTES.items():
        expected = activation_bytes(config, batch, Arithmetic(unit))
        assert kept_bytes(config, batch, dtype) == pytest.approx(expected, rel=0.02)


def test_a_gpu_keeps_masks_but_no_attention_weights():
    batch = BatchShape(4, 300, 300)
    plain = ModelConfig(dropout=0.0, num_heads=8)
    dropping = plain.model_copy(update={"dropout": 0.1})
    gpu, cpu = Arithmetic(2, on_gpu=True), Arithmetic(2)
    assert activation_bytes(plain, batch, gpu) < activation_bytes(plain, batch, cpu)
    assert activation_bytes(dropping, batch, cpu) == activation_bytes(plain, batch, cpu)
    assert activation_bytes(dropping, batch, gpu) > activation_bytes(plain, batch, gpu)
