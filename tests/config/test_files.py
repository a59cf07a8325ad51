import os
import random
from pathlib import Path

import pytest

from automl_tf.config.files import read_export, read_study
from automl_tf.config.settings import GROUPS, default_settings, flatten
from automl_tf.config.space import Choices, Domain, Space
from automl_tf.config.study import Study
from automl_tf.errors import UserError
from tests.config.files import EXPORT, SPACE, STUDY, write_export, write_study


def test_a_study_of_three_lines_has_every_default(tmp_path: Path) -> None:
    config = read_study(write_study(tmp_path)).config
    assert config.space == (tmp_path / "space.yaml").resolve()
    assert config.objectives == ("bleu",)
    assert (config.sampler.kind, config.pruner.kind) == ("auto", "auto")
    assert config.corpus.train_pairs > config.corpus.validation_pairs
    assert not config.fixed


BROKEN_STUDIES = [
    ("sede: 1\n", 4, "sede", "mean seed?"),
    ("budget: {trial: 1}\n", 4, "budget.trial", "mean budget.trials?"),
    ("budget:\n  trials: 0\n", 5, "budget.trials", "greater than or equal to 1"),
    ("budget:\n  trials: '40'\n", 5, "budget.trials", "not a whole number"),
    ("budget: {hours: .inf}\n", 4, "budget.hours", "finite"),
    ("budget: 40\n", 4, "budget", "not a group"),
    ("seed: -1\n", 4, "seed", "greater than or equal to 0"),
    ("seed: 99999999999\n", 4, "seed", "less than"),
    ("sampler: tpe\n", 4, "sampler", "not a group"),
    ("sampler: {kind: tp}\n", 4, "sampler", "random, grid, tpe, gp, cmaes, qmc, nsgaii"),
    ("sampler: {kind: tpe, startup: 3}\n", 4, "sampler.startup", "mean sampler.startup_trials?"),
    ("sampler: {kind: random, startup: 3}\n", 4, "sampler.startup", "Known here"),
    ("pruner: {kind: threshold}\n", 4, "pruner.lower", "is missing"),
    ("pruner: {kind: hyperband, min_steps: 7000}\n", 4, "pruner.min_steps", "7000 is above"),
    ("objectives: bleu\n", 4, "objectives", "not a list"),
    ("objectives: []\n", 4, "objectives", "empty"),
    ("objectives: [blue]\n", 4, "objectives.0", "'bleu', 'chrf'"),
    ("objectives: [latency, bleu]\n", 4, "objectives", "Put bleu first"),
    ("objectives: [bleu, bleu]\n", 4, "objectives", "repeats"),
    (
        "objectives: [bleu, latency]\npruner: {kind: median}\n",
        5,
        "pruner.kind",
        "pruner: {kind: auto} or {kind: none}",
    ),
    (
        "objectives: [bleu, latency]\nsampler: {kind: cmaes}\n",
        5,
        "sampler.kind",
        "serves one objective",
    ),
    ("constraints: {bleu: 3}\n", 4, "constraints.bleu", "'num_parameters' or 'latency'"),
    ("constraints: {latency: 0}\n", 4, "constraints.latency", "greater than 0"),
    ("fixed:\n", 4, "fixed", "fixed is empty"),
    ("fixed:\n  model.d_fff: 64\n", 5, "fixed.model.d_fff", "mean model.d_ff?"),
    ("fixed:\n  model.d_ff: 2\n", 5, "fixed.model.d_ff", "model.d_ff = 2 does not fit"),
    ("fixed:\n  model.d_ff: big\n", 5, "fixed.model.d_ff", "not a whole number"),
    ("fixed:\n  training.clip_norm: .nan\n", 5, "fixed.training.clip_norm", "finite"),
    ("fixed:\n  model:\n    d_ff: 64\n", 5, "fixed.model", "Write the whole path"),
    ("fixed:\n  model.d_model: 64\n", 5, "fixed.model.d_model", "both fixed and searched"),
    ("fixed:\n  model.d_v: 3\n  training.warmup_steps: 9000\n", 6, None, "not below"),
    ("start_with: {model.d_model: 64}\n", 4, "start_with", "not a list"),
    ("start_with:\n- model.d_model: 63\n", 5, "start_with.0.model.d_model", "outside"),
    ("start_with:\n- model.d_model: 64.0\n", 5, "start_with.0.model.d_model", "outside"),
    ("start_with:\n- model.d_modle: 64\n", 5, "start_with.0.model.d_modle", "model.d_model?"),
    ("start_with:\n- model.d_ff: 64\n", 5, "start_with.0.model.d_ff", "is not searched"),
    ("start_with:\n- model: {d_model: 64}\n", 5, "start_with.0.model", "not a single value"),
    ("start_with_base: yes\n", 4, "start_with_base", "neither true nor false"),
]


@pytest.mark.parametrize(("more", "line", "key", "words"), BROKEN_STUDIES)
def test_each_mistake_in_a_study_is_told_with_its_place(
    tmp_path: Path, more: str, line: int, key: str | None, words: str
) -> None:
    path = write_study(tmp_path, more)
    with pytest.raises(UserError) as caught:
        read_study(path)
    assert caught.value.place.path == path
    assert caught.value.place.line == line
    if key is not None:
        assert caught.value.place.key == key
    assert words in str(caught.value)


BROKEN_STARTS = [
    ("space: space.yaml\ncorpus: {kind: synthetic}\n", "name", "is missing"),
    ("name: made\ncorpus: {kind: synthetic}\n", "space", "is missing"),
    ("name: made\nspace: space.yaml\n", "corpus", "is missing"),
    (STUDY.replace("made", "a/b"), "name", "characters"),
    (STUDY.replace("made", "5"), "name", "not text"),
    (STUDY.replace("made", "made.confirm"), "name", "does not end in .confirm"),
    (STUDY.replace("space.yaml", "nowhere.yaml"), None, "There is no file"),
    (STUDY.replace("synthetic", "hubb"), "corpus", "synthetic, files, hub"),
    (STUDY.replace("kind: synthetic", "seed: 1"), "corpus", "corpus.kind is missing"),
    (STUDY.replace("{kind: synthetic}", "synthetic"), "corpus", "not a group"),
    (STUDY.replace("synthetic", "hub"), "corpus.source_lang", "is missing"),
    (STUDY.replace("synthetic", "synthetic, train_pairs: 7"), "corpus.train_pairs", "100"),
    (
        STUDY.replace(
            "synthetic",
            "files, source_lang: en, target_lang: de, train: {source: a}, validation: {table: b}",
        ),
        "corpus.train",
        "either source and target, or table",
    ),
    (
        STUDY.replace("synthetic", "files, source_lang: English, target_lang: de, train: {}"),
        "corpus.source_lang",
        "English",
    ),
]


@pytest.mark.parametrize(("start", "key", "words"), BROKEN_STARTS)
def test_each_mistake_in_what_a_study_must_have_is_told(
    tmp_path: Path, start: str, key: str | None, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_study(write_study(tmp_path, start=start))
    assert caught.value.place.key == key
    assert caught.value.place.path is not None
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("more", "space", "file", "line", "shown"),
    [
        (
            "",
            "model.d_model:\n  choices: [64, 96]\nmodel.num_heads:\n  choices: [2, 5]\n",
            "space.yaml",
            3,
            "model.num_heads = 5 does not divide model.d_model = 64.",
        ),
        (
            "fixed: {model.num_heads: 3}\n",
            "model.dropout: {choices: [0.1]}\nmodel.d_model: {choices: [96, 128]}\n",
            "space.yaml",
            2,
            "model.num_heads = 3 does not divide model.d_model = 128.",
        ),
        (
            "fixed:\n  model.num_heads: 3\n  model.d_model: 128\n",
            "model.dropout: {choices: [0.1]}\n",
            "study.yaml",
            6,
            "model.num_heads = 3 does not divide model.d_model = 128.",
        ),
        (
            "fixed: {training.max_steps: 100, training.validate_every: 50}\n",
            "training.warmup_steps: {low: 10, high: 100}\n",
            "space.yaml",
            1,
            "training.warmup_steps = 100 is not below training.max_steps = 100.",
        ),
        (
            "",
            "model.positions: {choices: [rotary]}\nmodel.num_heads: {choices: [256]}\n",
            "space.yaml",
            2,
            "model.d_model = 256 over model.num_heads = 256",
        ),
        (
            "",
            "model.d_model: {low: 64, high: 512, step: 2}\nmodel.num_heads: {choices: [1, 8]}\n",
            "space.yaml",
            2,
            "model.num_heads = 8 does not divide model.d_model = 66.",
        ),
        (
            "",
            "model.d_model: {low: 64, high: 8192, step: 2}\nmodel.num_heads: {low: 1, high: 99}\n",
            "space.yaml",
            2,
            "too many combinations of model.d_model and model.num_heads",
        ),
    ],
)
def test_an_illegal_combination_is_shown_where_it_can_be_mended(
    tmp_path: Path, more: str, space: str, file: str, line: int, shown: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_study(write_study(tmp_path, more, space))
    assert shown in str(caught.value)
    assert caught.value.remedy
    assert caught.value.place.path.name == file
    assert caught.value.place.line == line


def random_point(space: Space, rng: random.Random) -> dict:
    def drawn(domain: Domain) -> object:
        if isinstance(domain, Choices):
            return rng.choice(domain.choices)
        return domain.nearest(rng.uniform(domain.low, domain.high))

    return {name: drawn(domain) for name, domain in space.domains.items()}


PROVED = [
    SPACE,
    """\
model.d_model: {low: 64, high: 512, step: 16}
model.num_heads: {choices: [1, 2, 4, 8]}
model.positions: {choices: [sinusoidal, rotary, learned]}
""",
    """\
model.d_k: {low: 2, high: 64, step: 2}
model.d_v: {low: 1, high: 64, log: true}
model.num_heads: {low: 1, high: 16}
model.positions: {choices: [rotary, learned]}
""",
    """\
training.warmup_steps: {low: 1, high: 999, log: true}
training.max_steps: {low: 1000, high: 5000}
training.validate_every: {choices: [50, 1000]}
data.max_length: {low: 20, high: 200}
training.batch_tokens: {low: 201, high: 9000}
""",
]


@pytest.mark.parametrize("space", PROVED)
def test_every_point_of_a_space_that_passed_the_proof_makes_a_trial(
    tmp_path: Path, space: str
) -> None:
    study = read_study(write_study(tmp_path, space=space))
    rng = random.Random(1)
    for number in range(200):
        params = random_point(study.space, rng)
        settings = flatten(study.trial_config(params, seed=number))
        assert {name: settings[name] for name in params} == params


def test_relative_paths_start_at_the_folder_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "studies"
    (folder / "data").mkdir(parents=True)
    (tmp_path / "spaces").mkdir()
    (tmp_path / "spaces" / "space.yaml").write_text(SPACE, encoding="utf-8")
    corpus = (
        "corpus: {kind: files, source_lang: en, target_lang: no,\n"
        "  train: {source: data/train.en, target: ../train.no}, validation: {table: v.csv},\n"
        f"  test: {{table: {tmp_path / 'test.jsonl'}}}}}\n"
    )
    study = folder / "study.yaml"
    study.write_text(f"name: made\nspace: ../spaces/space.yaml\n{corpus}", encoding="utf-8")
    export = folder / "best.yaml"
    export.write_text(corpus, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for read in (
        read_study(Path("studies/study.yaml")).config,
        read_study(study).config,
        read_export(Path("studies/best.yaml")),
    ):
        assert read.corpus.target_lang == "no"
        assert read.corpus.train.source == folder / "data" / "train.en"
        assert read.corpus.train.target == tmp_path / "train.no"
        assert read.corpus.validation.table == folder / "v.csv"
        assert read.corpus.validation.source is None
        assert read.corpus.test.table == tmp_path / "test.jsonl"
    assert read_study(study).config.space == tmp_path / "spaces" / "space.yaml"


def test_a_link_keeps_its_name_which_tells_the_format(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "5fa7").write_text("x")
    (tmp_path / "train.jsonl").symlink_to("blobs/5fa7")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "linked").symlink_to(tmp_path / "blobs")
    files = "train: {table: train.jsonl}, validation: {table: loop.jsonl}, test: {table: linked/a}"
    corpus = f"corpus: {{kind: files, source_lang: en, target_lang: de, {files}}}"
    read = read_export(write_export(tmp_path, corpus)).corpus
    assert read.train.table == tmp_path / "train.jsonl"
    assert read.validation.table == tmp_path / "loop.jsonl"
    assert read.test.table == tmp_path / "blobs" / "a"


def test_relative_paths_of_a_pipe_start_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read_end, write_end = os.pipe()
    os.write(write_end, STUDY.encode())
    os.close(write_end)
    study = read_study(Path(f"/dev/fd/{read_end}"))
    os.close(read_end)
    assert study.config.space == tmp_path / "space.yaml"


def test_a_hub_name_is_a_folder_only_if_there_is_one(tmp_path: Path) -> None:
    text = "corpus: {kind: hub, name: some/corpus, source_lang: en, target_lang: de, test: null}\n"
    path = write_export(tmp_path, text)
    assert read_export(path).corpus.name == "some/corpus"
    assert read_export(path).corpus.test is None
    (tmp_path / "some" / "corpus").mkdir(parents=True)
    assert read_export(path).corpus.name == str(tmp_path / "some" / "corpus")


def overridden(folder: Path, *words: str, more: str = "") -> Study:
    return read_study(write_study(folder, more), words)


def test_overrides_of_settings_go_to_what_the_study_fixes(tmp_path: Path) -> None:
    config = overridden(
        tmp_path,
        "training.max_steps=600",
        "fixed.model.d_ff=64",
        "budget.trials=3",
        "budget.hours=0.5",
        "sampler.kind=qmc",
        "objectives=[bleu, latency]",
        "corpus.seed=5",
        "training.label_smoothing=1e-2",
        more="fixed: {training.max_steps: 700, training.patience: 2}\n",
    ).config
    assert config.fixed == {
        "training.max_steps": 600,
        "training.patience": 2,
        "model.d_ff": 64,
        "training.label_smoothing": 0.01,
    }
    assert (config.budget.trials, config.budget.hours) == (3, 0.5)
    assert config.sampler.kind == "qmc"
    assert config.objectives == ("bleu", "latency")
    assert config.corpus.seed == 5


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("budget.trials", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
        ("", "KEY=VALUE"),
        ("model.=3", "KEY=VALUE"),
        ("model.d_modle=3", "mean model.d_model?"),
        ("model=3", "Write the whole path"),
        ("model.d_ff=", "is empty"),
        ("model.d_ff=big", "not a whole number"),
        ("model.d_model=64", "both fixed and searched"),
        ("training.warmup_steps=9000", "not below"),
        ("budget.trial=3", "mean budget.trials?"),
        ("budget.trials=many", "not a whole number"),
        ("name.x=3", "not a group"),
        ("seed=2020-99-99", "not a whole number"),
        ("corpus.kind=hub", "is missing"),
    ],
)
def test_a_bad_override_is_told_as_one(tmp_path: Path, word: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        overridden(tmp_path, word)
    assert words in str(caught.value)
    assert "--set" in str(caught.value) or word == "corpus.kind=hub"


def test_overrides_of_an_export_go_to_its_groups(tmp_path: Path) -> None:
    path = write_export(tmp_path)
    export = read_export(path, ["training.max_steps=900", "model.dropout=0.3", "seed=4"])
    assert (export.training.max_steps, export.model.dropout, export.seed) == (900, 0.3, 4)
    assert export.model.d_model == 64
    with pytest.raises(UserError, match=r"mean training\.max_steps"):
        read_export(path, ["training.max_step=900"])


def test_an_export_is_defaults_what_it_says_and_its_provenance(tmp_path: Path) -> None:
    export = read_export(write_export(tmp_path, EXPORT + "provenance: {study: q, trial: 3}\n"))
    expected = default_settings() | {
        "model.d_model": 64,
        "model.num_heads": 4,
        "training.max_steps": 600,
    }
    config = export.trial_config()
    assert flatten(config) == expected
    assert set(type(config).model_fields) == {"corpus", *GROUPS, "scoring", "seed"}
    assert export.provenance == {"study": "q", "trial": 3}


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("  d_model: 64", "  d_modle: 64", 3, "model.d_modle", "mean model.d_model?"),
        ("  d_model: 64", "  d_model: 65", 3, "model.d_model", "multiple of 2"),
        ("  d_model: 64", "  d_model: wide", 3, "model.d_model", "not a whole number"),
        ("  num_heads: 4", "  num_heads: 3", 4, "model.num_heads", "3 does not divide"),
        ("  max_steps: 600", "  max_steps: 300", 6, "training.max_steps", "not below"),
        ("model:", "modle:", 2, "modle", "mean model?"),
        ("corpus: {kind: synthetic}\n", "", None, "corpus", "is missing"),
    ],
)
def test_each_mistake_in_an_export_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, line: int | None, key: str, words: str
) -> None:
    path = write_export(tmp_path, EXPORT.replace(old, new))
    with pytest.raises(UserError) as caught:
        read_export(path)
    assert words in str(caught.value)
    assert caught.value.place.path == path
    assert caught.value.place.line == line
    assert caught.value.place.key == key


def test_choices_of_a_study_keep_the_order_of_the_file(tmp_path: Path) -> None:
    study = read_study(write_study(tmp_path, space="model.d_model: {choices: [128, 64]}\n"))
    assert study.space.domains["model.d_model"] == Choices(choices=(128, 64))
