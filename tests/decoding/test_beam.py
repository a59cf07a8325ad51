"""Beam search: its limits (greedy, exhaustive) and the scores it returns."""

import itertools

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.decoding.beam import beam_search
from automl_tf.decoding.constraints import Constraints, SearchOptions, SpecialTokens
from automl_tf.decoding.greedy import greedy_search
from automl_tf.decoding.translator import Translator
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

PAD, BOS, EOS = 0, 1, 2
TOKENS = SpecialTokens(BOS, EOS, PAD)


def _model(outputs=30, seed=1):
    torch.manual_seed(seed)
    config = ModelConfig(
        d_model=16, num_heads=2, d_ff=24, encoder_layers=1, decoder_layers=1, tie_embeddings=False
    )
    vocab = VocabSizes(40, 40, joint=True, outputs=outputs)
    model = Transformer(config, vocab, 60, PAD).double().eval()
    with torch.no_grad():
        model.output_weight_VD.mul_(2.0)
    return model


def _sources(count=12):
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(0, 12, (count,), generator=generator).tolist()
    return [[*torch.randint(4, 40, (n,), generator=generator).tolist(), EOS] for n in lengths]


def _translate(model, sources, beam_size, alpha):
    translator = Translator.of(model, "torch", TOKENS)
    return translator.translate(sources, SearchOptions(beam_size, alpha))


def _log_probability(model, source, tokens):
    """What the model gives a translation that it is told."""
    hidden = model(torch.tensor([source]), torch.tensor([[BOS, *tokens]]))
    log_probabilities = model.logits(hidden)[0].log_softmax(-1)
    ended = torch.tensor([*tokens, EOS])
    return float(log_probabilities.gather(1, ended[:, None]).sum())


def _penalty(tokens, alpha):
    return ((5 + len(tokens) + 1) / 6) ** alpha


@torch.inference_mode()
def test_a_beam_of_one_is_greedy_search():
    for seed, alpha in itertools.product(range(4), (0.0, 1.0)):
        model, constraints = _model(seed=seed), Constraints(TOKENS)
        source_BS = torch.randint(4, 40, (9, 6))
        limits_B = torch.arange(9) + 3
        greedy = greedy_search(model, source_BS, limits_B, constraints)
        beam = beam_search(model, source_BS, limits_B, constraints, 1, alpha)
        assert [found.tokens for found in beam] == [found.tokens for found in greedy]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@torch.inference_mode()
def test_a_beam_that_holds_everything_finds_the_optimum(alpha):
    # Ids 3, 4 and 5 may be produced: 1 + 3 + 9 + 27 translations of up to three tokens.
    translations = [t for n in range(4) for t in itertools.product((3, 4, 5), repeat=n)]
    constraints, limits_B = Constraints(TOKENS), torch.tensor([3, 3])
    for seed in range(5):
        model = _model(outputs=6, seed=seed)
        sources = torch.randint(4, 40, (2, 5))
        found = beam_search(model, sources, limits_B, constraints, len(translations), alpha)
        for source, best in zip(sources.tolist(), found, strict=True):
            scores = {
                tokens: _log_probability(model, source, tokens) / _penalty(tokens, alpha)
                for tokens in translations
            }
            assert best.tokens == max(scores, key=scores.__getitem__)
            assert best.score == pytest.approx(scores[best.tokens])


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_score_is_the_models_own(alpha):
    model, sources = _model(), _sources()
    decoded = _translate(model, sources, 4, alpha)
    with torch.no_grad():
        for source, found in zip(sources, decoded, strict=True):
            expected = _log_probability(model, source, found.tokens)
            assert found.score == pytest.approx(expected / _penalty(found.tokens, alpha))


def test_a_larger_alpha_does_not_shorten():
    model, sources = _model(), _sources(40)
    totals = []
    for alpha in (0.0, 0.5, 1.0, 2.0):
        decoded = _translate(model, sources, 4, alpha)
        totals.append(sum(len(found.tokens) for found in decoded))
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]


def test_a_beam_wider_than_the_vocabulary():
    model, sources = _model(outputs=5), _sources(5)
    decoded = _translate(model, sources, 9, 0.0)
    assert len(decoded) == 5


def _plain_beam_search(model, source, limit, beam_size, alpha):
    """Beam search as one writes it down: whole prefixes, Python's lists, one sentence."""
    open_ones, places, ended = [((), 0.0)], beam_size, []
    for length in range(limit + 1):
        candidates = []
        for tokens, total in open_ones:
            hidden = model(torch.tensor([source]), torch.tensor([[BOS, *tokens]]))
            scores = model.logits(hidden)[0, -1].log_softmax(-1)
            allowed = [EOS] if length == limit else sorted({*range(len(scores))} - {PAD, BOS})
            candidates += [((*tokens, token), total + float(scores[token])) for token in allowed]
        best = sorted(candidates, key=lambda candidate: -candidate[1])[:places]
        ended += [(tokens[:-1], total) for tokens, total in best if tokens[-1] == EOS]
        open_ones = [(tokens, total) for tokens, total in best if tokens[-1] != EOS]
        places = beam_size - len(ended)
        if not open_ones or places == 0:
            break
    return max((total / _penalty(tokens, alpha), tokens) for tokens, total in ended)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beam_size", [2, 3, 5])
@torch.inference_mode()
def test_it_finds_what_a_plain_beam_search_finds(beam_size, alpha):
    limits = (torch.arange(12) % 5 + 3).tolist()
    for seed in range(3):
        model, sources = _model(seed=seed), _sources()
        longest = max(map(len, sources))
        source_BS = torch.tensor([[*s, *[PAD] * (longest - len(s))] for s in sources])
        found = beam_search(
            model, source_BS, torch.tensor(limits), Constraints(TOKENS), beam_size, alpha
        )
        for source, limit, best in zip(sources, limits, found, strict=True):
            score, tokens = _plain_beam_search(model, source, limit, beam_size, alpha)
            assert best.tokens == tokens
            assert best.score == pytest.approx(score)
