"""Greedy search against the same search without a cache."""

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.decoding.constraints import DEFAULT_LENGTH_BOUND, SearchOptions, SpecialTokens
from automl_tf.decoding.translator import Translator
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

PAD, BOS, EOS = 0, 1, 2
VOCAB = VocabSizes(40, 40, joint=True, outputs=30)


def _model(seed=1, **settings):
    torch.manual_seed(seed)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=24, tie_embeddings=False, **settings)
    model = Transformer(config, VOCAB, 60, PAD).double()
    # Larger weights make sentences that differ and that end at different times.
    with torch.no_grad():
        model.output_weight_VD.mul_(3.0)
    return model.eval()


def _sources(count=12):
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(0, 12, (count,), generator=generator).tolist()
    return [[*torch.randint(4, 40, (n,), generator=generator).tolist(), EOS] for n in lengths]


def _translate(model, sources, beam_size=1):
    translator = Translator.of(model, "torch", SpecialTokens(BOS, EOS, PAD))
    return translator.translate(sources, SearchOptions(beam_size))


def _slowly(model, source, limit):
    """The definition: the likeliest next token of the whole prefix, over and over."""
    tokens = [BOS]
    while tokens[-1] != EOS:
        hidden = model(torch.tensor([source]), torch.tensor([tokens]))
        logits = model.logits(hidden)[0, -1]
        logits[[PAD, BOS]] = -torch.inf
        tokens.append(EOS if len(tokens) > limit else int(logits.argmax()))
    return tuple(tokens[1:-1])


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_greedy_search_is_what_its_definition_says(positions):
    model, sources = _model(positions=positions), _sources()
    decoded = _translate(model, sources)
    limits = [DEFAULT_LENGTH_BOUND.longest(len(source)) for source in sources]
    with torch.no_grad():
        for source, limit, found in zip(sources, limits, decoded, strict=True):
            assert found.tokens == _slowly(model, source, limit)
    lengths = [len(found.tokens) for found in decoded]
    # Some rows end by themselves and early, some at the limit: both are exercised.
    assert min(lengths) < 5
    assert any(length == limit for length, limit in zip(lengths, limits, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_type_decodes(dtype):
    decoded = _translate(_model().to(dtype), _sources())
    assert len(decoded) == len(_sources())
    assert all(3 <= token < 30 for found in decoded for token in found.tokens)


def test_weights_that_are_no_numbers_still_end():
    model = _model()
    with torch.no_grad():
        model.output_weight_VD.fill_(torch.nan)
    for beam_size in (1, 3):
        decoded = _translate(model, _sources(), beam_size)
        assert len(decoded) == len(_sources())
