"""The curve extrapolation pruner in Optuna's hands."""

import optuna
from optuna.trial import TrialState

from automl_tf.config.study import AutoPruner
from automl_tf.search.pruners.pruner import MAX_STEPS, CurveExtrapolationPruner

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


def test_a_decision_holds_why_and_what_was_expected_of_the_trial() -> None:
    study = study_of(pruner())
    trial = study.ask()
    for step, value in BEHIND.items():
        trial.report(value, step)
    trials = study.get_trials()
    decision = pruner().judge(trials[-1], trials)
    assert decision.stop
    assert decision.reason is not None
    assert decision.expected is not None
    for part in ("chance of ending among the best 3 is", "step 2000", "26.00, 24.00, 22.00"):
        assert part in decision.reason
    assert decision.expected.median <= decision.expected.p95
    # To judge is no step of its own: nothing of it is in the storage.
    assert trials[-1].system_attrs == trials[-1].user_attrs == {}
    assert study.pruner.prune(study, trials[-1])
    assert study.get_trials()[-1].system_attrs == {}


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
    chances = [
        made.forecast(of.get_trials()[-1], of.get_trials()).probability for of in (again, same)
    ]
    assert chances[0] == chances[1]


def test_a_trial_that_searches_its_length_is_judged_by_its_own() -> None:
    forecasts = []
    for length in (1000, 8000):
        study = study_of(pruner())
        trial = study.ask({MAX_STEPS: optuna.distributions.CategoricalDistribution([length])})
        trial.report(8.0, 500)
        trials = study.get_trials()
        forecasts.append(pruner().forecast(trials[-1], trials))
    assert forecasts[0].median < forecasts[1].median
