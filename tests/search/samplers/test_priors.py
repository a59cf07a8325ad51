"""The prior expectations of BLEU and costs, and facts of a corpus."""

from dataclasses import replace

import numpy as np
import pytest

from automl_tf.config.settings import setting_types
from automl_tf.search.samplers.priors import (
    EXTRAPOLATED,
    LEARNING_RATE,
    LINEAR_IN_TENTHS,
    LONG_TRAINING,
    MAX_SHORTNESS,
    PRODUCT,
    USUAL_PAIRS,
    WIDTH,
    Array,
    CorpusInfo,
    expected,
    shipped_prior,
)

PRIOR = shipped_prior()
SIZES = (5_000, USUAL_PAIRS, 5_000_000)


def varied(name: str, values: Array) -> dict[str, Array]:
    """Settings of which one, or the product of two, has these values."""
    if name == PRODUCT:
        return {LEARNING_RATE: values / 256, WIDTH: np.full(len(values), 256.0)}
    return {name: values}


def test_the_shipped_prior_names_settings_and_gives_losses() -> None:
    for name, optimum in PRIOR.items():
        for part in name.split(" * "):
            assert part in setting_types()
        assert optimum.best > 0
        assert min(optimum.loss_below, optimum.loss_above) >= 0
        assert max(optimum.loss_below, optimum.loss_above) > 0


@pytest.mark.parametrize("name", [name for name in PRIOR if name != PRODUCT])
@pytest.mark.parametrize("pairs", SIZES)
def test_nothing_beats_the_best_value_and_worse_is_worse(name: str, pairs: int) -> None:
    optimum = PRIOR[name]
    steps = np.arange(-3, 4) / (10 if name in LINEAR_IN_TENTHS else 1)
    growth = optimum.per_tenfold * np.log10(pairs / USUAL_PAIRS)
    if name in LINEAR_IN_TENTHS:
        values = optimum.best + growth / 10 + steps
    else:
        values = optimum.best * 2.0 ** (growth + steps)
    score = expected(PRIOR, {name: values}, CorpusInfo(pairs))
    assert np.isclose(score[3], 0)
    assert (np.diff(score[:4]) >= 0).all()
    assert (np.diff(score[3:]) <= 0).all()


def test_more_text_asks_for_larger_models_and_vocabularies() -> None:
    for name in ("data.vocab_size", "model.d_model", "model.encoder_layers"):
        values = np.geomspace(PRIOR[name].best / 32, PRIOR[name].best * 32, 201)
        best = [
            values[expected(PRIOR, {name: values}, CorpusInfo(pairs)).argmax()] for pairs in SIZES
        ]
        assert best == sorted(best)
        assert best[0] < best[-1]


@pytest.mark.parametrize("name", [name for name in PRIOR if name not in LINEAR_IN_TENTHS])
def test_the_direction_moves_best_values_by_what_the_prior_says(name: str) -> None:
    moved = replace(PRIOR[name], out_of_english=1.0)
    values = moved.best * np.geomspace(1 / 4, 4, 401)
    settings = varied(name, values)
    found = []
    for languages in (("de", "en"), ("de", "fr"), None, ("en_US", "de")):
        scores = expected({name: moved}, settings, CorpusInfo(USUAL_PAIRS, languages))
        found.append(np.log2(values[scores.argmax()] / moved.best))
    assert np.allclose(found, [-0.5, 0, 0, 0.5], atol=0.01)


def test_wider_models_want_lower_learning_rates() -> None:
    rates = np.geomspace(1e-5, 1e-1, 401)
    best = []
    for width in (64.0, 512.0):
        settings = {
            "model.d_model": np.full(401, width),
            "training.learning_rate": rates,
        }
        best.append(rates[expected(PRIOR, settings, CorpusInfo()).argmax()])
    assert np.isclose(best[0] / best[1], 8, rtol=0.1)


@pytest.mark.parametrize("name", LINEAR_IN_TENTHS)
def test_few_passes_over_the_text_ask_for_less_regularisation(name: str) -> None:
    values = np.linspace(0, 0.5, 101)
    best = []
    for steps in (100.0, 1_000.0, 100_000.0):
        settings = {
            name: values,
            "training.max_steps": np.full(101, steps),
            "training.batch_tokens": np.full(101, 2000.0),
        }
        best.append(values[expected(PRIOR, settings, CorpusInfo(USUAL_PAIRS)).argmax()])
    assert best == sorted(best)
    assert best[0] < 0.05
    assert np.isclose(best[-1], PRIOR[name].best, atol=0.01)


@pytest.mark.parametrize("name", [name for name in PRIOR if name not in LINEAR_IN_TENTHS])
def test_short_trainings_have_other_best_values(name: str) -> None:
    optimum = PRIOR[name]
    moves = []
    for tokens in (LONG_TRAINING / 1e3, LONG_TRAINING / 10, LONG_TRAINING, 1e9 * LONG_TRAINING):
        values = optimum.best * np.geomspace(1 / 64, 64, 2001)
        settings = {
            **varied(name, values),
            "training.max_steps": np.full(len(values), tokens / 2000),
            "training.batch_tokens": np.full(len(values), 2000.0),
        }
        moves.append(
            np.log2(
                values[expected(PRIOR, settings, CorpusInfo(USUAL_PAIRS)).argmax()] / optimum.best
            )
        )
    # Of the shortest runs of the tables is known what the shortest trainings ask for.
    shortest = 3.0 if name in EXTRAPOLATED else MAX_SHORTNESS
    assert np.allclose(
        moves, optimum.per_shortness * np.array([shortest, 1.0, 0.0, 0.0]), atol=0.01
    )


def test_accumulated_batches_count_as_larger_ones() -> None:
    values = np.linspace(0, 0.5, 101)
    steps = dict.fromkeys(LINEAR_IN_TENTHS, values) | {"training.max_steps": np.full(101, 1000.0)}
    larger = {**steps, "training.batch_tokens": np.full(101, 8000.0)}
    more = {
        **steps,
        "training.batch_tokens": np.full(101, 2000.0),
        "training.accumulate": np.full(101, 4.0),
    }
    told = [expected(PRIOR, settings, CorpusInfo(USUAL_PAIRS)) for settings in (larger, more)]
    assert (told[0] == told[1]).all()


def test_an_unknown_size_is_the_usual_one_and_other_settings_count_nothing() -> None:
    settings = {"model.d_model": np.array([64.0, 128.0]), "model.norm": np.array(["pre", "post"])}
    score = expected(PRIOR, settings, CorpusInfo())
    assert (score == expected(PRIOR, settings, CorpusInfo(USUAL_PAIRS))).all()
    del settings["model.norm"]
    assert (score == expected(PRIOR, settings, CorpusInfo())).all()


@pytest.mark.parametrize(
    ("languages", "outward"),
    [
        (("en", "de"), 0.5),
        (("eng", "deu"), 0.5),
        (("zh-Hans", "en_GB"), -0.5),
        (("de", "fr"), 0.0),
        (("en-GB", "en-US"), 0.0),
        (("enm", "de"), 0.0),  # Middle English
        (None, 0.0),
    ],
)
def test_english_tells_the_direction(languages: tuple[str, str] | None, outward: float) -> None:
    assert CorpusInfo(1000, languages).outward == outward


def test_sizes_count_in_tenfolds() -> None:
    assert [CorpusInfo(pairs).decades for pairs in (10_000, None, 1_000_000)] == [-1, 0, 1]
