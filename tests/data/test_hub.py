import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automl_tf.data.corpora import load_corpus
from automl_tf.errors import UserError

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


@pytest.mark.parametrize("name", ["/no/such/folder", "a/b/c", "./here"])
def test_a_name_that_is_neither_folder_nor_dataset(name: str, tmp_path: Path, configured) -> None:
    with pytest.raises(UserError, match="There is no folder"):
        load_corpus(configured(kind="hub", name=name), tmp_path)


# The Hub's client reads its environment when it is imported.
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
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from automl_tf.config.settings import HubCorpus\n"
        "from automl_tf.data.corpora import load_corpus\n"
        "from automl_tf.errors import UserError\n"
        "config = HubCorpus(kind='hub', name='some/corpus', source_lang='en', target_lang='de')\n"
        "try:\n"
        "    load_corpus(config, Path(sys.argv[1]))\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), **environment},
    )
    assert message in done.stdout
    assert done.stderr == ""
    assert list(home.iterdir()) == []
