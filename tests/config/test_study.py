"""Studies: their trials' configurations, strategies and confirmation rounds."""

import pytest
from pydantic import TypeAdapter, ValidationError

from automl_tf.config.settings import default_settings, flatten
from automl_tf.config.space import Choices, Range, Space
from automl_tf.config.study import (
    DIRECTIONS,
    Budget,
    Confirm,
    Pruner,
    Sampler,
    Study,
    StudyConfig,
)

SPACE = Space(
    {"model.d_model": Choices(choices=(64, 128)), "training.max_steps": Range(low=500, high=900)}
)


def study(**changes: object) -> Study:
    given = {"name": "made", "space": "space.yaml", "corpus": {"kind": "synthetic"}, **changes}
    return Study(StudyConfig.model_validate(given), SPACE)


def test_a_trial_is_defaults_then_what_is_fixed_then_what_is_searched() -> None:
    made = study(fixed={"model.d_ff": 96, "training.warmup_steps": 50})
    params = {"model.d_model": 128, "training.max_steps": 700}
    config = made.trial_config(params, seed=9)
    assert flatten(config) == {**default_settings(), **made.config.fixed, **params}
    assert config.seed == 9
    assert config.corpus == made.config.corpus


def test_the_values_of_a_setting_are_searched_fixed_or_its_default() -> None:
    made = study(fixed={"model.d_ff": 96})
    assert made.values("model.d_model") == (64, 128)
    assert made.values("training.max_steps") == (500, 900)
    assert made.values("model.d_ff") == (96,)
    assert made.values("model.dropout") == (default_settings()["model.dropout"],)


@pytest.mark.parametrize(("union", "count"), [(Sampler, 8), (Pruner, 8)])
def test_every_strategy_is_legal_with_its_defaults(union: object, count: int) -> None:
    adapter: TypeAdapter = TypeAdapter(union)
    schema = adapter.json_schema()
    kinds = list(schema["discriminator"]["mapping"])
    assert len(kinds) == count
    for kind in kinds:
        given = {"kind": kind, "lower": 1.0} if kind == "threshold" else {"kind": kind}
        assert adapter.validate_python(given).kind == kind


def test_several_objectives_are_pruned_by_auto_alone() -> None:
    assert study(objectives=["bleu", "latency"]).config.pruner.kind == "auto"
    assert study(objectives=["bleu"]).config.pruner.kind != "none"
    for kind in ("none", "auto"):
        written = study(objectives=["bleu", "latency"], pruner={"kind": kind}).config
        assert written.pruner.kind == kind
    for pruner in ("median", "hyperband"):
        with pytest.raises(ValidationError, match="one number"):
            study(objectives=["bleu", "latency"], pruner={"kind": pruner})


def test_a_sampler_of_one_objective_refuses_several_whatever_the_pruner() -> None:
    assert study(sampler={"kind": "cmaes"}).config.sampler.kind == "cmaes"
    for pruner in ({}, {"pruner": {"kind": "none"}}):
        with pytest.raises(ValidationError, match="one objective"):
            study(objectives=["bleu", "latency"], sampler={"kind": "cmaes"}, **pruner)


def test_a_study_comes_back_from_its_json() -> None:
    made = study(
        objectives=["bleu", "num_parameters"],
        constraints={"latency": 20.0},
        fixed={"model.d_ff": 96},
        start_with=[{"model.d_model": 64}],
        sampler={"kind": "nsgaii", "population": 8},
        budget={"trials": 3, "hours": 0.5},
    ).config
    assert StudyConfig.model_validate(made.model_dump(mode="json")) == made
    assert StudyConfig.model_validate_json(made.model_dump_json()) == made


def test_every_objective_has_a_direction() -> None:
    assert study(objectives=list(DIRECTIONS)).config.objectives == tuple(DIRECTIONS)


@pytest.mark.parametrize("name", ["a", "multi30k-en-de", "v1.2_b", "A" * 100])
def test_a_name_that_is_a_folder_everywhere_is_taken(name: str) -> None:
    assert study(name=name).config.name == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-a", "ä", "a" * 101, "a\n"])
def test_a_name_that_may_be_no_folder_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        study(name=name)


def test_a_budget_ends() -> None:
    assert Budget().trials >= 1
    for broken in ({"trials": 0}, {"hours": 0}, {"hours": float("inf")}, {"hours": float("nan")}):
        with pytest.raises(ValidationError):
            Budget.model_validate(broken)


GIVEN = {"name": "made", "space": "space.yaml", "corpus": {"kind": "synthetic"}}


def test_it_is_off_unless_asked_for() -> None:
    assert StudyConfig.model_validate(GIVEN).confirm is None
    assert StudyConfig.model_validate({**GIVEN, "confirm": {}}).confirm == Confirm()


def test_several_objectives_have_no_single_winner() -> None:
    several = {**GIVEN, "objectives": ["bleu", "latency"], "confirm": {}}
    with pytest.raises(ValidationError, match="Leave confirm out"):
        StudyConfig.model_validate(several)


def test_one_seed_says_nothing_of_seeds() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        StudyConfig.model_validate({**GIVEN, "confirm": {"seeds": 1}})
