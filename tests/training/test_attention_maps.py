"""Attention maps of a training, and the picture of them."""

from xml.etree import ElementTree as ET

import pytest
import torch

from automl_tf.data.prepare import prepare
from automl_tf.data.subwords import EOS, SPECIALS
from automl_tf.training.attention_maps import (
    CELL,
    CONTINUES,
    LEVELS,
    LONGEST_SOURCE,
    LONGEST_TARGET,
    NUM_MAPS,
    AttentionMap,
    attention_maps,
    attention_picture,
    chosen_sentences,
    readable,
)
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from automl_tf.training.module import build_model
from tests.conftest import small_config

SVG = "{http://www.w3.org/2000/svg}"


def words_of(subwords, ids):
    return tuple(readable(subwords.pieces[index]) for index in ids)


def test_a_map_has_a_row_for_each_subword_and_weights_that_sum_to_one(config, data):
    torch.manual_seed(1)
    model = build_model(config, data).eval()
    references = [
        list(ids) for ids in data.vocabulary.target.encode_batch(data.validation.target_text)
    ]
    chosen = chosen_sentences(data)
    assert len(chosen) == NUM_MAPS
    maps = attention_maps(model, data, references)
    for index, made in zip(chosen, maps, strict=True):
        source = data.validation.sources()[index]
        assert made.source == words_of(data.vocabulary.source, source)
        assert made.source[-1] == SPECIALS[EOS]
        assert made.target == words_of(data.vocabulary.target, [*references[index], EOS])
        weights = torch.tensor(made.weights)
        assert weights.shape == (len(made.target), len(made.source))
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(made.target)))
        whole = torch.tensor([[1, *references[index]]])
        expected = model.source_weights(torch.tensor([source]), whole)[0]
        torch.testing.assert_close(weights, expected)


def test_long_sentences_do_not_burst_a_picture(config, data):
    model = build_model(config, data).eval()
    endless = [[4] * 1000] * len(data.validation)
    for made in attention_maps(model, data, endless):
        assert len(made.target) == LONGEST_TARGET
        assert made.target[-1] != SPECIALS[EOS]
        assert len(made.source) <= LONGEST_SOURCE + 1


def test_subwords_are_read_one_by_one():
    assert readable("▁Haus") == "Haus"
    assert readable("tür") == f"{CONTINUES}tür"
    assert readable("▁") == "▁"
    assert readable("</s>") == "</s>"
    assert readable("\ufdd3") == f"{CONTINUES}?"


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_training_gives_maps_at_its_best_validations_alone(reversal, cache, tmp_path, devices):
    config = small_config(reversal, trainer__devices=devices)
    data = prepare(config, cache)
    seen: list[Validation] = []

    def observe(validation):
        seen.append(validation)
        return Decision.CONTINUE

    fit(config, data, tmp_path, observe)
    best = -1.0
    for validation in seen:
        assert bool(validation.attention) == (validation.scores.bleu > best)
        if validation.attention:
            assert "a title" in attention_picture(validation.attention, "a title")
        best = max(best, validation.scores.bleu)
        for index, made in zip(chosen_sentences(data), validation.attention, strict=False):
            spoken = "".join(
                word.removeprefix(CONTINUES) if word.startswith(CONTINUES) else f" {word}"
                for word in made.target
                if word != SPECIALS[EOS]
            )
            assert validation.hypotheses[index].startswith(spoken.strip())


def test_making_maps_leaves_randomness_weights_and_gradients_alone(config, data):
    torch.manual_seed(1)
    model = build_model(config, data).eval()
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    before = torch.get_rng_state()
    attention_maps(model, data, [[4, 5]] * len(data.validation))
    assert torch.equal(torch.get_rng_state(), before)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, weights[name])
    assert all(weight.grad is None for weight in model.parameters())


def test_the_picture_has_all_words_and_a_square_for_each_weight_that_shows():
    maps = [
        AttentionMap(("the", "<b>&", "</s>"), ("das", "</s>"), ((1.0, 0.0, 0.0), (0.5, 0.3, 0.2))),
        AttentionMap(("a", "</s>"), ("ein", "·e", "</s>"), ((0.6, 0.4), (0.5, 0.5), (0.0, 1.0))),
    ]
    root = ET.fromstring(attention_picture(maps, "Attention <of> a model"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert texts[0] == "Attention <of> a model"
    for made in maps:
        assert {*made.source, *made.target} <= set(texts)
    drawn = sorted(
        (round(float(path.get("fill-opacity")) * LEVELS), path.get("d").count("M"))
        for path in root.iter(f"{SVG}path")
    )
    shades = [round(w * LEVELS) for made in maps for row in made.weights for w in row]
    assert sum(count for _, count in drawn) == sum(shade > 0 for shade in shades)
    assert {shade for shade, _ in drawn} == set(shades) - {0}
    width, height = float(root.get("width")), float(root.get("height"))
    assert width > 3 * CELL
    assert height > 5 * CELL
    assert not [element for element in root.iter() if "href" in element.attrib]
