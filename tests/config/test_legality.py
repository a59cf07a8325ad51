import random

import pytest
import torch

from automl_tf.config.legality import RULES, first_violation
from automl_tf.config.settings import ModelConfig
from automl_tf.config.study import default_settings
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer

VOCAB = VocabSizes(31, 31, joint=True, outputs=31)


def random_model(rng: random.Random) -> dict:
    return {
        "d_model": rng.choice([8, 12, 16, 20, 24]),
        "num_heads": rng.choice([1, 2, 3, 4, 5]),
        "d_k": rng.choice([None, None, 3, 4]),
        "d_v": rng.choice([None, None, 3, 4]),
        "positions": rng.choice(["sinusoidal", "learned", "rotary"]),
        "d_ff": 8,
        "encoder_layers": 1,
        "decoder_layers": 1,
    }


def violation_of(model: dict) -> object:
    settings = {f"model.{name}": value for name, value in model.items()}
    return first_violation({**default_settings(), **settings})


def test_every_legal_model_can_be_built_and_run() -> None:
    rng = random.Random(1)
    legal = 0
    for _ in range(150):
        model = random_model(rng)
        if violation_of(model) is None:
            legal += 1
            built = Transformer(ModelConfig(**model), VOCAB, max_length=9)
            logits = built.logits(built(torch.randint(1, 31, (2, 7)), torch.randint(1, 31, (2, 5))))
            assert logits.shape == (2, 5, 31)
            assert logits.isfinite().all()
    assert 20 < legal < 130


def test_every_illegal_model_has_heads_that_do_not_fit() -> None:
    rng = random.Random(2)
    for _ in range(300):
        model = random_model(rng)
        shares = [width for width in (model["d_k"], model["d_v"]) if width is None]
        divides = model["d_model"] % model["num_heads"] == 0
        width = model["d_k"] or model["d_model"] // model["num_heads"]
        fits = (divides or not shares) and (model["positions"] != "rotary" or width % 2 == 0)
        assert (violation_of(model) is None) == fits


@pytest.mark.parametrize(
    ("name", "legal", "illegal"),
    [
        ("training.warmup_steps", 5999, 6000),
        ("training.validate_every", 6000, 6001),
        ("data.max_length", 2047, 2048),
        ("model.num_heads", 8, 7),
    ],
)
def test_each_rule_holds_up_to_its_edge(name: str, legal: object, illegal: object) -> None:
    defaults = {**default_settings(), "training.max_steps": 6000, "training.batch_tokens": 2048}
    assert first_violation({**defaults, name: legal}) is None
    violation = first_violation({**defaults, name: illegal})
    assert violation is not None
    assert f"{name} = {illegal}" in violation.what
    assert str(violation) == f"{violation.what} {violation.rule.remedy}"


def test_a_comparison_that_holds_at_the_ends_of_ranges_holds_between_them() -> None:
    rng = random.Random(3)
    for rule in (rule for rule in RULES if rule.is_comparison):
        for _ in range(200):
            lows = [rng.randint(1, 20) for _ in rule.reads]
            highs = [low + rng.randint(1, 20) for low in lows]
            ends = [(low, high) for low, high in zip(lows, highs, strict=True)]
            at_ends = all(rule.holds(one, other) for one in ends[0] for other in ends[1])
            if at_ends:
                inside = [rng.randint(low, high) for low, high in ends]
                assert rule.holds(*inside)
