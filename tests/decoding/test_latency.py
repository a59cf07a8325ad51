"""The clock translates what it says it does."""

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.decoding.constraints import SearchOptions, SpecialTokens
from automl_tf.decoding.latency import median_latency_ms
from automl_tf.decoding.translator import Translator
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

PAD, BOS, EOS = 0, 1, 2
SOURCES = [[5, 6, 7, EOS], [8, EOS], [EOS], [9, 10, 11, 12, 13, 14, EOS]]


def _model():
    torch.manual_seed(1)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=24)
    return Transformer(config, VocabSizes(40, 40, joint=True, outputs=30), 60, PAD)


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_outputs_of_a_fixed_length(engine, beam_size):
    translator = Translator.of(_model(), engine, SpecialTokens(BOS, EOS, PAD))
    options = SearchOptions(beam_size, is_length_fixed=True)
    for source in SOURCES[:2] + SOURCES[3:]:
        (found,) = translator.translate_batch([source], options)
        assert len(found.tokens) == len(source)


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_untrained_model_can_be_timed(engine, beam_size):
    model = _model()
    translator = Translator.of(model, engine, SpecialTokens(BOS, EOS, PAD))
    assert median_latency_ms(translator, SOURCES, SearchOptions(beam_size)) > 0
    assert model.training


class Recorder(Translator):
    """Notes what is asked of it."""

    def __init__(self):
        self.asked = []

    def translate_batch(self, sources, options):
        self.asked.append((sources, options))
        return []


def test_what_ships_is_timed():
    recorder = Recorder()
    median_latency_ms(recorder, SOURCES, SearchOptions(5, 0.7))
    assert {options for _, options in recorder.asked} == {
        SearchOptions(5, 0.7, is_length_fixed=True)
    }
    assert all(len(sources) == 1 for sources, _ in recorder.asked)
