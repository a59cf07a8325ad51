"""Creating studies, finding them again, and their first trials."""

import uuid
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.presets import PAPER_ROWS
from automl_tf.config.settings import BASE_WIDTH
from automl_tf.config.space import Choices, Domain, Range
from automl_tf.config.study import DIRECTIONS
from automl_tf.errors import UserError
from automl_tf.search.opening import (
    baseline_params,
    first_trials,
    join_study,
    load_study,
    open_study,
    study_names,
)
from automl_tf.search.schema import (
    DEFINITION,
    ORIGIN,
    SCHEMA,
    SCHEMA_VERSION,
    WRITTEN_BY,
    Origin,
    StudyRecord,
    read_record,
    study_id_of,
)
from automl_tf.search.storage import default_url, open_storage
from tests.search.making import GRID, SPACE, bench, claim, definition, finish, new_home


def test_the_base_is_the_point_of_the_space_nearest_to_the_paper() -> None:
    study = definition().study
    base = baseline_params(study)
    row = PAPER_ROWS["base"]
    paper = {f"model.{name}": value for name, value in row.model.model_dump().items()}
    paper["training.learning_rate"] = row.learning_rate
    assert set(base) == set(SPACE)
    for name, value in base.items():
        domain = study.space.domains[name]
        assert domain.contains(value)
        if isinstance(value, int | float) and isinstance(domain, Choices):
            distances = [abs(choice - paper[name]) for choice in domain.choices]
            assert abs(value - paper[name]) == min(distances)
        elif isinstance(domain, Choices):
            assert value == paper[name]
        else:
            inside = min(max(paper[name], domain.low), domain.high)
            assert value == pytest.approx(inside)


def test_the_base_says_the_width_of_heads_where_a_study_searches_it() -> None:
    space: dict[str, Domain] = {
        "model.d_k": Range(low=16, high=128, step=16),
        "model.d_v": Choices(choices=(16, 48)),
        "data.vocab_size": Choices(choices=(1000, 2000)),
    }
    made = definition(space, fixed={"model.d_model": 512, "model.num_heads": 8})
    base = baseline_params(made.study)
    head_width = PAPER_ROWS["base"].model.head_width
    assert base["model.d_k"] == head_width
    assert base["model.d_v"] == 48
    # The paper's table says nothing of the vocabulary of another corpus.
    assert "data.vocab_size" not in base


def test_the_base_trains_its_matrices_as_the_paper_in_either_scale() -> None:
    row = PAPER_ROWS["base"]
    rates = {}
    for scale in ("plain", "width"):
        made = definition(fixed={"training.learning_rate_scale": scale})
        rates[scale] = baseline_params(made.study)["training.learning_rate"]
    assert rates["plain"] == pytest.approx(row.learning_rate)
    assert rates["width"] * BASE_WIDTH / row.model.d_model == pytest.approx(row.learning_rate)


def test_first_trials_are_the_base_and_then_what_the_study_lists() -> None:
    starts = [{"model.d_model": 64}, {"model.norm": "pre"}]
    given = [(params, Origin.GIVEN) for params in starts]
    listed = first_trials(definition(start_with=starts).study)
    assert listed[0][1] == Origin.BASE
    assert listed[1:] == given
    assert first_trials(definition(start_with=starts, start_with_base=False).study) == given
    grid = definition(GRID, start_with=[{"model.d_model": 64}], sampler={"kind": "grid"})
    assert list(first_trials(grid.study)) == []


def test_a_new_study_has_its_directions_and_its_queue(tmp_path: Path) -> None:
    objectives = ["bleu", "latency", "num_parameters"]
    made = definition(objectives=objectives, start_with=[{"model.d_model": 64}])
    study = bench(tmp_path, made).study
    assert [direction.name.lower() for direction in study.directions] == [
        DIRECTIONS[name] for name in objectives
    ]
    assert [trial.state for trial in study.trials] == [TrialState.WAITING] * 2
    assert study.trials[1].system_attrs["fixed_params"] == {"model.d_model": 64}


def test_a_start_that_is_the_base_is_tried_once(tmp_path: Path) -> None:
    base = baseline_params(definition().study)
    study = bench(tmp_path, definition(start_with=[base, {"model.d_model": 64}])).study
    assert len(study.trials) == 2


def test_opening_again_adds_nothing(tmp_path: Path) -> None:
    made = definition(start_with=[{"model.d_model": 64}])
    first = bench(tmp_path, made)
    finish(first, claim(first))
    again = bench(tmp_path, made).study
    assert [trial.state for trial in again.trials] == [TrialState.COMPLETE, TrialState.WAITING]


REFUSED = [
    ({"seed": 2}, "seed", "1 and is now 2"),
    ({"objectives": ["bleu", "latency"]}, "objectives", "latency"),
    ({"fixed": {"model.d_ff": 64}}, "fixed", "fixed.model.d_ff was 96 and is now 64"),
    ({"fixed": {}}, "fixed", "is now absent"),
    ({"constraints": {"latency": 5.0}}, "constraints", "was absent and is now 5.0"),
    ({"corpus": {"kind": "synthetic", "seed": 7}}, "corpus", "corpus.seed was 1 and is now 7"),
]
FIXED = {"fixed": {"model.d_ff": 96}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a study that no test changes."""
    folder = tmp_path_factory.mktemp("home")
    bench(folder, definition(**FIXED))
    return folder


@pytest.mark.parametrize(("changes", "part", "difference"), REFUSED)
def test_another_study_under_the_same_name_is_refused_with_the_difference(
    home: Path, changes: dict, part: str, difference: str
) -> None:
    with pytest.raises(UserError) as caught:
        bench(home, definition(**{**FIXED, **changes}))
    assert difference in str(caught.value)
    assert caught.value.place.key == part


@pytest.mark.parametrize(
    ("name", "domain", "difference"),
    [
        ("model.d_model", Choices(choices=(64, 128)), "space.model.d_model.choices was [64, 128, "),
        ("model.d_model", Range(low=64, high=256, step=64), "space.model.d_model."),
        ("model.encoder_layers", Range(low=1, high=5), "high was 6 and is now 5"),
        ("training.learning_rate", Range(low=1e-4, high=1e-2), "log was true and is now false"),
        ("data.vocab_size", Choices(choices=(64, 128)), "space.data.vocab_size was absent"),
        ("model.norm", None, "space.model.norm was "),
    ],
)
def test_another_space_is_refused_with_the_difference(
    home: Path, name: str, domain: Domain | None, difference: str
) -> None:
    changed = {**SPACE, name: domain}
    with pytest.raises(UserError) as caught:
        bench(home, definition({key: body for key, body in changed.items() if body}, **FIXED))
    assert difference in str(caught.value)
    assert caught.value.place.key == "space"


def test_another_text_under_the_same_paths_is_refused(home: Path) -> None:
    made = definition(**FIXED)
    with pytest.raises(UserError, match="5e2f"):
        bench(home, StudyRecord(made.config, made.space, "other"))


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": {"trials": 99, "hours": 1.5}},
        {"sampler": {"kind": "random"}},
        {"pruner": {"kind": "hyperband"}},
        {"space": "moved/space.yaml"},
        {"start_with": [{"model.d_model": 64}]},
    ],
)
def test_what_does_not_change_what_trials_are_may_change(tmp_path: Path, changes: dict) -> None:
    first = bench(tmp_path, definition())
    finish(first, claim(first))
    again = bench(tmp_path, definition(**changes))
    assert claim(again).number == 1


def files(folder: str, **changes: str) -> dict:
    return {
        "kind": "files",
        "source_lang": "en",
        "target_lang": "de",
        "train": {"source": f"{folder}/train.en", "target": f"{folder}/train.de"},
        "validation": {"table": f"{folder}/validation.csv"},
        **changes,
    }


def test_the_same_text_may_lie_elsewhere_as_on_another_machine(tmp_path: Path) -> None:
    bench(tmp_path, definition(corpus=files("/here")))
    moved = bench(tmp_path, definition(corpus=files("/there")))
    assert claim(moved).number == 0
    with pytest.raises(UserError, match="target_lang was"):
        bench(tmp_path, definition(corpus=files("/there", target_lang="nl")))


def test_the_order_of_a_space_file_does_not_matter(home: Path) -> None:
    turned = definition(dict(reversed(list(SPACE.items()))), **FIXED)
    assert list(turned.space.domains) != list(SPACE)
    assert bench(home, turned).study.study_name == "made"


def test_studies_are_listed_and_loaded_by_name(tmp_path: Path) -> None:
    storage = open_storage(default_url(tmp_path), tmp_path)
    with pytest.raises(UserError, match="There are none yet"):
        load_study(storage, "made")
    for name in ("zebra", "ant"):
        bench(tmp_path, definition(name=name))
    assert study_names(storage) == ["ant", "zebra"]
    assert load_study(storage, "ant").study_name == "ant"
    with pytest.raises(UserError, match="ant, zebra"):
        load_study(storage, "made")


def test_a_study_has_an_identifier_of_its_own(tmp_path: Path) -> None:
    made = definition()
    first, second = (bench(tmp_path / name, made).study for name in ("one", "two"))
    assert uuid.UUID(study_id_of(first)) != uuid.UUID(study_id_of(second))
    assert study_id_of(bench(tmp_path / "one", made).study) == study_id_of(first)
    assert first.user_attrs[SCHEMA_VERSION] == SCHEMA


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"note": "of another program"},
        {"definition": "of a word"},
        {"definition": ["a", "b"], SCHEMA_VERSION: SCHEMA},
        {"definition": {"name": "made"}, SCHEMA_VERSION: SCHEMA},
        {"definition": {"name": "made"}, SCHEMA_VERSION: SCHEMA, "study_id": "1"},
        {"definition": {"name": "made"}, SCHEMA_VERSION: "two"},
        {"definition": {"name": "made"}},
        {"definition": {"name": "made"}, SCHEMA_VERSION: SCHEMA + 1, WRITTEN_BY: "9.1"},
    ],
)
def test_studies_of_other_programs_and_versions_are_told_and_left_as_they_are(
    tmp_path: Path, attributes: dict
) -> None:
    storage = open_storage(default_url(new_home(tmp_path)), tmp_path)
    strange = optuna.create_study(study_name="made", storage=storage)
    for name, value in attributes.items():
        strange.set_user_attr(name, value)
    bench(tmp_path, definition(name="ours"))
    assert study_names(storage) == ["ours"]
    for touch in (
        lambda: load_study(storage, "made"),
        lambda: open_study(storage, definition()),
        lambda: join_study(storage, definition()),
    ):
        with pytest.raises(UserError, match=r"made (is an Optuna study|was written by)"):
            touch()
    again = optuna.load_study(study_name="made", storage=storage)
    assert again.user_attrs == attributes
    assert again.trials == []


def test_a_worker_that_joins_changes_nothing_of_the_study(tmp_path: Path) -> None:
    made = definition(budget={"trials": 40}, full_training={"model.dropout": 0.2})
    study = bench(tmp_path, made).study
    before = dict(study.user_attrs)
    joining = definition(budget={"trials": 10}, sampler={"kind": "random"})
    storage = open_storage(default_url(tmp_path), tmp_path)
    joined, record = join_study(storage, joining)
    assert joined.user_attrs == before
    assert record.config == made.settled().config
    with pytest.raises(UserError, match="seed was 1 and is now 2"):
        join_study(storage, definition(seed=2))


def test_the_first_worker_of_a_study_creates_it(tmp_path: Path) -> None:
    storage = open_storage(default_url(new_home(tmp_path)), tmp_path)
    made = definition()
    study, record = join_study(storage, made)
    assert record == made.settled()
    assert len(study.trials) == 1
    assert study.trials[0].user_attrs[ORIGIN] == Origin.BASE


CODES = {
    "jp": ("13a", "char"),
    "cn": ("13a", "zh"),
    "th_Thai": ("char", "char"),
    "de": ("13a",) * 2,
}
"""Tokenizers of a target language before they were recorded, and now."""


def translating_into(code: str, **changes: object) -> StudyRecord:
    corpus = {
        "kind": "files",
        "source_lang": "en",
        "target_lang": code,
        **{name: {"table": f"{name}.tsv"} for name in ("train", "validation")},
    }
    return definition(corpus=corpus, **changes)


def tokenizer(study: optuna.Study) -> str:
    return read_record(study).config.scoring.tokenize


@pytest.mark.parametrize("code", CODES)
def test_a_study_keeps_the_tokenizer_that_it_began_with(tmp_path: Path, code: str) -> None:
    before, now = CODES[code]
    made = translating_into(code)
    study = bench(tmp_path, made).study
    assert tokenizer(study) == study.user_attrs[DEFINITION]["scoring"]["tokenize"] == now
    assert tokenizer(bench(tmp_path, made).study) == now
    # As a version wrote it that recorded none.
    old = {key: value for key, value in made.to_json().items() if key != "scoring"}
    study.set_user_attr(DEFINITION, old)
    assert tokenizer(study) == before
    resumed = bench(tmp_path, translating_into(code, budget={"trials": 99})).study
    assert tokenizer(resumed) == before
    joined, record = join_study(open_storage(default_url(tmp_path), tmp_path), made)
    assert tokenizer(joined) == record.config.scoring.tokenize == before
    assert record.study.trial_config({}, 1).scoring.tokenize == before


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    bench(tmp_path, translating_into("ja"))
    bench(tmp_path, translating_into("ja", scoring={"tokenize": "char"}))
    with pytest.raises(UserError, match=r'scoring.tokenize was "char" and is now "intl"'):
        bench(tmp_path, translating_into("ja", scoring={"tokenize": "intl"}))
    with pytest.raises(UserError, match=r"scoring.tokenize was"):
        join_study(
            open_storage(default_url(tmp_path), tmp_path),
            translating_into("ja", scoring={"tokenize": "zh"}),
        )
