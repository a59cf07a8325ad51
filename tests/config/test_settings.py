import random
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from automl_tf.config import settings, space, study
from automl_tf.config.base import Settings
from automl_tf.config.rules import RULES
from automl_tf.config.settings import (
    Corpus,
    FilesCorpus,
    HubCorpus,
    SplitFiles,
    SyntheticCorpus,
    TrialConfig,
    default_settings,
    flatten,
    given_settings,
    setting_types,
    unflatten,
)


def config(**changes: object) -> TrialConfig:
    settings = {name.replace("__", "."): value for name, value in changes.items()}
    return TrialConfig.model_validate({"corpus": {"kind": "synthetic"}, **unflatten(settings)})


def every_settings_class() -> list[type[BaseModel]]:
    return sorted(
        {
            member
            for module in (settings, space, study)
            for member in vars(module).values()
            if isinstance(member, type) and issubclass(member, Settings) and member is not Settings
        },
        key=lambda member: member.__name__,
    )


def test_the_defaults_are_legal_and_are_those_of_an_empty_file() -> None:
    assert flatten(config()) == default_settings()
    for name, value in default_settings().items():
        assert flatten(config(**{name.replace(".", "__"): value}))[name] == value


def test_every_setting_has_one_dotted_name() -> None:
    assert list(setting_types()) == list(default_settings())
    assert all(re.fullmatch(r"[a-z]+\.[a-z_0-9]+", name) for name in setting_types())


def test_flatten_and_unflatten_are_inverse() -> None:
    flat = flatten(config(model__d_model=96, model__num_heads=3, data__vocab_size=500))
    assert {
        f"{group}.{name}": value
        for group, settings in unflatten(flat).items()
        for name, value in settings.items()
    } == flat
    again = TrialConfig.model_validate({"corpus": {"kind": "synthetic"}, **unflatten(flat)})
    assert flatten(again) == flat


def test_given_settings_leave_out_what_has_no_value() -> None:
    given = given_settings(config(model__d_k=16))
    assert given["model.d_k"] == 16
    assert "model.d_v" not in given
    assert given["seed"] == 1
    assert None not in given.values()


@pytest.mark.parametrize("member", every_settings_class(), ids=lambda member: member.__name__)
def test_every_group_and_every_field_says_what_it_is(member: type[BaseModel]) -> None:
    assert member.__doc__ or member.__name__.startswith("_")
    silent = [
        name
        for name, field in member.model_fields.items()
        if not field.description and name != "kind"
    ]
    assert not silent


@pytest.mark.parametrize(
    "broken",
    [
        {"model__num_heads": 3},
        {"model__d_model": 20, "model__num_heads": 4, "model__positions": "rotary"},
        {"model__d_k": 5, "model__positions": "rotary"},
        {"training__warmup_steps": 6000},
        {"training__validate_every": 6001},
        {"training__batch_tokens": 128},
    ],
)
def test_settings_that_make_no_model_are_refused_with_their_values(broken: dict) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**broken)
    for name, value in broken.items():
        assert f"{name.replace('__', '.')} = {value}" in str(caught.value)


@pytest.mark.parametrize(
    "legal",
    [
        {"model__num_heads": 3, "model__d_k": 10, "model__d_v": 7},
        {"model__d_k": 6, "model__positions": "rotary"},
        {"training__warmup_steps": 5999, "training__validate_every": 6000},
        {"training__batch_tokens": 129},
    ],
)
def test_settings_on_the_legal_side_of_each_rule_are_taken(legal: dict) -> None:
    assert config(**legal)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1"])
def test_a_seed_is_what_every_library_takes(seed: object) -> None:
    with pytest.raises(ValidationError):
        TrialConfig.model_validate({"corpus": {"kind": "synthetic"}, "seed": seed})


def test_settings_are_frozen() -> None:
    made = config()
    with pytest.raises(ValidationError):
        made.model.d_model = 128
    with pytest.raises(ValidationError):
        made.seed = 2


def test_the_shape_in_short_holds_width_heads_and_depths() -> None:
    model = config(model__d_model=96, model__num_heads=6, model__decoder_layers=2).model
    assert model.shape == "d96 h6 3+2"
    assert model.head_width == model.value_width == 16


def test_every_rule_reads_settings_and_says_each_of_their_values() -> None:
    rng = random.Random(1)
    for rule in RULES:
        assert set(rule.reads) <= set(setting_types())
        values = [rng.randint(1, 10**6) for _ in rule.reads]
        told = rule.text.format(*values)
        for name, value in zip(rule.reads, values, strict=True):
            assert name not in told or str(value) in told


ADAPTER: TypeAdapter = TypeAdapter(Corpus)
FILES = {
    "kind": "files",
    "source_lang": "en",
    "target_lang": "de",
    "train": {"source": "a.en", "target": "a.de.gz"},
    "validation": {"table": "b.jsonl"},
}
HUB = {"kind": "hub", "name": "some/corpus", "source_lang": "en", "target_lang": "de"}


def test_the_kind_decides_what_a_corpus_is() -> None:
    assert isinstance(ADAPTER.validate_python({"kind": "synthetic"}), SyntheticCorpus)
    files = ADAPTER.validate_python(FILES)
    assert isinstance(files, FilesCorpus)
    assert files.train.source == Path("a.en")
    assert files.test is None
    assert isinstance(ADAPTER.validate_python(HUB), HubCorpus)


@pytest.mark.parametrize("corpus", [{"kind": "synthetic", "seed": 3}, FILES, HUB])
def test_a_corpus_comes_back_from_its_json(corpus: dict) -> None:
    made = ADAPTER.validate_python(corpus)
    assert ADAPTER.validate_python(ADAPTER.dump_python(made, mode="json")) == made


@pytest.mark.parametrize("code", ["en", "no", "deu", "pt_BR", "zh-Hans", "sr-Latn-RS", "zho_Hans"])
def test_language_codes_of_two_or_three_letters_are_taken(code: str) -> None:
    assert ADAPTER.validate_python({**FILES, "source_lang": code}).source_lang == code


@pytest.mark.parametrize("code", ["", "e", "english", "en de", "../en", "1e", "en_", False])
def test_what_is_no_language_code_is_refused(code: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**FILES, "source_lang": code})


@pytest.mark.parametrize(
    "split",
    [
        {},
        {"source": "a"},
        {"target": "a"},
        {"source": "a", "table": "b"},
        {"source": "a", "target": "b", "table": "c"},
    ],
)
def test_a_split_is_two_texts_or_one_table(split: dict) -> None:
    with pytest.raises(ValidationError, match="either source and target, or table"):
        SplitFiles.model_validate(split)


def test_the_name_of_a_language_is_answered_with_what_a_code_looks_like() -> None:
    with pytest.raises(ValidationError, match=r"a code of two or three letters.*as in de"):
        ADAPTER.validate_python({**FILES, "target_lang": "japanese"})
