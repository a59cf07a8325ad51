"""CTranslate2 against torch: the same model, the same translations."""

import itertools
import sys

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.data.prepare import prepare
from automl_tf.decoding import ctranslate, translate
from automl_tf.decoding.engines import decoder
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
SYMBOLS = {"bos": BOS, "eos": EOS, "pad": PAD}
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


def _assert_same(model):
    expected = translate.decode(model, _sources(), **SYMBOLS)
    actual = ctranslate.decode(model, _sources(), **SYMBOLS, arithmetic="float32")
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
    decode = decoder(engine)
    assert decode(_model(), [], **SYMBOLS) == []
    for sources in ([[EOS]], [[]], [[], [5, 6, EOS], [EOS]]):
        assert len(decode(_model(), sources, **SYMBOLS)) == len(sources)


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


def _bleu(decode, trained, **options):
    model, data = trained
    found = decode(model, data.validation.sources(), **SYMBOLS, **options)
    texts = data.vocabulary.target.decode_batch([list(best.tokens) for best in found])
    return Scorer(data.validation.target_text, "en").score(texts).bleu


@pytest.mark.parametrize("options", [{}, {"beam_size": 4, "length_penalty": 1.0}])
def test_int8_translates_as_well_as_torch(well_trained, options):
    bleu = _bleu(translate.decode, well_trained, **options)
    assert bleu > 50
    assert _bleu(ctranslate.decode, well_trained, **options) == pytest.approx(bleu, abs=3.0)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0])
def test_scores_are_those_of_torch(trained, length_penalty):
    model, data = trained
    options = {**SYMBOLS, "beam_size": 4, "length_penalty": length_penalty}
    sources = data.validation.sources()
    expected = translate.decode(model, sources, **options)
    actual = ctranslate.decode(model, sources, **options, arithmetic="float32")
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
        decoder("ctranslate2")(_model(), _sources(), **SYMBOLS)


def test_heads_that_it_does_not_have_are_refused_when_settings_are_read(reversal):
    settings = small_config(reversal).model_dump()
    settings["decoding"]["engine"] = "ctranslate2"
    settings["model"]["d_k"] = 8
    settings["model"]["d_v"] = 8
    with pytest.raises(ValueError, match=r"decoding\.engine = ctranslate2"):
        type(small_config(reversal)).model_validate(settings)
