"""CTranslate2 against torch: the same model, the same translations."""

import itertools
import sys

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.data.prepare import prepare
from automl_tf.decoding import ctranslate2
from automl_tf.decoding.constraints import GREEDY, SearchOptions, SpecialTokens
from automl_tf.decoding.ctranslate2 import CTranslate2Engine
from automl_tf.decoding.translator import Translator
from automl_tf.errors import UserError
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer
from automl_tf.scoring.scores import Scorer
from automl_tf.training.checkpoints import load_best
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit
from automl_tf.training.module import build_model
from tests.conftest import small_config

PAD, BOS, EOS = 0, 1, 2
TOKENS = SpecialTokens(BOS, EOS, PAD)
JOINT = VocabSizes(40, 40, joint=True, outputs=30)
SEPARATE = VocabSizes(40, 35, joint=False, outputs=30)


def _model(vocab=JOINT, **settings):
    torch.manual_seed(1)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=24, **settings)
    model = Transformer(config, vocab, 60, PAD).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # Norms and biases that are not what they start as.
            parameter.add_(0.1 * torch.randn_like(parameter))
        model.output_weight_VD.mul_(3.0)
    return model


def _sources(count=12):
    generator = torch.Generator().manual_seed(3)
    # Nothing but an end symbol stays empty with CTranslate2.
    lengths = torch.randint(1, 12, (count,), generator=generator).tolist()
    return [[*torch.randint(4, 40, (n,), generator=generator).tolist(), EOS] for n in lengths]


def _torch(model):
    return Translator.of(model, "torch", TOKENS)


def _ctranslate2(model, compute_type="int8"):
    return Translator(CTranslate2Engine(model, TOKENS, compute_type))


def _assert_same(model):
    expected = _torch(model).translate(_sources())
    actual = _ctranslate2(model, "float32").translate(_sources())
    assert [found.tokens for found in actual] == [found.tokens for found in expected]


@pytest.mark.parametrize(
    ("norm", "positions"),
    list(itertools.product(("pre", "post"), ("sinusoidal", "learned", "rotary"))),
)
def test_the_same_model_in_fp32(norm, positions):
    _assert_same(_model(norm=norm, positions=positions))


@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
@pytest.mark.parametrize("vocab", [JOINT, SEPARATE])
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_every_activation_and_tie(activation, vocab, tie_embeddings):
    _assert_same(_model(vocab, activation=activation, tie_embeddings=tie_embeddings))


def test_another_depth_on_each_side():
    _assert_same(_model(encoder_layers=1, decoder_layers=2))


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_empty_input(engine):
    translator = Translator.of(_model(), engine, TOKENS)
    assert translator.translate([]) == []
    assert translator.translate_batch([]) == []
    for sources in ([[EOS]], [[]], [[], [5, 6, EOS], [EOS]]):
        assert len(translator.translate(sources)) == len(sources)


@pytest.fixture(scope="module")
def trained(reversal, cache, tmp_path_factory):
    """A model that has learnt something, and its corpus."""
    return _train(150, reversal, cache, tmp_path_factory)


@pytest.fixture(scope="module")
def well_trained(reversal, cache, tmp_path_factory):
    """A model that is sure of itself: rounding changes little of what it says."""
    return _train(600, reversal, cache, tmp_path_factory)


def _train(steps, reversal, cache, tmp_path_factory):
    config = small_config(
        reversal,
        model__d_model=64,
        training__max_steps=steps,
        training__validate_every=steps,
        training__warmup_steps=30,
        training__batch_tokens=512,
    )
    folder = tmp_path_factory.mktemp("trained")
    data = prepare(config, cache)
    fit(config, data, folder, lambda _validation: Decision.CONTINUE)
    model = build_model(config, data)
    model.load_state_dict(load_best(folder), strict=False)
    return model.eval(), data


def _bleu(translator, data, options):
    found = translator.translate(data.validation.sources(), options)
    texts = data.vocabulary.target.decode_batch([list(best.tokens) for best in found])
    return Scorer(data.validation.target_text, "en").score(texts).bleu


@pytest.mark.parametrize("options", [GREEDY, SearchOptions(4, 1.0)])
def test_int8_translates_as_well_as_torch(well_trained, options):
    model, data = well_trained
    bleu = _bleu(_torch(model), data, options)
    assert bleu > 50
    assert _bleu(_ctranslate2(model), data, options) == pytest.approx(bleu, abs=3.0)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_scores_are_those_of_torch(trained, length_penalty):
    model, data = trained
    options = SearchOptions(4, length_penalty)
    sources = data.validation.sources()
    expected = _torch(model).translate(sources, options)
    actual = _ctranslate2(model, "float32").translate(sources, options)
    pairs = [
        pair for pair in zip(actual, expected, strict=True) if pair[0].tokens == pair[1].tokens
    ]
    # A beam may be given up at another time.
    assert len(pairs) > 0.8 * len(sources)
    for found, other in pairs:
        assert found.score == pytest.approx(other.score, rel=5e-2)


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(UserError, match="automl-tf\\[fast\\]"):
        Translator.of(_model(), "ctranslate2", TOKENS)


def test_heads_that_it_does_not_have_are_refused_when_settings_are_read(reversal):
    settings = small_config(reversal).model_dump()
    settings["decoding"]["engine"] = "ctranslate2"
    settings["model"]["d_k"] = 8
    settings["model"]["d_v"] = 8
    with pytest.raises(ValueError, match=r"decoding\.engine = ctranslate2"):
        type(small_config(reversal)).model_validate(settings)


def test_the_model_is_handed_over_once(monkeypatch):
    loads = []

    def load(*arguments):
        loads.append(arguments)
        return original(*arguments)

    original = ctranslate2.load
    monkeypatch.setattr(ctranslate2, "load", load)
    translator = _ctranslate2(_model())
    for options in (GREEDY, SearchOptions(3), SearchOptions(3, 1.0)):
        translator.translate(_sources(), options)
        translator.translate(_sources()[:1], options)
    assert len(loads) == 1


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_sentence_longer_than_the_table_of_positions(positions):
    model = _model(positions=positions)
    sources = [[*([5, 9, 17] * 70), EOS], *_sources(3)]
    expected = _torch(model).translate(sources)
    actual = _ctranslate2(model, "float32").translate(sources)
    assert [found.tokens for found in actual] == [found.tokens for found in expected]
