"""The number of parameters in closed form against models that were built."""

import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from automl_tf.config.settings import ModelConfig
from automl_tf.model.loss import label_smoothed_cross_entropy
from automl_tf.model.size import VocabSizes, flops_per_token, num_parameters
from automl_tf.model.transformer import Transformer

VOCABULARIES = (
    VocabSizes(31, 31, joint=True, outputs=31),
    VocabSizes(31, 31, joint=True, outputs=20),
    VocabSizes(31, 23, joint=False, outputs=23),
    VocabSizes(31, 23, joint=False, outputs=20),
)
OPTIONS = {
    "norm": ("pre", "post"),
    "activation": ("relu", "gelu", "swiglu"),
    "positions": ("sinusoidal", "learned", "rotary"),
    "tie_embeddings": (True, False),
}
SHAPES = (
    {"d_model": 8, "num_heads": 2, "d_ff": 12, "encoder_layers": 1, "decoder_layers": 1},
    {"d_model": 12, "num_heads": 3, "d_ff": 8, "encoder_layers": 2, "decoder_layers": 1},
    {"d_model": 8, "num_heads": 3, "d_k": 6, "d_v": 5, "encoder_layers": 1, "decoder_layers": 3},
)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("vocab", VOCABULARIES)
def test_closed_form_equals_the_built_model(shape, vocab):
    for values in itertools.product(*OPTIONS.values()):
        config = ModelConfig(**shape, **dict(zip(OPTIONS, values, strict=True)))
        model = Transformer(config, vocab, max_length=17)
        built = sum(parameter.numel() for parameter in model.parameters())
        assert num_parameters(config, vocab, max_length=17) == built, config


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("activation", OPTIONS["activation"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("length", [17, 40])
def test_flops_are_those_that_torch_counts(shape, activation, tied, length):
    config = ModelConfig(**shape, activation=activation, tie_embeddings=tied)
    vocab, sentences = VOCABULARIES[3], 3
    model = Transformer(config, vocab, max_length=length).train()
    source, target = torch.randint(4, 20, (2, sentences, length)).unbind()
    with FlopCounterMode(display=False) as counted:
        loss = label_smoothed_cross_entropy(
            model(source, target), model.output_weight_VD, target, smoothing=0.1
        ).smoothed
        loss.backward()
    tokens = sentences * length
    # The smoothed loss adds the tokens up once, which torch does by a product of matrices too.
    added_up = 2 * tokens * config.d_model
    assert counted.get_total_flops() == flops_per_token(config, vocab, length) * tokens + added_up


def test_sizes_that_contradict_each_other_are_refused():
    with pytest.raises(AssertionError):
        VocabSizes(31, 23, joint=True, outputs=23)
    with pytest.raises(AssertionError):
        VocabSizes(31, 23, joint=False, outputs=24)
