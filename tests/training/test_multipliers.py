"""Learning rates by width: what each weight's first update comes to, and what does not change."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from automl_tf.config.settings import BASE_INNER_WIDTH, BASE_WIDTH, LearningRateScale, ModelConfig
from automl_tf.data.prepare import prepare
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer
from automl_tf.training.events import Decision, Outcome, Validation
from automl_tf.training.fit import fit
from automl_tf.training.optimizer import OTHERS, MasterAdamW, rate_multipliers
from tests.conftest import small_config

JOINT = VocabSizes(40, 40, joint=True, outputs=30)
SEPARATE = VocabSizes(40, 30, joint=False, outputs=30)
KINDS = {
    "tied": ({}, JOINT),
    "separate vocabularies": ({}, SEPARATE),
    "untied": ({"tie_embeddings": False}, JOINT),
    "gated": ({"activation": "swiglu", "norm": "post", "positions": "rotary"}, JOINT),
    "wide heads": ({"d_k": 24, "d_v": 40, "positions": "learned"}, JOINT),
}
RATE = 1e-3


def model(width: int, inner: int, kind: str) -> Transformer:
    options, vocab = KINDS[kind]
    layers = {"encoder_layers": 1, "decoder_layers": 1, "num_heads": 2}
    config = ModelConfig(d_model=width, d_ff=inner, **layers, **options)
    torch.manual_seed(1)
    return Transformer(config, vocab, max_length=12)


def first_updates(transformer: Transformer, scale: LearningRateScale) -> dict[str, Tensor]:
    """What Adam's first step adds to each weight: its learning rate, against the gradient."""
    optimizer = MasterAdamW(
        transformer.parameters(),
        lr=RATE,
        beta2=0.98,
        weight_decay=0.0,
        clip_norm=0.0,
        multipliers=rate_multipliers(transformer, scale),
    )
    before = optimizer.full_precision(transformer)
    signs = torch.Generator().manual_seed(2)
    # Far above Adam's epsilon and of either sign.
    loss = sum(
        (weight * torch.randn(weight.shape, generator=signs).sign()).sum()
        for weight in transformer.parameters()
    )
    optimizer.add_gradients(loss, num_tokens=1)
    optimizer.step()
    after = optimizer.full_precision(transformer)
    return {name: after[name] - before[name] for name in before}


def expected(name: str, weight: Tensor) -> float:
    """The base's fan-in over the weight's own, as names and shapes tell it."""
    is_hidden = "layers" in name and weight.dim() > 1
    if not is_hidden:
        return OTHERS
    base = BASE_INNER_WIDTH if "feed_forward.output" in name else BASE_WIDTH
    return base / weight.shape[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_update_goes_with_the_inverse_of_the_fan_in(kind: str) -> None:
    one, other = (model(BASE_WIDTH // 4, 96, kind) for _ in range(2))
    plain, scaled = first_updates(one, "plain"), first_updates(other, "width")
    found = {}
    for name, weight in one.named_parameters():
        found[name] = expected(name, weight)
        torch.testing.assert_close(scaled[name], found[name] * plain[name], rtol=1e-3, atol=1e-6)
    assert len(set(found.values())) >= 3


@pytest.mark.parametrize("kind", ["tied", "separate vocabularies", "untied", "gated"])
def test_matrices_of_the_base_width_are_updated_as_they_are_given(kind: str) -> None:
    one, other = (model(BASE_WIDTH, BASE_INNER_WIDTH, kind) for _ in range(2))
    plain, scaled = first_updates(one, "plain"), first_updates(other, "width")
    hidden = [n for n, w in one.named_parameters() if "layers" in n and w.dim() > 1]
    assert hidden
    assert all(torch.equal(scaled[name], plain[name]) for name in hidden)


def test_the_inner_width_has_a_base_of_its_own() -> None:
    multipliers = rate_multipliers(model(BASE_WIDTH, BASE_INNER_WIDTH // 2, "tied"), "width")
    assert set(multipliers.values()) == {1.0, 2.0, OTHERS}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_uninterrupted(
    reversal: dict, cache: Path, tmp_path: Path, precision: str
) -> None:
    config = small_config(
        reversal,
        training__learning_rate=5e-4,
        training__learning_rate_scale="width",
        training__precision=precision,
    )
    data = prepare(config, cache)
    losses: dict[str, list[float]] = {"whole": [], "parts": []}

    def into(name: str):
        def observe(validation: Validation) -> Decision:
            losses[name] += [validation.loss, *(point.loss for point in validation.curve)]
            return Decision.CONTINUE

        return observe

    fit(config, data, tmp_path / "whole", into("whole"))
    asked = iter(range(100))
    paused = fit(
        config, data, tmp_path / "parts", into("parts"), should_pause=lambda: next(asked) >= 5
    )
    assert paused.outcome is Outcome.PAUSED
    fit(config, data, tmp_path / "parts", into("parts"))
    assert losses["parts"] == losses["whole"]
    plain = config.model_copy(
        update={"training": config.training.model_copy(update={"learning_rate_scale": "plain"})}
    )
    losses["plain"] = []
    fit(plain, data, tmp_path / "plain", into("plain"))
    assert losses["plain"] != losses["whole"]
