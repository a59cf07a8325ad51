"""What a storage keeps of a study comes back as what it was."""

import json
from pathlib import Path

import pytest
from optuna.trial import create_trial

from automl_tf.config.space import Choices, Domain, Range
from automl_tf.search.schema import VALIDATIONS, StudyRecord, read_record, validations
from tests.search.making import bench, definition

SPACES: list[dict[str, Domain]] = [
    {"model.d_model": Choices(choices=(64, 128)), "model.norm": Choices(choices=("pre", "post"))},
    {"model.tie_embeddings": Choices(choices=(True, False))},
    {"model.dropout": Choices(choices=(0.0, 0.1))},
    {"decoding.length_penalty": Range(low=0.0, high=2.0)},
    {"decoding.length_penalty": Range(low=0.0, high=2.0, step=1.0)},
    {"model.encoder_layers": Range(low=1, high=6, step=2), "model.d_ff": Range(low=64, high=512)},
    {"training.learning_rate": Range(low=1e-4, high=1e-2, log=True)},
]


def types(made: StudyRecord) -> list[str]:
    return [
        f"{type(value)} {value}"
        for domain in made.space.domains.values()
        for value in domain.ends()
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for all studies."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("space", SPACES, ids=" ".join)
def test_a_definition_comes_back_from_the_storage(home: Path, space: dict[str, Domain]) -> None:
    made = definition(
        space,
        name=f"made-{SPACES.index(space)}",
        objectives=["bleu", "num_parameters"],
        constraints={"latency": 20.0},
        fixed={"training.max_steps": 700, "training.clip_norm": 0.5},
        budget={"trials": 3, "hours": 1.5},
        sampler={"kind": "nsgaii"},
        start_with_base=False,
    )
    assert StudyRecord.from_json(json.loads(json.dumps(made.to_json()))) == made
    read = read_record(bench(home, made).study)
    assert read == made.settled()
    assert types(read) == types(made.settled())


def test_a_definition_of_files_comes_back_with_its_paths() -> None:
    corpus = {
        "kind": "files",
        "source_lang": "en",
        "target_lang": "no",
        "train": {"source": "/a/train.en", "target": "/a/train.no"},
        "validation": {"table": "/a/validation.csv"},
    }
    made = definition(corpus=corpus)
    assert StudyRecord.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_validations_are_read_by_step() -> None:
    told = {"500": {"bleu": 1.0}, "1000": {"bleu": 2.0}}
    trial = create_trial(value=1.0, user_attrs={VALIDATIONS: told})
    assert validations(trial) == {500: {"bleu": 1.0}, 1000: {"bleu": 2.0}}
    assert validations(create_trial(value=1.0)) == {}
