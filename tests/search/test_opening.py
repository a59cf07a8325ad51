"""Creating studies, finding them again, and their first trials."""

import os
import socket
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState

from automl_tf.config.settings import BASE_WIDTH
from automl_tf.config.space import Choices, Domain, Range
from automl_tf.config.study import DIRECTIONS
from automl_tf.errors import UserError
from automl_tf.model.presets import PAPER_ROWS
from automl_tf.search.opening import (
    baseline_params,
    first_trials,
    load_study,
    requeue_stale_trials,
    study_names,
    this_worker,
)
from automl_tf.search.schema import LOST, WORKER, StudyRecord
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.worker import claim
from tests.search.making import GRID, SPACE, bench, definition, finish


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
    assert list(first_trials(definition(start_with=starts).study))[1:] == starts
    assert list(first_trials(definition(start_with=starts, start_with_base=False).study)) == starts
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


def test_trials_of_living_workers_stay_theirs(tmp_path: Path) -> None:
    worker = bench(tmp_path, definition())
    claim(worker)
    assert this_worker() == worker.study.trials[0].user_attrs[WORKER]
    assert requeue_stale_trials(worker.storage, worker.study) == []
    assert worker.study.trials[0].state == TrialState.RUNNING


@pytest.mark.parametrize("way", ["no such process", "another process of that number"])
def test_a_worker_that_is_gone_is_known_by_its_number_and_its_start(
    tmp_path: Path, way: str
) -> None:
    worker = bench(tmp_path, definition())
    trial = claim(worker)
    started = psutil.Process().create_time()
    pid = os.getpid() if way.startswith("another") else max(psutil.pids()) + 10**6
    trial.set_user_attr(WORKER, f"{socket.gethostname()}:{pid}:{started - 3600:.0f}")
    assert requeue_stale_trials(worker.storage, worker.study) == [0]
    assert worker.study.trials[0].state == TrialState.WAITING
    assert worker.study.trials[0].user_attrs[LOST] == 1
