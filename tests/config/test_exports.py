import json
import random
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from automl_tf.config.files import read_export, to_yaml
from automl_tf.config.settings import TrialConfig, default_settings, flatten, unflatten
from automl_tf.errors import Place, UserError
from tests.config.files import EXPORT, write_export

CHOICES: dict[str, list] = {
    "model.d_model": [64, 96, 512],
    "model.num_heads": [1, 2, 4],
    "model.d_k": [None, 8, 32],
    "model.d_v": [None, 16],
    "model.dropout": [0.0, 0.1, 1e-7, 0.30000000000000004],
    "model.norm": ["pre", "post"],
    "model.tie_embeddings": [True, False],
    "training.learning_rate": [1e-3, 5e-05, 0.1, 1.0],
    "training.clip_norm": [0.0, 1e3, 123456789.5],
    "training.schedule": ["linear", "cosine"],
    "training.precision": ["auto", "fp32"],
    "decoding.length_penalty": [0.0, 2 / 3],
}
NAMES = [
    "no",
    "null",
    "1e-3",
    "true",
    "a: b",
    "#x",
    "- y",
    "it's",
    'say "x"',
    "ümlaut 漢字",
    "a\\b",
]
CORPORA: list[dict] = [
    {"kind": "synthetic", "seed": 2**32 - 1},
    {"kind": "hub", "source_lang": "en", "target_lang": "no", "test": None},
    {"kind": "files", "source_lang": "zh_Hans", "target_lang": "de", "source_column": "yes"},
]


def random_corpus(rng: random.Random, folder: Path) -> dict:
    corpus = dict(rng.choice(CORPORA))
    if corpus["kind"] == "hub":
        corpus |= {"name": rng.choice(NAMES), "subset": rng.choice(NAMES)}
    if corpus["kind"] == "files":
        train = {"source": folder / rng.choice(NAMES), "target": folder / rng.choice(NAMES)}
        corpus |= {"train": train, "validation": {"table": folder / rng.choice(NAMES)}}
    return corpus


def random_config(rng: random.Random, folder: Path) -> TrialConfig:
    names = rng.sample(sorted(CHOICES), rng.randint(0, len(CHOICES)))
    settings = {name: rng.choice(CHOICES[name]) for name in names}
    corpus = random_corpus(rng, folder)
    seed = rng.randrange(2**32)
    return TrialConfig.model_validate({"corpus": corpus, "seed": seed, **unflatten(settings)})


def test_what_is_written_is_read_back_unchanged(tmp_path: Path) -> None:
    rng = random.Random(1)
    path = tmp_path / "best.yaml"
    for _ in range(60):
        config = random_config(rng, tmp_path.resolve())
        path.write_text(to_yaml(config), encoding="utf-8")
        export = read_export(path)
        assert export.trial_config() == config
        assert to_yaml(export.trial_config()) == to_yaml(config)


def test_notes_and_header_are_comments_and_extras_come_after(tmp_path: Path) -> None:
    config = TrialConfig.model_validate({"corpus": {"kind": "synthetic"}})
    text = to_yaml(
        config,
        notes={
            "model.d_model": "searched: [64, 256]",
            "corpus.seed": "of the text",
            "seed": "mine",
        },
        header="First line.\nSecond line.",
        extra={"provenance": {"study": "q", "steps": {500: 1.5}, "objectives": {"bleu": 30.25}}},
    )
    lines = text.splitlines()
    assert lines[:2] == ["# First line.", "# Second line."]
    d_model = default_settings()["model.d_model"]
    assert any(line == f"  d_model: {d_model}  # searched: [64, 256]" for line in lines)
    assert any(line.startswith("seed: 1") and line.endswith("# mine") for line in lines)
    path = tmp_path / "best.yaml"
    path.write_text(text, encoding="utf-8")
    export = read_export(path)
    assert export.trial_config() == config
    assert export.provenance == {
        "study": "q",
        "steps": {"500": 1.5},
        "objectives": {"bleu": 30.25},
    }


def test_every_setting_that_has_a_value_is_written() -> None:
    config = TrialConfig.model_validate({"corpus": {"kind": "synthetic"}})
    tree = YAML(typ="safe", pure=True).load(to_yaml(config))
    written = {
        f"{group}.{name}": value
        for group, settings in tree.items()
        if group not in ("corpus", "scoring", "seed")
        for name, value in settings.items()
    }
    assert written == {name: v for name, v in flatten(config).items() if v is not None}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_written_so_that_it_stays_text(tmp_path: Path, name: str) -> None:
    corpus = {"kind": "hub", "name": name, "source_lang": "en", "target_lang": "de"}
    config = TrialConfig.model_validate({"corpus": corpus})
    path = tmp_path / "best.yaml"
    path.write_text(to_yaml(config), encoding="utf-8")
    assert read_export(path).corpus.name == name


ESCAPES = [
    "/abs/path",
    "../..",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "a\nb",
    "a b",
    "ä",
    "x" * 101,
    "-x",
    "~",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_study_name_that_is_none_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    path = write_export(tmp_path, f"{EXPORT}provenance:\n  trial: 3\n  study: {json.dumps(name)}\n")
    with pytest.raises(UserError, match=r"a study's name has 1 to 100") as caught:
        read_export(path)
    line = EXPORT.count("\n") + 3
    assert caught.value.place == Place(path, line, "provenance.study")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("study", "3"),
        ("study", "[a]"),
        ("study", "null"),
        ("study_id", "../.."),
        ("study_id", "'12345678'"),
        ("study_id", "12345678-1234-1234-1234-123456789ABC/"),
        ("trial", "-1"),
        ("trial", "../3"),
        ("trial", "'3'"),
        ("trial", "1.5"),
        ("trial", "true"),
        ("corpus_fingerprint", "../../secret"),
        ("git_commit", "HEAD; rm"),
        ("confirmed", "yes"),
        ("objectives", "{bleu: high}"),
        ("versions", "{torch: 2}"),
    ],
)
def test_provenance_has_types(tmp_path: Path, key: str, value: str) -> None:
    path = write_export(tmp_path, f"{EXPORT}provenance:\n  {key}: {value}\n")
    with pytest.raises(UserError) as caught:
        read_export(path)
    place = caught.value.place
    assert (place.path, place.line) == (path, EXPORT.count("\n") + 2)
    assert place.key.startswith(f"provenance.{key}")


def test_provenance_of_another_version_is_kept(tmp_path: Path) -> None:
    more = "provenance: {study: q, study_id: 0c6cbbb1-7b1f-4a0c-9d3c-0123456789ab, later: [1]}\n"
    read = read_export(write_export(tmp_path, EXPORT + more)).provenance
    assert read == {"study": "q", "study_id": "0c6cbbb1-7b1f-4a0c-9d3c-0123456789ab", "later": [1]}
    overridden = read_export(write_export(tmp_path, EXPORT + more), ["provenance.study=r"])
    assert overridden.provenance["study"] == "r"
    with pytest.raises(UserError, match=r"--set provenance\.study"):
        read_export(write_export(tmp_path, EXPORT + more), ["provenance.study=../.."])


@pytest.mark.parametrize("name", ["q", "q.confirm", "a" * 100 + ".confirm"])
def test_provenance_names_a_study_or_its_confirmations(tmp_path: Path, name: str) -> None:
    path = write_export(tmp_path, f"{EXPORT}provenance: {{study: {name}}}\n")
    assert read_export(path).provenance == {"study": name}
