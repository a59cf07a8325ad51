"""Features of configurations."""

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from automl_tf.search.samplers.priors import (
    columns,
    featurize,
)

SPACE: dict[str, BaseDistribution] = {
    "model.d_model": CategoricalDistribution((64, 128, 256)),
    "model.norm": CategoricalDistribution(("pre", "post", "none")),
    "model.encoder_layers": IntDistribution(1, 8),
    "model.dropout": FloatDistribution(0.0, 0.5),
    "training.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    "training.warmup_steps": CategoricalDistribution((100, 400, 1600)),
}
CENTRE = {
    "model.d_model": 128,
    "model.norm": "pre",
    "model.encoder_layers": 2,
    "model.dropout": 0.2,
    "training.learning_rate": 1e-3,
    "training.warmup_steps": 400,
}


def distances(*changes: dict) -> np.ndarray:
    configurations = [CENTRE, *({**CENTRE, **change} for change in changes)]
    points_ND = featurize(columns(configurations, SPACE, {}), SPACE)
    return np.linalg.norm(points_ND[1:] - points_ND[0], axis=1)


def test_equal_ratios_are_equally_far() -> None:
    for name, low, high in [
        ("model.d_model", 64, 256),
        ("model.encoder_layers", 1, 4),
        ("training.learning_rate", 5e-4, 2e-3),
        ("training.warmup_steps", 100, 1600),
    ]:
        below, above = distances({name: low}, {name: high})
        assert np.isclose(below, above), name
        assert below > 0


def test_narrow_ranges_are_linear_and_names_are_all_equally_far() -> None:
    near, far = distances({"model.dropout": 0.3}, {"model.dropout": 0.4})
    assert np.isclose(far, 2 * near)
    post, none = distances({"model.norm": "post"}, {"model.norm": "none"})
    assert np.isclose(post, none)


def test_a_learning_rate_that_falls_as_the_width_grows_is_nearer_than_one_that_rises() -> None:
    against, along = distances(
        {"model.d_model": 256, "training.learning_rate": 5e-4},
        {"model.d_model": 256, "training.learning_rate": 2e-3},
    )
    assert against < along


def test_what_a_configuration_does_not_tell_is_fixed_or_in_the_middle() -> None:
    told = columns([{"model.d_model": 64}], SPACE, {"model.dropout": 0.1, "model.d_ff": 512})
    assert told["model.dropout"][0] == 0.1
    assert told["model.d_ff"][0] == 512
    assert np.isclose(told["training.learning_rate"][0], 1e-3)
    assert np.isfinite(featurize(told, SPACE)).all()


def test_a_rate_that_goes_with_the_width_is_the_one_that_matrices_have() -> None:
    rate = "training.learning_rate"
    scaled = [{**CENTRE, "model.d_model": width, rate: 1e-3} for width in (64, 128, 256)]
    plain = [{**CENTRE, "model.d_model": width, rate: 0.256 / width} for width in (64, 128, 256)]
    space = {**SPACE, f"{rate}_scale": CategoricalDistribution(("plain", "width"))}
    searched = [{**configuration, f"{rate}_scale": "width"} for configuration in scaled]
    expected = featurize(columns(plain, SPACE, {f"{rate}_scale": "plain"}), SPACE)
    found = featurize(columns(scaled, SPACE, {f"{rate}_scale": "width"}), SPACE)
    np.testing.assert_allclose(found, expected)
    assert np.array_equal(
        columns(searched, space, {})[rate], columns(scaled, SPACE, {f"{rate}_scale": "width"})[rate]
    )
