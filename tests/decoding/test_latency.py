"""The clock translates what it says it does."""

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.decoding.latency import median_latency_ms
from automl_tf.decoding.rules import Rules
from automl_tf.decoding.translate import evaluating, search
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

PAD, BOS, EOS = 0, 1, 2
SOURCES = [[5, 6, 7, EOS], [8, EOS], [EOS], [9, 10, 11, 12, 13, 14, EOS]]


def _model():
    torch.manual_seed(1)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=24)
    return Transformer(config, VocabSizes(40, 40, joint=True, outputs=30), 60, PAD)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_outputs_of_a_fixed_length(beam_size):
    limits, model = [4, 2, 1, 7], _model()
    rules = Rules(BOS, EOS, PAD, is_length_fixed=True)
    with evaluating(model):
        found = search(model, SOURCES, limits, rules, beam_size)
    assert [len(hypothesis.tokens) for hypothesis in found] == limits


@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_untrained_model_can_be_timed(beam_size):
    model = _model()
    latency = median_latency_ms(model, SOURCES, bos=BOS, eos=EOS, pad=PAD, beam_size=beam_size)
    assert latency > 0
    assert model.training
