"""The front door: order, batches, limits, modes."""

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.decoding import torch_engine
from automl_tf.decoding.constraints import (
    DEFAULT_LENGTH_BOUND,
    LengthBound,
    SearchOptions,
    SpecialTokens,
)
from automl_tf.decoding.torch_engine import evaluating
from automl_tf.decoding.translator import Translator, batches_by_length
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

PAD, BOS, EOS = 0, 1, 2
TOKENS = SpecialTokens(BOS, EOS, PAD)
BEAMS = (1, 3)


def _model(**settings):
    torch.manual_seed(1)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=24, tie_embeddings=False, **settings)
    model = Transformer(config, VocabSizes(40, 40, joint=True, outputs=30), 10, PAD).double()
    with torch.no_grad():
        model.output_weight_VD.mul_(3.0)
    return model


def _sources():
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(0, 12, (20,), generator=generator).tolist()
    return [[*torch.randint(4, 40, (n,), generator=generator).tolist(), EOS] for n in lengths]


def _translate(model, sources, beam_size, bound=DEFAULT_LENGTH_BOUND):
    return Translator.of(model, "torch", TOKENS, bound).translate(sources, SearchOptions(beam_size))


def _assert_same(actual, expected):
    assert [found.tokens for found in actual] == [found.tokens for found in expected]
    for found, other in zip(actual, expected, strict=True):
        assert found.score == (other.score and pytest.approx(other.score, rel=1e-5))


@pytest.mark.parametrize("beam_size", BEAMS)
def test_a_sentence_does_not_depend_on_the_others(beam_size, monkeypatch):
    model, sources = _model(), _sources()
    options = SearchOptions(beam_size, 1.0)
    translate = Translator.of(model, "torch", TOKENS).translate
    together = translate(sources, options)
    alone = [translate([source], options)[0] for source in sources]
    _assert_same(together, alone)
    _assert_same(translate(sources[::-1], options)[::-1], together)
    monkeypatch.setattr(torch_engine, "BATCH_TOKENS", 30)
    _assert_same(translate(sources, options), together)


@pytest.mark.parametrize("beam_size", BEAMS)
@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_left_as_it_was(beam_size, training):
    model = _model(dropout=0.5).train(training)
    first = _translate(model, _sources(), beam_size)
    assert model.training is training
    assert _translate(model, _sources(), beam_size) == first
    model(torch.tensor([[5, EOS]]), torch.tensor([[BOS]])).sum().backward()


def test_the_mode_is_restored_after_an_error():
    model = _model()
    with pytest.raises(ZeroDivisionError), evaluating(model):
        raise ZeroDivisionError
    assert model.training


@pytest.mark.parametrize("beam_size", BEAMS)
def test_empty_input(beam_size):
    model = _model()
    assert _translate(model, [], beam_size) == []
    for sources in ([[EOS]], [[]], [[], [5, 6, EOS], [EOS]]):
        decoded = _translate(model, sources, beam_size)
        assert len(decoded) == len(sources)
        assert all(found.score is None or found.score > -torch.inf for found in decoded)


@pytest.mark.parametrize("beam_size", BEAMS)
def test_no_translation_is_longer_than_its_limit(beam_size):
    model, sources = _model(), _sources()
    for source, found in zip(sources, _translate(model, sources, beam_size), strict=True):
        assert len(found.tokens) <= DEFAULT_LENGTH_BOUND.longest(len(source))


@pytest.mark.parametrize("beam_size", BEAMS)
def test_the_bound_is_that_of_the_corpus(beam_size):
    model, sources = _model(), _sources()
    with torch.no_grad():
        # One hidden vector at all positions, for which the end symbol is the least likely.
        model.decoder_norm.weight.zero_()
        model.decoder_norm.bias.fill_(1.0)
        model.output_weight_VD[EOS].fill_(-9.0)
    longest = {}
    for ratio in (0.5, 3.0):
        bound = LengthBound(ratio, 1)
        found = _translate(model, sources, beam_size, bound)
        for source, best in zip(sources, found, strict=True):
            assert len(best.tokens) <= bound.longest(len(source))
        longest[ratio] = max(len(best.tokens) for best in found)
    assert longest[0.5] < longest[3.0]


def test_a_corpus_of_long_translations_has_a_higher_bound():
    bounds = [LengthBound.of_corpus(ratio) for ratio in (0.4, 1.0, 5.0)]
    for ratio, bound in zip((0.4, 1.0, 5.0), bounds, strict=True):
        assert all(bound.longest(length) > ratio * length for length in range(1, 200))
    assert [bound.longest(100) for bound in bounds] == sorted(b.longest(100) for b in bounds)


@pytest.mark.parametrize("beam_size", BEAMS)
def test_learned_positions_bound_both_sides(beam_size):
    model = _model(positions="learned")
    sources = [[*range(4, 34), EOS], [5, EOS]]
    decoded = _translate(model, sources, beam_size)
    assert all(len(found.tokens) < model.length_limit for found in decoded)


def test_batches_hold_each_sentence_once_and_keep_to_their_size():
    sources = [*_sources(), [5] * 50, []]
    batches = list(batches_by_length(sources, batch_tokens=40, batch_size=5))
    assert sorted(index for batch in batches for index in batch) == list(range(len(sources)))
    for batch in batches:
        lengths = [len(sources[index]) for index in batch]
        assert len(batch) == 1 or len(batch) * max(lengths) <= 40
        assert len(batch) <= 5
