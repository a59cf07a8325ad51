import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from automl_tf.data import fingerprints
from automl_tf.data.corpora import corpus_fingerprint, load_corpus
from automl_tf.errors import Place, UserError
from tests.data.hub_server import hub_of

ROOT = Path(__file__).parents[2]


def write(path: Path, made: list[tuple[str, str]], *, nested: bool = False) -> None:
    named = [{"en": source, "de": target} for source, target in made]
    lines = [json.dumps({"translation": row} if nested else row) for row in named]
    path.write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path, pairs) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    write(folder / "train.jsonl", pairs(30))
    write(folder / "validation.jsonl", pairs(5, 100))
    return folder


@pytest.mark.parametrize("nested", [True, False])
def test_a_local_folder(
    *, nested: bool, folder: Path, tmp_path: Path, pairs, configured, rows
) -> None:
    write(folder / "train.jsonl", pairs(30), nested=nested)
    write(folder / "validation.jsonl", pairs(5, 100), nested=nested)
    config = configured(kind="hub", name=str(folder), test=None, train="train[:10]")
    cache = tmp_path / "cache"
    assert rows(load_corpus(config, cache)) == [pairs(10), pairs(5, 100)]
    write(folder / "train.jsonl", pairs(30, 50), nested=nested)
    assert rows(load_corpus(config, cache))[0] == pairs(10, 50)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, 'Split test of .* Unknown split "test"'),
        ({"test": None, "train": "trian"}, 'Unknown split "trian"'),
        ({"test": None, "train": "train[:x]"}, r"Split train\[:x\]"),
        ({"test": None, "subset": "other"}, "other"),
        ({"test": None, "source_column": "eng"}, "no column eng; the columns are en, de"),
    ],
)
def test_what_a_dataset_does_not_have(
    settings: dict[str, Any], message: str, folder: Path, tmp_path: Path, capfd: Any, configured
) -> None:
    config = configured(kind="hub", name=str(folder), **settings)
    with pytest.raises(UserError, match=message):
        load_corpus(config, tmp_path / "cache")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("train", "wanted"),
    [
        ("train[:20%]", slice(0, 12)),
        ("train[-7:]", slice(53, 60)),
        ("train[25:35]", slice(25, 35)),
        ("train[:10]+train[50:]", [*range(10), *range(50, 60)]),
    ],
)
def test_slices_of_several_files(
    train: str, wanted: slice | list[int], tmp_path: Path, pairs, configured, rows
) -> None:
    made = pairs(60)
    data = tmp_path / "dataset" / "data"
    data.mkdir(parents=True)
    for shard in range(3):
        name = data / f"train-{shard}.jsonl"
        write(name, made[20 * shard : 20 * shard + 20])
    write(data / "test.jsonl", pairs(5, 100))
    config = configured(
        kind="hub", name=str(data.parent), train=train, validation="test", test=None
    )
    expected = made[wanted] if isinstance(wanted, slice) else [made[i] for i in wanted]
    assert rows(load_corpus(config, tmp_path)) == [expected, pairs(5, 100)]


def test_an_empty_slice(folder: Path, tmp_path: Path, configured) -> None:
    config = configured(kind="hub", name=str(folder), test=None, train="train[30:]")
    with pytest.raises(UserError, match=r"Split train\[30:\] of .* has no rows"):
        load_corpus(config, tmp_path / "cache")


@pytest.mark.parametrize("name", ["[v2] data", "50% #1?", "a*b", "data::x", "ünï code", "{a,b}"])
def test_folders_of_any_name_behind_links(
    name: str, folder: Path, tmp_path: Path, pairs, configured, rows, monkeypatch
) -> None:
    monkeypatch.setattr(fingerprints, "RACY_SECONDS", -1.0)
    odd, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    odd.mkdir()
    elsewhere.mkdir()
    blob = folder / "5fa7"
    (folder / "train.jsonl").rename(blob)
    (elsewhere / "train.JSONL").symlink_to(blob)
    (elsewhere / "back").symlink_to(odd)
    (odd / "data").symlink_to(elsewhere)
    (odd / "validation.jsonl").symlink_to(folder / "validation.jsonl")
    config = configured(kind="hub", name=str(odd), test=None)
    cache = odd / "cache"
    assert rows(load_corpus(config, cache)) == [pairs(30), pairs(5, 100)]
    before = corpus_fingerprint(config, cache)
    write(blob, pairs(30, 50))
    assert corpus_fingerprint(config, cache) != before


def test_words_that_others_take_for_nulls_and_numbers(
    folder: Path, tmp_path: Path, configured, rows
) -> None:
    words = [("NA", "null"), ("None", "nan"), ("7", "1e5"), ("true", "2024-01-01")]
    for path in folder.iterdir():
        path.unlink()
    for split in ("train", "validation"):
        text = "".join(f"{one},{other}\n" for one, other in [("en", "de"), *words])
        (folder / f"{split}.csv").write_text(text)
    config = configured(kind="hub", name=str(folder), test=None)
    assert rows(load_corpus(config, tmp_path)) == [words, words]


def test_a_folder_of_save_to_disk(tmp_path: Path, pairs, configured, rows) -> None:
    saved = {
        split: Dataset.from_list([{"translation": {"en": one, "de": other}} for one, other in made])
        for split, made in (("train", pairs(30)), ("validation", pairs(5, 100)))
    }
    DatasetDict(saved).save_to_disk(tmp_path / "saved")
    config = configured(kind="hub", name=str(tmp_path / "saved"), test=None)
    assert rows(load_corpus(config, tmp_path / "cache")) == [pairs(30), pairs(5, 100)]


def test_files_that_only_the_library_reads(
    folder: Path, tmp_path: Path, pairs, configured, rows
) -> None:
    """Here: a table without names of columns, which the dataset's card gives."""
    for path in folder.iterdir():
        path.unlink()
    for split, made in (("train", pairs(30)), ("validation", pairs(5, 100))):
        text = "".join(f"{one}\t{other}\n" for one, other in made)
        (folder / f"{split}.csv").write_text(text)
    options = 'column_names: ["en", "de"]\n  sep: "\\t"'
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  {options}\n---\nText.\n"
    )
    config = configured(kind="hub", name=str(folder), test=None)
    assert rows(load_corpus(config, tmp_path / "[v2]")) == [pairs(30), pairs(5, 100)]


def test_a_bad_row_of_a_folder_is_told_with_its_file(
    folder: Path, tmp_path: Path, configured
) -> None:
    with (folder / "validation.jsonl").open("a") as file:
        file.write('\n{"en": 7, "de": "b"}')
    config = configured(kind="hub", name=str(folder), test=None)
    with pytest.raises(UserError, match="Row 6 of column en is 7, not text") as error:
        load_corpus(config, tmp_path / "cache")
    place = Place(folder / "validation.jsonl", 6, "corpus.validation")
    assert error.value.place == place


@pytest.mark.parametrize("name", ["/no/such/folder", "a/b/c", "./here"])
def test_a_name_that_is_neither_folder_nor_dataset(name: str, tmp_path: Path, configured) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        load_corpus(configured(kind="hub", name=name), tmp_path)


def test_a_file_is_no_dataset(folder: Path, tmp_path: Path, configured) -> None:
    config = configured(kind="hub", name=str(folder / "train.jsonl"), test=None)
    with pytest.raises(UserError, match="is a file, not a dataset"):
        load_corpus(config, tmp_path)


# The Hub's client reads its environment when it is imported.
PROGRAM = """
import sys
from pathlib import Path
from automl_tf.config.settings import HubCorpus
from automl_tf.data.corpora import load_corpus
from automl_tf.errors import UserError
languages = {"source_lang": "en", "target_lang": "de"}
try:
    config = HubCorpus(kind="hub", name=sys.argv[1], test=None, train="train[:3]", **languages)
    print(load_corpus(config, Path(sys.argv[2])).fingerprint)
except UserError as error:
    print(error)
"""


def read_elsewhere(name: str, tmp_path: Path, **environment: str) -> str:
    """The fingerprint of a dataset, or the error, in a process with its own environment."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), **environment},
    )
    assert done.stderr == ""
    assert list(home.iterdir()) == []
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "The Hub does not answer"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids"),
    ],
)
def test_a_hub_that_cannot_be_reached(
    environment: dict[str, str], message: str, tmp_path: Path
) -> None:
    assert message in read_elsewhere("some/corpus", tmp_path, **environment)


def test_a_dataset_of_the_hub_gives_the_same_text_as_its_folder(
    folder: Path, tmp_path: Path, configured
) -> None:
    rows = ["en,de", '"NA\r",null', "7,1e5", '"a,b",c', "left,out"]
    (folder / "train.jsonl").unlink()
    (folder / "train.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    (folder / "validation.jsonl").unlink()
    (folder / "validation.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    config = configured(kind="hub", name=str(folder), test=None, train="train[:3]")
    expected = load_corpus(config, tmp_path / "other").fingerprint
    with hub_of(folder) as endpoint:
        assert read_elsewhere("me/made", tmp_path, HF_ENDPOINT=endpoint) == expected
