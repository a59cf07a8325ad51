"""The Pareto pruner: a trial is stopped once it can no longer extend the front."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.files import read_study
from automl_tf.config.study import AutoPruner
from automl_tf.home import HomeDirectory
from automl_tf.search.join import join
from automl_tf.search.opening import load_study
from automl_tf.search.pruners.pruner import ParetoPruner
from automl_tf.search.run import Locations, open_search
from automl_tf.search.samplers.history import scored_trials
from automl_tf.search.schema import SECONDS, VALIDATIONS, forecast_at_stop, note_forecast
from automl_tf.search.storage import default_url, open_storage
from tests.cli.studies import write_study
from tests.search.making import Listener, new_home

STEPS = (500, 1000, 1500, 2000)
RISING = (0.7, 0.9, 0.97, 1.0)
BEHIND = (3.0, 3.4, 3.5)
TWO = ("bleu", "num_parameters")
Costs = dict[str, float]


def pruner(*objectives: str, chance: float = 0.05) -> ParetoPruner:
    return ParetoPruner(AutoPruner(kind="auto", chance=chance), objectives or TWO, STEPS[-1])


def study_of(home: Path, *objectives: str) -> optuna.Study:
    """A study in SQLite, as real ones are."""
    ways = ["maximize" if name in ("bleu", "chrf") else "minimize" for name in objectives or TWO]
    storage = open_storage(default_url(new_home(home)), home)
    return optuna.create_study(directions=ways, storage=storage, study_name="made")


def validated(
    trial: optuna.Trial, scores: tuple[float, ...], costs: Costs, chrf: float = 1
) -> None:
    told = {
        str(step): {"bleu": bleu, "chrf": chrf * bleu, "loss": 1.0}
        for step, bleu in zip(STEPS, scores, strict=False)
    }
    trial.set_user_attr(VALIDATIONS, told)
    for name, cost in costs.items():
        trial.set_user_attr(name, cost)


def complete(study: optuna.Study, bleu: float, costs: Costs, **given: float) -> None:
    trial = study.ask()
    validated(trial, tuple(bleu * share for share in RISING), costs, **given)
    study.tell(trial, [bleu, *costs.values()])


def judged(study: optuna.Study, made: ParetoPruner, scores: tuple[float, ...], costs: Costs) -> str:
    """Why a trial with these validations is stopped, or nothing."""
    trial = study.ask()
    validated(trial, scores, costs)
    trials = study.get_trials()
    decision = made.judge(trials[trial.number], trials)
    if decision.expected is not None:
        note_forecast(trial, decision.expected)
    study.tell(trial, state=TrialState.PRUNED)
    return decision.reason or ""


def test_a_trial_is_stopped_only_where_a_cheaper_one_is_out_of_its_reach(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    assert not judged(study, pruner(), BEHIND, {"num_parameters": 5e6})
    complete(study, 30.0, {"num_parameters": 4e6})
    complete(study, 26.0, {"num_parameters": 2e6})
    reason = judged(study, pruner(), BEHIND, {"num_parameters": 5e6})
    assert "trial 1 has BLEU 30.00 at num_parameters 4,000,000 (here 5,000,000)" in reason
    assert "trial 2 has BLEU 26.00" in judged(study, pruner(), BEHIND, {"num_parameters": 3e6})
    assert not judged(study, pruner(), BEHIND, {"num_parameters": 1e6})
    assert not judged(study, pruner(), (25.0, 28.0, 29.5), {"num_parameters": 5e6})
    assert not judged(study, pruner(), (), {"num_parameters": 5e6})


def test_all_costs_must_be_no_higher_and_hours_are_foreseen(tmp_path: Path) -> None:
    names = ("bleu", "num_parameters", "train_hours")
    study = study_of(tmp_path, *names)
    complete(study, 30.0, {"num_parameters": 4e6, "train_hours": 1.0})
    dear = {"num_parameters": 5e6, SECONDS: 3600.0}
    assert "train_hours 1 (here 1.33)" in judged(study, pruner(*names), BEHIND, dear)
    quick = {"num_parameters": 5e6, SECONDS: 1800.0}
    assert not judged(study, pruner(*names), BEHIND, quick)


def test_chrf_may_extend_the_front_where_bleu_does_not(tmp_path: Path) -> None:
    names = ("bleu", "chrf")
    study = study_of(tmp_path, *names)
    trial = study.ask()
    validated(trial, tuple(30 * share for share in RISING), {}, chrf=0.1)
    study.tell(trial, [30.0, 3.0])
    assert not judged(study, pruner(*names), BEHIND, {})
    complete(study, 31.0, {"chrf": 31.0})
    assert "trial 2 has BLEU 31.00" in judged(study, pruner(*names), BEHIND, {})


def test_the_chance_falls_as_the_mark_rises_and_the_level_decides(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    cost = {"num_parameters": 5e6}
    trial = study.ask()
    validated(trial, (10.0, 12.0), cost)
    chances = []
    for bleu in (11.0, 12.5, 14.0):
        complete(study, bleu, {"num_parameters": 4e6})
        trials = study.get_trials()
        found = pruner().forecast(trials[trial.number], trials)
        assert found is not None
        assert found.reference_bleu == bleu
        chances.append(found.probability)
    assert chances == sorted(chances, reverse=True)
    judged_now = trials[trial.number]
    assert not pruner(chance=chances[-1] / 2).judge(judged_now, trials).stop
    assert pruner(chance=chances[0]).judge(judged_now, trials).stop


def test_the_sampler_learns_what_was_expected_of_a_stopped_trial(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    complete(study, 30.0, {"num_parameters": 4e6})
    assert judged(study, pruner(), BEHIND, {"num_parameters": 5e6})
    trials = study.get_trials()
    noted = forecast_at_stop(trials[1])
    assert noted is not None
    assert list(scored_trials(study, trials).scores) == [30.0, noted.median]


@pytest.mark.slow
def test_a_real_trial_of_two_objectives_is_stopped_with_its_reason(
    reversal: dict, tmp_path: Path
) -> None:
    small = {"model.d_model": 16, "training.learning_rate": 2e-2, "model.dropout": 0.0}
    large = {"model.d_model": 32, "training.learning_rate": 1e-3, "model.dropout": 0.3}
    path = write_study(
        tmp_path,
        reversal,
        objectives=list(TWO),
        # Hardly any trial is sure to extend the front.
        pruner={"kind": "auto", "chance": 0.999},
        start_with=[small, large],
        budget={"trials": 2},
    )
    home = tmp_path / "home"
    places = Locations(new_home(home), default_url(home), HomeDirectory(home).tracking_uri)
    opened = open_search(read_study(path), places)
    join(opened, places, Listener())
    first, second = load_study(opened.storage, "tour").trials
    assert first.state is TrialState.COMPLETE
    assert second.state is TrialState.PRUNED
    assert "extending the Pareto front" in second.user_attrs["reason"]
    assert 1 <= len(second.user_attrs[VALIDATIONS]) < len(first.user_attrs[VALIDATIONS])
