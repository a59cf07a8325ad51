"""Rules that choose a trial."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from automl_tf.errors import UserError
from automl_tf.search.export import select_trial, trials_to_keep
from automl_tf.search.samplers.build import distribution
from automl_tf.search.schema import VALIDATIONS
from tests.search.making import SPACE, bench, definition

FRONT = [(20.0, 5.0), (28.0, 10.0), (29.0, 30.0), (30.0, 60.0), (25.0, 40.0)]
PARAMS = {
    "model.d_model": 64,
    "model.norm": "pre",
    "model.encoder_layers": 2,
    "model.dropout": 0.1,
    "training.learning_rate": 1e-3,
}


def study_of(
    folder: Path,
    values: Sequence[Sequence[float]],
    *objectives: str,
    facts: Sequence[dict[str, object]] = (),
) -> optuna.Study:
    """A study with a complete trial for each row of values, and some that are not."""
    made = definition(objectives=list(objectives) or ["bleu"], start_with_base=False)
    study = bench(folder, made).study
    distributions = {name: distribution(domain) for name, domain in SPACE.items()}
    study.add_trials(
        [
            create_trial(
                values=list(row), params=PARAMS, distributions=distributions, user_attrs=known
            )
            for row, known in itertools.zip_longest(values, facts, fillvalue={})
        ]
    )
    for state in (TrialState.PRUNED, TrialState.FAIL):
        study.add_trial(create_trial(state=state, params=PARAMS, distributions=distributions))
    study.enqueue_trial({"model.d_model": 64})
    return study


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """One objective, the second trial the best."""
    return study_of(tmp_path_factory.mktemp("single"), [(20.0,), (31.5,), (31.4,)])


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """Two objectives, one trial off the front."""
    return study_of(tmp_path_factory.mktemp("front"), FRONT, "bleu", "latency")


def test_best_is_the_highest_of_the_first_objective(single: optuna.Study) -> None:
    for rule in ("best", " best ", "best:bleu", "knee", "bleu where bleu>1"):
        assert select_trial(single, rule).number == single.best_trial.number == 1


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        ("best", 3),
        ("best:bleu", 3),
        ("best:latency", 0),
        ("knee", 1),
        ("bleu where latency<30", 1),
        ("bleu where latency<=30", 2),
        ("bleu  where  latency <= 3e1", 2),
        ("bleu where latency<1_000", 3),
        ("latency where bleu>=28.5", 2),
        ("latency where bleu > 29", 3),
        ("bleu where latency>30", 3),
        ("bleu where bleu<30", 2),
    ],
)
def test_each_rule_of_two_objectives_finds_its_trial(
    front: optuna.Study, rule: str, number: int
) -> None:
    assert select_trial(front, rule).number == number


def test_the_knee_is_on_the_front_and_no_end_of_it_where_it_bends(
    front: optuna.Study,
) -> None:
    numbers = {trial.number for trial in front.best_trials}
    assert select_trial(front, "knee").number in numbers - {0, 3}


def test_the_knee_of_one_point_and_of_a_straight_front_is_a_point_of_it(tmp_path: Path) -> None:
    one = study_of(tmp_path / "one", [(20.0, 5.0)], "bleu", "latency")
    assert select_trial(one, "knee").number == 0
    two = study_of(tmp_path / "two", [(20.0, 5.0), (30.0, 9.0)], "bleu", "latency")
    assert select_trial(two, "knee").number in {0, 1}


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "worst",
        "best of all",
        "best:",
        "bleu",
        "bleu where latency",
        "bleu where latency<",
        "bleu where latency<fast",
        "bleu where latency<1.2.3",
        "bleu where latency<e",
        "bleu where latency=3",
        "best:speed",
        "bleu where speed<3",
        "speed where bleu>3",
    ],
)
def test_a_rule_that_cannot_be_read_is_told_with_the_forms(front: optuna.Study, rule: str) -> None:
    with pytest.raises(UserError, match="bleu where latency<20") as caught:
        select_trial(front, rule)
    assert caught.value.place.key == "--pick"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """One objective; size and seconds are known of most trials, and notes of other kinds."""
    facts = [
        {"num_parameters": size, "seconds": seconds, "hopeless": True, "reason": "words"}
        for size, seconds in ((1_000_000, 50.0), (9_000_000, 70.0), (4_000_000, 60.0))
    ]
    folder = tmp_path_factory.mktemp("measured")
    return study_of(folder, [(20.0,), (31.5,), (31.4,), (40.0,)], facts=facts)


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        ("bleu where num_parameters<5e6", 2),
        ("bleu where num_parameters<=1_000_000", 0),
        ("bleu where num_parameters>0", 1),
        ("bleu where seconds < 65", 2),
        ("num_parameters where bleu>25", 2),
        ("seconds where bleu>31.4", 1),
        ("best:num_parameters", 0),
        ("best", 3),
    ],
)
def test_a_rule_may_speak_of_any_number_of_a_trial(
    measured: optuna.Study, rule: str, number: int
) -> None:
    assert select_trial(measured, rule).number == number


@pytest.mark.parametrize("name", ["speed", "hopeless", "reason"])
def test_a_number_that_no_trial_has_is_told_with_those_that_they_have(
    measured: optuna.Study, name: str
) -> None:
    with pytest.raises(UserError, match="bleu; other numbers are num_parameters, seconds"):
        select_trial(measured, f"bleu where {name}<3")


def test_no_trial_within_a_limit_on_a_number_is_told_with_the_nearest(
    measured: optuna.Study,
) -> None:
    with pytest.raises(UserError, match=r"the nearest has 1e\+06"):
        select_trial(measured, "bleu where num_parameters<5")


def test_weights_of_the_best_and_of_the_front_are_worth_their_place(
    front: optuna.Study, single: optuna.Study, tmp_path: Path
) -> None:
    assert trials_to_keep(front) >= {trial.number for trial in front.best_trials}
    assert trials_to_keep(single) == {0, 1, 2}
    validated = [
        {VALIDATIONS: {"4": {"bleu": float(bleu), "chrf": 0.0, "loss": 0.0, "sentences": 10}}}
        for bleu in range(9)
    ]
    rows = [(float(bleu),) for bleu in range(9)]
    rising = study_of(tmp_path / "rising", rows, facts=validated)
    assert trials_to_keep(rising) == {4, 5, 6, 7, 8}
    assert trials_to_keep(study_of(tmp_path / "none", [])) == set()


def test_a_limit_that_no_trial_keeps_is_told_with_the_nearest(front: optuna.Study) -> None:
    with pytest.raises(UserError, match="the nearest has 5"):
        select_trial(front, "bleu where latency<4")
    with pytest.raises(UserError, match="the nearest has 30"):
        select_trial(front, "latency where bleu>31")


def test_a_number_is_taken_whatever_became_of_the_trial(single: optuna.Study) -> None:
    for number in range(5):
        assert select_trial(single, number=number).number == number
    for number, words in [(6, "there are 6"), (-1, "no trial -1"), (5, "no settings yet")]:
        with pytest.raises(UserError, match=words) as caught:
            select_trial(single, number=number)
        assert caught.value.place.key == "--trial"


def test_a_study_without_a_complete_trial_has_none_to_pick(tmp_path: Path) -> None:
    study = study_of(tmp_path, [])
    with pytest.raises(UserError, match="No trial of the study made is complete"):
        select_trial(study)
    assert select_trial(study, number=0).state == TrialState.PRUNED
