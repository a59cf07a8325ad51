"""What is known of a configuration before it trains, and what is then never proposed."""

import itertools
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.space import Choices, Domain, Range
from automl_tf.data.prepare import prepare
from automl_tf.device import device_name
from automl_tf.search import objective
from automl_tf.search.costs import costs, effort, feasible, least_costs
from automl_tf.search.schema import (
    ENVIRONMENT,
    ESTIMATED_MEMORY,
    FLOPS_PER_TOKEN,
    INFEASIBLE,
    NUM_PARAMETERS,
)
from automl_tf.search.trial_result import TrialResult
from automl_tf.versions import environment
from tests.search.making import bench, claim, definition, finish, run_claimed

WIDTHS: dict[str, Domain] = {
    "model.d_model": Choices(choices=(32, 64, 128, 256)),
    "model.encoder_layers": Range(low=1, high=6),
    "data.vocab_size": Choices(choices=(400, 800)),
}
CONTINUOUS: dict[str, Domain] = {
    **WIDTHS,
    "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
}
CORPUS = {"kind": "synthetic", "train_pairs": 1000, "validation_pairs": 40, "test_pairs": 40}
SMALL = {"model.d_model": 32, "model.encoder_layers": 2, "data.vocab_size": 400}
LIMITS = {NUM_PARAMETERS: 2e6, FLOPS_PER_TOKEN: 1.5e7, ESTIMATED_MEMORY: 1200.0}


def every(domains: dict[str, Domain]) -> list[dict]:
    values = [domain.values() for domain in domains.values()]
    return [dict(zip(domains, chosen, strict=True)) for chosen in itertools.product(*values)]


def ran(tmp_path: Path, limits: dict[str, float]) -> tuple[TrialResult, optuna.Trial, Path]:
    """How the first trial of a study ends, which is to be refused."""
    made = definition(
        WIDTHS, corpus=CORPUS, constraints=limits, start_with=[SMALL], start_with_base=False
    )
    worker = bench(tmp_path / "home", made)
    trial = claim(worker)
    return run_claimed(worker, trial), trial, worker.home


def test_costs_grow_with_the_model_and_bounds_enclose_them(tmp_path):
    made = definition(WIDTHS, corpus=CORPUS, constraints=LIMITS)
    before: dict[str, float] = {}
    for width in (32, 64, 128, 256):
        params = {"model.d_model": width, "model.encoder_layers": 2, "data.vocab_size": 400}
        config = made.study.trial_config(params, seed=1)
        now = costs(config, prepare(config, tmp_path))
        assert set(now) == set(LIMITS)
        assert all(now[name] > cost for name, cost in before.items())
        assert all(now[name] > least for name, least in least_costs(config).items())
        for name, cost in now.items():
            tight = replace(
                made, config=made.config.model_copy(update={"constraints": {name: 0.99 * cost}})
            )
            is_feasible = feasible(tight.study)
            assert is_feasible is not None
            assert not is_feasible(params), name
        before = now


def test_a_study_without_limits_in_closed_form_forbids_nothing():
    assert feasible(definition(WIDTHS).study) is None
    assert feasible(definition(WIDTHS, constraints={"latency": 5.0}).study) is None


def test_effort_is_the_arithmetic_of_a_whole_trial(tmp_path):
    made = definition(WIDTHS, corpus=CORPUS, budget={"trials": 12, "hours": 1.0})
    operations = effort(made.study)
    assert operations is not None
    for params in every(WIDTHS):
        config = made.study.trial_config(params, seed=1)
        tokens = config.training.max_steps * config.training.batch_tokens
        # The corpus has fewer subwords than were asked for.
        least = tokens * least_costs(config)[FLOPS_PER_TOKEN]
        true = tokens * costs(config, prepare(config, tmp_path))[FLOPS_PER_TOKEN]
        assert least < true <= operations(params), params


def test_effort_goes_with_the_tokens_of_a_trial():
    tokens: dict[str, Domain] = {
        "training.max_steps": Choices(choices=(600, 1200)),
        "training.accumulate": Choices(choices=(1, 2)),
        "training.batch_tokens": Choices(choices=(512, 1024)),
    }
    operations = effort(definition(tokens, budget={"trials": 12, "hours": 1.0}).study)
    assert operations is not None
    told = {round(operations(params)) for params in every(tokens)}
    assert [largest / min(told) for largest in sorted(told)] == [1, 2, 4, 8]


def test_effort_is_told_where_hours_limit_a_study_of_bleu_alone():
    hours = {"trials": 12, "hours": 1.0}
    assert effort(definition(WIDTHS).study) is None
    several = definition(WIDTHS, budget=hours, objectives=["bleu", "num_parameters"])
    assert effort(several.study) is None
    assert effort(definition(WIDTHS, budget=hours).study) is not None


def test_with_hours_as_its_budget_auto_tries_small_models_among_equals(tmp_path):
    total = {}
    for name, budget in {"trials": {"trials": 12}, "hours": {"trials": 12, "hours": 5.0}}.items():
        made = definition(
            WIDTHS, sampler={"kind": "auto"}, budget=budget, start_with_base=False, corpus=CORPUS
        )
        worker = bench(tmp_path / name, made)
        while (trial := claim(worker)) is not None:
            finish(worker, trial, bleu=20.0)
        tried = [worker.trial_config(trial.number, trial.params) for trial in worker.study.trials]
        total[name] = sum(least_costs(config)[FLOPS_PER_TOKEN] for config in tried)
    assert total["hours"] < 0.8 * total["trials"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("domains", [WIDTHS, CONTINUOUS])
def test_auto_never_proposes_what_a_limit_forbids(tmp_path, name, domains):
    made = definition(
        domains,
        constraints={name: LIMITS[name]},
        sampler={"kind": "auto"},
        budget={"trials": 12},
        start_with_base=False,
    )
    is_feasible = feasible(made.study)
    assert is_feasible is not None
    told = [is_feasible(params) for params in every(WIDTHS)]
    assert True in told
    assert False in told
    worker = bench(tmp_path, made)
    while (trial := claim(worker)) is not None:
        assert is_feasible(trial.params)
        finish(worker, trial, bleu=float(trial.number))
    states = [trial.state for trial in worker.study.trials]
    assert states == [TrialState.COMPLETE] * 12


@pytest.mark.parametrize("name", [NUM_PARAMETERS, FLOPS_PER_TOKEN])
def test_what_no_vocabulary_could_save_is_refused_before_the_corpus_is_read(tmp_path, name):
    ending, trial, home = ran(tmp_path, {name: 1000.0})
    assert ending.state == TrialState.PRUNED
    assert f"not trained: {name} = " in ending.reason
    assert trial.user_attrs[INFEASIBLE]
    assert not (home / "cache").exists()


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_above_a_limit_is_refused_with_its_costs_on_record(tmp_path, name):
    config = definition(WIDTHS, corpus=CORPUS).study.trial_config(SMALL, seed=1)
    cost = costs(config, prepare(config, tmp_path / "home" / "cache"))[name]
    ending, trial, _ = ran(tmp_path, {name: 0.99 * cost})
    assert ending.state == TrialState.PRUNED
    assert name in ending.reason
    assert trial.user_attrs[name] == cost


def test_latency_is_measured_once_a_trial(tmp_path, monkeypatch):
    """Measured again on resuming, it could refuse a trial that is nearly done."""
    measured = iter([5.0, 500.0])
    monkeypatch.setattr(objective, "median_latency_ms", lambda *_, **__: next(measured))
    made = definition(WIDTHS, corpus=CORPUS, constraints={"latency": 1.0}, start_with=[SMALL])
    worker = bench(tmp_path, made)
    trial = claim(worker)
    for _ in range(2):
        ending = run_claimed(worker, trial)
        assert "latency = 5.00 is above" in ending.reason
        assert trial.user_attrs["latency"] == 5.0
    config = made.study.trial_config(SMALL, seed=1)
    machine = {"device": device_name(), "precision": worker.precision(config)}
    assert trial.user_attrs[ENVIRONMENT] == environment() | machine


def test_a_pause_during_the_preparation_lets_the_trial_wait(tmp_path):
    made = definition(WIDTHS, corpus=CORPUS, start_with=[SMALL])
    worker = replace(bench(tmp_path, made), should_pause=lambda: True)
    trial = claim(worker)
    ending = run_claimed(worker, trial)
    assert ending.state == TrialState.WAITING
    assert "paused" in ending.reason


def test_auto_proposes_something_where_nothing_is_feasible(tmp_path):
    made = definition(
        WIDTHS, constraints={NUM_PARAMETERS: 1.0}, sampler={"kind": "auto"}, budget={"trials": 1}
    )
    assert claim(bench(tmp_path, made)) is not None
