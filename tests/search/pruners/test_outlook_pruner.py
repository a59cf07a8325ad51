"""The pruner of kind auto in Optuna's hands."""

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.study import AutoPruner
from automl_tf.search.pruners.pruner import MAX_STEPS, CurveExtrapolationPruner
from automl_tf.search.samplers.history import scored
from automl_tf.search.schema import outlook_at_stop
from automl_tf.search.strategy import pruning_reason

STEPS = (500, 1000, 1500, 2000)
SETTINGS = AutoPruner(kind="auto")


def pruner(num_trials: int = 20, **settings: object) -> CurveExtrapolationPruner:
    given = AutoPruner.model_validate({"kind": "auto", **settings})
    return CurveExtrapolationPruner(given, STEPS[-1], num_trials)


def study_of(made: CurveExtrapolationPruner, storage: str | None = None) -> optuna.Study:
    study = optuna.create_study(
        direction="maximize", storage=storage, pruner=made, study_name="made", load_if_exists=True
    )
    for top in (20.0, 22.0, 24.0, 26.0):
        told(study, study.ask(), top)
    return study


def told(study: optuna.Study, trial: optuna.Trial, top: float) -> None:
    for index, step in enumerate(STEPS):
        trial.report(top * (index + 1) / len(STEPS), step)
    study.tell(trial, top)


def stopped_at(study: optuna.Study, values: dict[int, float]) -> int | None:
    trial = study.ask()
    for step, value in values.items():
        trial.report(value, step)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step
    study.tell(trial, max(values.values()))
    return None


BEHIND = {500: 3.0, 1000: 3.4, 1500: 3.5, 2000: 3.5}


def test_nothing_is_stopped_without_validations_or_without_others() -> None:
    study = optuna.create_study(direction="maximize", pruner=pruner())
    trial = study.ask()
    assert not trial.should_prune()
    trial.report(0.0, 500)
    assert not trial.should_prune()
    assert stopped_at(study_of(pruner(num_trials=5, top=5)), BEHIND) is None


def test_a_stopped_trial_keeps_why_and_what_was_expected_of_it() -> None:
    study = study_of(pruner())
    step = stopped_at(study, BEHIND)
    assert step is not None
    assert step < STEPS[-1]
    trials = study.get_trials()
    noted = outlook_at_stop(trials[-1])
    assert noted is not None
    assert pruning_reason(SETTINGS, trials, 4, step) == noted.words
    for part in ("chance of ending among the best 3 is", f"step {step}", "26.00, 24.00, 22.00"):
        assert part in noted.words
    assert outlook_at_stop(trials[0]) is None
    assert noted.likely < noted.hopeful
    # The sampler learns what the pruner expected.
    alike = [*trials[:-1], optuna.trial.create_trial(value=noted.likely)]
    assert scored(study, trials).scores[-1] == pytest.approx(scored(study, alike).scores[-1])


def test_a_level_of_its_own_stops_more_or_less() -> None:
    curve = {500: 6.0, 1000: 12.0, 1500: 18.0, 2000: 24.5}
    steps = [
        stopped_at(study_of(pruner(chance=chance)), curve) or STEPS[-1]
        for chance in (0.0001, 0.05, 0.5, 0.9999)
    ]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > steps[-1]


def test_a_resumed_trial_in_another_process_is_judged_by_its_whole_curve(tmp_path: object) -> None:
    """Nothing is remembered between validations but what the storage holds."""
    url = f"sqlite:///{tmp_path}/studies.db"
    study = study_of(pruner(), url)
    trial = study.ask()
    trial.report(12.0, 500)
    assert not trial.should_prune()
    again = optuna.load_study(study_name="made", storage=url, pruner=pruner())
    resumed = optuna.trial.Trial(again, trial._trial_id)
    resumed.report(12.1, 1000)
    same = optuna.create_study(direction="maximize", pruner=pruner())
    for top in (20.0, 22.0, 24.0, 26.0):
        told(same, same.ask(), top)
    unbroken = same.ask()
    unbroken.report(12.0, 500)
    unbroken.report(12.1, 1000)
    assert resumed.should_prune() == unbroken.should_prune()
    made = pruner()
    chances = [made.outlook(of.get_trials()[-1], of.get_trials()).chance for of in (again, same)]
    assert chances[0] == chances[1]


def test_a_trial_that_searches_its_length_is_judged_by_its_own() -> None:
    outlooks = []
    for length in (1000, 8000):
        study = study_of(pruner())
        trial = study.ask({MAX_STEPS: optuna.distributions.CategoricalDistribution([length])})
        trial.report(8.0, 500)
        trials = study.get_trials()
        outlooks.append(pruner().outlook(trials[-1], trials))
    assert outlooks[0].likely < outlooks[1].likely
