"""Samplers, pruners and distributions as Optuna's, with what they promise kept."""

from collections.abc import Sequence

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import TypeAdapter

from automl_tf.config.space import Space
from automl_tf.config.study import Pruner, Sampler
from automl_tf.search.pruners.build import build_pruner, describe_rule
from automl_tf.search.samplers.build import build_sampler, distribution
from tests.search.making import SPACE

PRUNERS: list[dict] = [
    {"kind": "auto"},
    {"kind": "median", "startup_trials": 2},
    {"kind": "percentile", "percentile": 60.0, "startup_trials": 2},
    {"kind": "successive_halving", "reduction_factor": 2},
    {"kind": "hyperband", "reduction_factor": 2},
    {"kind": "patient", "patience": 1, "startup_trials": 2},
    {"kind": "threshold", "lower": 12.0},
]
STEPS = (500, 1000, 1500, 2000)


def sampler(kind: str, **settings: object) -> Sampler:
    return TypeAdapter(Sampler).validate_python({"kind": kind, **settings})


def pruner(**settings: object) -> Pruner:
    return TypeAdapter(Pruner).validate_python(settings)


def curve(top: float) -> dict[int, float]:
    return {step: top * (index + 1) / len(STEPS) for index, step in enumerate(STEPS)}


def study_of(tops: Sequence[float], chosen: Pruner, name: str = "made") -> optuna.Study:
    """A study of complete trials whose curves rise to these heights."""
    study = optuna.create_study(direction="maximize", study_name=name)
    study.pruner = build_pruner(
        chosen, first_validation=STEPS[0], max_steps=STEPS[-1], num_trials=20
    )
    for top in tops:
        trial = study.ask()
        for step, value in curve(top).items():
            trial.report(value, step)
            trial.should_prune()  # some pruners take notes when they are asked
        study.tell(trial, top)
    return study


def pruned_at(study: optuna.Study, values: dict[int, float]) -> int | None:
    """The step at which a new trial with this curve would be stopped."""
    trial = study.ask()
    for step, value in values.items():
        trial.report(value, step)
        if trial.should_prune():
            return step
    return None


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("settings", [{"kind": "none"}, *PRUNERS], ids=lambda given: given["kind"])
def test_no_pruner_stops_the_trial_that_leads_at_every_step(settings: dict) -> None:
    for name in "abcdef":
        study = study_of([20.0, 22.0, 24.0, 26.0], pruner(**settings), name)
        assert pruned_at(study, {step: 50.0 + step for step in STEPS}) is None


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("settings", PRUNERS, ids=lambda given: given["kind"])
def test_every_pruner_stops_a_trial_that_is_last_and_falls(settings: dict) -> None:
    falling = {step: 3.0 - index for index, step in enumerate(STEPS)}
    # Hyperband has brackets that stop nothing; a study's name and a trial's number choose one.
    steps = [
        pruned_at(study_of([20.0, 22.0, 24.0, 26.0], pruner(**settings), name), falling)
        for name in "abcdefgh"
    ]
    stopped = [step for step in steps if step is not None]
    assert stopped
    if settings["kind"] != "hyperband":
        assert len(stopped) == len(steps)
    if settings["kind"] == "patient":
        assert min(stopped) > STEPS[0]


def test_without_pruner_nothing_is_stopped() -> None:
    study = study_of([20.0, 22.0, 24.0], pruner(kind="none"))
    assert pruned_at(study, dict.fromkeys(STEPS, 0.0)) is None


@pytest.mark.parametrize("kind", ["median", "percentile"])
def test_a_pruner_waits_for_its_first_trials_and_steps(kind: str) -> None:
    last = dict.fromkeys(STEPS, 0.1)
    waiting = pruner(kind=kind, startup_trials=4)
    assert pruned_at(study_of([20.0, 22.0, 24.0], waiting), last) is None
    assert pruned_at(study_of([20.0, 22.0, 24.0, 25.0], waiting), last) == STEPS[0]
    warm = pruner(kind=kind, startup_trials=1, warmup_steps=1500)
    assert pruned_at(study_of([20.0, 22.0], warm), last) == 1500


@pytest.mark.parametrize("kind", ["successive_halving", "hyperband"])
def test_the_first_rung_is_the_first_validation_unless_the_study_says_more(kind: str) -> None:
    falling = {step: 3.0 - index for index, step in enumerate(STEPS)}
    tops = [20.0, 22.0, 24.0, 26.0]
    early = [pruned_at(study_of(tops, pruner(kind=kind), name), falling) for name in "abcdefgh"]
    assert STEPS[0] in early
    late = [
        pruned_at(study_of(tops, pruner(kind=kind, min_steps=1000), name), falling)
        for name in "abcdefgh"
    ]
    assert STEPS[0] not in late
    assert any(late)


def trials_at(step: int, values: Sequence[float]) -> list[FrozenTrial]:
    made = [
        create_trial(state=TrialState.COMPLETE, value=value, intermediate_values={step: value})
        for value in values
    ]
    for number, trial in enumerate(made):
        trial.number = number
    return made


def test_the_reason_of_a_pruning_holds_the_numbers_that_decided() -> None:
    trials = trials_at(500, [10.0, 20.0, 30.0, 40.0, 5.0])
    median = describe_rule(pruner(kind="median"), trials, 4, 500)
    for part in ("BLEU 5.00", "step 500", "25.00", "4 complete trials"):
        assert part in median
    upper = describe_rule(pruner(kind="percentile", percentile=25.0), trials, 4, 500)
    assert "32.50" in upper
    assert "25 %" in upper
    halving = describe_rule(pruner(kind="successive_halving"), trials, 4, 500)
    for part in ("BLEU 5.00", "step 500", "successive_halving rule", "4 others", "40.00"):
        assert part in halving
    below = describe_rule(pruner(kind="threshold", lower=7.5), trials, 4, 500)
    assert "below the threshold 7.5" in below
    assert "hyperband rule" in describe_rule(pruner(kind="hyperband"), trials[:1], 0, 500)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("kind", ["auto", "random", "tpe", "gp", "cmaes", "qmc", "nsgaii"])
@pytest.mark.parametrize("settings", PRUNERS, ids=lambda given: given["kind"])
def test_every_sampler_proposes_under_every_pruner(kind: str, settings: dict) -> None:
    """Hyperband shows samplers a part of the study that lacks most of its attributes."""
    study = study_of([20.0, 22.0, 24.0], pruner(**settings))
    study.sampler = build_sampler(sampler(kind), Space(SPACE), 1, 3)
    asked = study.ask({name: distribution(domain) for name, domain in SPACE.items()})
    assert set(asked.params) == set(SPACE)
