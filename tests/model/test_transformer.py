"""The whole model: who sees what, caches, ties, types."""

import copy
import itertools

import pytest
import torch

from automl_tf.config.settings import ModelConfig
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

PAD = 0
JOINT = VocabSizes(31, 31, joint=True, outputs=23)
SEPARATE = VocabSizes(31, 23, joint=False, outputs=23)
POSITIONS = ("sinusoidal", "learned", "rotary")
NORMS_AND_POSITIONS = list(itertools.product(("pre", "post"), POSITIONS))


def _model(vocab=JOINT, max_length=20, **settings):
    torch.manual_seed(1)
    shape = {"d_model": 16, "num_heads": 2, "d_ff": 24, "encoder_layers": 2, "decoder_layers": 2}
    return Transformer(ModelConfig(**shape | settings), vocab, max_length, PAD).eval()


def _batch():
    generator = torch.Generator().manual_seed(2)
    source = torch.randint(4, 31, (4, 9), generator=generator)
    target = torch.randint(4, 23, (4, 8), generator=generator)
    source[1, 4:] = PAD
    source[3, 8:] = PAD
    return source, target


@pytest.mark.parametrize(("norm", "positions"), NORMS_AND_POSITIONS)
def test_cached_steps_equal_decoding_at_once(norm, positions):
    model = _model(norm=norm, positions=positions, d_k=6, d_v=5, activation="swiglu")
    source, target = _batch()
    expected = model.logits(model(source, target))
    cache = model.start(model.encode(source), max_length=8)
    steps = [model.decode_step(target[:, position], cache) for position in range(8)]
    torch.testing.assert_close(torch.stack(steps, dim=1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("norm", "positions"), NORMS_AND_POSITIONS)
def test_source_weights_are_those_of_the_last_layer_when_it_runs(norm, positions):
    model = _model(norm=norm, positions=positions)
    source, target = _batch()
    attention = model.decoder_layers[-1].cross_attention
    seen = []
    attention.register_forward_pre_hook(lambda _layer, given: seen.append(given))
    with torch.no_grad():
        model(source, target)
        [(x_BTD, (key_BHSK, _), mask_B11S)] = seen
        expected = attention.weights(x_BTD, key_BHSK, mask_B11S).mean(dim=1)
    actual = model.source_weights(source, target)
    torch.testing.assert_close(actual, expected)
    assert not actual[(source == PAD)[:, None].expand_as(actual)].any()


def test_a_cache_follows_its_rows():
    model = _model()
    source, target = _batch()
    memory = model.encode(source)
    cache = model.start(memory, max_length=8, rows_per_sentence=2)
    both = torch.stack((target, target.flip(0)), dim=1)
    for position in range(3):
        model.decode_step(both[:, :, position].flatten(), cache)
    # The two rows of each sentence change places; then the third and the first sentence remain.
    cache.copy_rows(torch.arange(8), torch.tensor([1, 0, 3, 2, 5, 4, 7, 6]))
    cache.keep(torch.tensor([2, 0]))
    kept = both.flip(1)[[2, 0]]
    actual = model.decode_step(kept[:, :, 3].flatten(), cache).view(2, 2, -1)
    for row in range(2):
        expected = model.logits(model(source[[2, 0]], kept[:, row, :4]))[:, 3]
        torch.testing.assert_close(actual[:, row], expected, rtol=1e-5, atol=1e-5)


def test_a_full_cache_takes_no_more():
    model = _model()
    source, target = _batch()
    cache = model.start(model.encode(source), max_length=1)
    model.decode_step(target[:, 0], cache)
    with pytest.raises(AssertionError):
        model.decode_step(target[:, 1], cache)


@pytest.mark.parametrize("positions", POSITIONS)
def test_padding_changes_no_sentence(positions):
    model = _model(positions=positions)
    source, target = _batch()
    together = model(source, target)
    for row in range(4):
        length = int((source[row] != PAD).sum())
        alone = model(source[row : row + 1, :length], target[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-5)


def test_the_embedding_of_padding_reaches_nothing():
    model = _model(tie_embeddings=False)
    source, target = _batch()
    target[0, 5:] = PAD
    before = model(source, target)
    with torch.no_grad():
        model.source_embedding.weight[PAD] = 10.0
        model.target_embedding.weight[PAD] = 10.0
    is_real = target != PAD
    assert torch.equal(model(source, target)[is_real], before[is_real])


def test_lookups_leave_the_embedding_of_padding_alone():
    model = _model(tie_embeddings=False)
    source, target = _batch()
    target[0, 5:] = PAD
    model(source, target).sum().backward()
    for embedding in (model.source_embedding, model.target_embedding):
        assert not embedding.weight[PAD].any()
        assert not embedding.weight.grad[PAD].any()


@pytest.mark.parametrize(("norm", "positions"), NORMS_AND_POSITIONS)
def test_no_position_sees_its_future(norm, positions):
    model = _model(norm=norm, positions=positions)
    source, target = _batch()
    before = model(source, target)
    for position in range(1, 8):
        changed = target.clone()
        changed[:, position] = (changed[:, position] + 1) % 23
        after = model(source, changed)
        torch.testing.assert_close(after[:, :position], before[:, :position])
        assert not torch.allclose(after[:, position], before[:, position])


def test_the_order_of_the_source_matters():
    source, target = _batch()
    for positions in POSITIONS:
        model = _model(positions=positions)
        assert not torch.allclose(
            model(source[:1].flip(1), target[:1]), model(source[:1], target[:1])
        )


def test_without_absolute_positions_a_shifted_source_is_the_same():
    # Rotary positions see distances alone, so that what stands before does not matter when it is
    # hidden: two leading paddings shift every token by two.
    model = _model(positions="rotary")
    source, target = _batch()
    shifted = torch.cat((torch.full((1, 2), PAD), source[:1]), dim=1)
    torch.testing.assert_close(model(shifted, target[:1]), model(source[:1], target[:1]))


def test_ties():
    joint = _model(JOINT)
    assert joint.source_embedding is None
    assert joint.output_weight_VD.data_ptr() == joint.target_embedding.weight.data_ptr()
    separate = _model(SEPARATE)
    assert separate.source_embedding.weight.shape == (31, 16)
    assert separate.output_weight_VD is separate.target_embedding.weight
    untied = _model(JOINT, tie_embeddings=False)
    weights = (untied.source_embedding, untied.target_embedding, untied.output)
    assert len({layer.weight.data_ptr() for layer in weights}) == 3
    for model in (joint, separate, untied):
        source, target = _batch()
        assert model.logits(model(source, target)).shape == (4, 8, 23)


@pytest.mark.parametrize("cached", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("widths", [{}, {"d_k": 6, "d_v": 5}])
def test_steps_in_bf16_equal_decoding_at_once_past_the_first_room(
    monkeypatch, cached, rows, widths
):
    monkeypatch.setattr("automl_tf.model.cache.single_query_dtype", lambda _key: cached)
    model = _model(max_length=80, **widths).bfloat16()
    source, _ = _batch()
    target = torch.randint(4, 23, (4, 70), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        memory = model.encode(source)
        expected = model.logits(model.decode(target, memory)).float().repeat_interleave(rows, 0)
        cache = model.start(memory, max_length=70, rows_per_sentence=rows)
        by_row = target.repeat_interleave(rows, 0)
        steps = [model.decode_step(by_row[:, position], cache).float() for position in range(70)]
    assert (torch.stack(steps, dim=1) - expected).norm() / expected.norm() < 0.03


@pytest.mark.parametrize("vocab", [JOINT, SEPARATE])
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_every_parameter_gets_a_gradient_and_is_stored_once(vocab, tie_embeddings):
    for positions in POSITIONS:
        model = _model(vocab, positions=positions, tie_embeddings=tie_embeddings)
        source, target = _batch()
        model.logits(model(source, target)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert model.state_dict().keys() == dict(model.named_parameters()).keys()


@pytest.mark.parametrize("positions", POSITIONS)
def test_bf16_is_close_to_fp32(positions):
    model = _model(positions=positions)
    source, target = _batch()
    expected = model(source, target)
    half = copy.deepcopy(model).bfloat16()
    actual = half(source, target)
    assert actual.dtype == torch.bfloat16
    assert (actual.float() - expected).norm() / expected.norm() < 0.03
    cache = half.start(half.encode(source), max_length=8)
    steps = torch.stack(
        [half.decode_step(target[:, position], cache) for position in range(8)], dim=1
    )
    reference = half.logits(actual).float()
    assert (steps.float() - reference).norm() / reference.norm() < 0.03


@pytest.mark.parametrize("vocab", [JOINT, SEPARATE])
@pytest.mark.parametrize("tie_embeddings", [True, False])
def test_the_generator_gives_log_probabilities_of_what_can_be_produced(vocab, tie_embeddings):
    model = _model(vocab, tie_embeddings=tie_embeddings)
    log_probability = model.output(model(*_batch()))
    assert log_probability.shape == (4, 8, 23)
    torch.testing.assert_close(log_probability.exp().sum(dim=-1), torch.ones(4, 8))
    # Only what is its own is stored with it.
    assert list(model.output.state_dict()) == ([] if tie_embeddings else ["weight"])


def test_a_copys_generator_is_tied_to_its_own_embedding():
    model = _model()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.target_embedding.weight.zero_()
    hidden = torch.randn(3, 16)
    assert not twin.output.logits(hidden).any()
    assert model.output.logits(hidden).any()


ATTENTION_NAMES = {
    "self_attention": ("output", "query_key_value"),
    "cross_attention": ("output", "query", "key_value"),
}


def _stored_names(*, norm, tied):
    """Names and order of the weights in bundles and checkpoints of format 1."""
    yield "target_embedding.weight"
    if not tied:
        yield "source_embedding.weight"
        yield "output.weight"
    for stack, kinds in (
        ("encoder", ["self_attention"]),
        ("decoder", ["self_attention", "cross_attention"]),
    ):
        for layer in range(2):
            modules = [f"{kind}.{part}" for kind in kinds for part in ATTENTION_NAMES[kind]]
            modules += ["feed_forward.inner", "feed_forward.output"]
            modules += [f"{kind}_residual.norm" for kind in [*kinds, "feed_forward"]]
            for module, part in itertools.product(modules, ("weight", "bias")):
                yield f"{stack}_layers.{layer}.{module}.{part}"
    if norm == "pre":
        for stack, part in itertools.product(("encoder", "decoder"), ("weight", "bias")):
            yield f"{stack}_norm.{part}"


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("tied", [True, False])
def test_weights_keep_the_names_and_the_order_of_stored_ones(norm, tied):
    # The optimizer's state in a checkpoint goes by their order.
    model = _model(norm=norm, tie_embeddings=tied)
    assert list(model.state_dict()) == list(_stored_names(norm=norm, tied=tied))


def test_a_batch_with_a_sentence_of_padding_alone_trains():
    model = _model().train()
    source, target = _batch()
    source[2], target[2] = PAD, PAD
    model.logits(model(source, target)).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_copy_is_independent():
    model = _model()
    twin = copy.deepcopy(model)
    source, target = _batch()
    before = model(source, target)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert torch.equal(model(source, target), before)
    assert twin.output_weight_VD.data_ptr() == twin.target_embedding.weight.data_ptr()


def test_a_model_that_has_translated_can_train():
    model = _model(max_length=4, positions="rotary")
    source, target = _batch()
    with torch.inference_mode():
        model(source, target)
    model.train()
    model(source, target).sum().backward()


def test_dropout_acts_in_training_alone():
    model = _model(dropout=0.3)
    source, target = _batch()
    assert torch.equal(model(source, target), model(source, target))
    model.train()
    assert not torch.equal(model(source, target), model(source, target))


def test_embeddings_start_with_unit_variance_beside_the_positions():
    vocab = VocabSizes(500, 500, joint=True, outputs=500)
    model = Transformer(ModelConfig(d_model=256), vocab, 20, PAD)
    scaled = model.target_embedding.weight * 256**0.5
    assert scaled[PAD + 1 :].std().item() == pytest.approx(1.0, abs=0.02)
    assert not scaled[PAD].any()
