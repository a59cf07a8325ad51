import os
import threading
from pathlib import Path

import pytest

from automl_tf.config.files import read_study
from automl_tf.search.inputs import StudyInputs, keep_inputs

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "studies").glob("*.yaml"))


def piped(text: str) -> Path:
    """An open pipe of this process, as shells make of ``<(command)``."""
    read_end, write_end = os.pipe()
    os.write(write_end, text.encode())
    os.close(write_end)
    return Path(f"/dev/fd/{read_end}")


def read(file: Path, overrides: list[str]) -> StudyInputs:
    return StudyInputs(read_study(file, overrides), file, overrides)


@pytest.mark.parametrize("study", SHIPPED, ids=lambda path: path.stem)
def test_workers_read_the_same_study_as_was_read_from_pipes(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    overrides = ["budget.trials=3", "training.batch_tokens=512"]
    space = read_study(study).config.space
    pipes = piped(study.read_text()), piped(space.read_text())
    found = read(pipes[0], [*overrides, f"space={pipes[1]}"])
    kept = keep_inputs(found, tmp_path)
    again = read_study(kept.file, kept.overrides)
    assert again == kept.study
    assert again.space == found.study.space
    assert again.config.model_copy(update={"space": space}) == read_study(study, overrides).config


def test_files_are_read_where_they_are(tmp_path: Path) -> None:
    found = read(SHIPPED[0], ["budget.trials=3"])
    assert keep_inputs(found, tmp_path) is found
    assert not list(tmp_path.iterdir())


def test_a_corpus_from_a_pipe_is_kept_for_the_workers(tmp_path: Path) -> None:
    lines = {"source": "a dog\n", "target": "ein Hund\n"}
    for name, text in lines.items():
        os.mkfifo(tmp_path / name)
        thread = threading.Thread(target=(tmp_path / name).write_text, args=(text,), daemon=True)
        thread.start()
    (tmp_path / "space.yaml").write_text("model.d_model: {choices: [64, 128]}\n")
    files = "{source: source, target: target}"
    (tmp_path / "study.yaml").write_text(
        "name: made\nspace: space.yaml\ncorpus: {kind: files, source_lang: en, target_lang: de,\n"
        f"  train: {files}, validation: {files}}}\n"
    )
    kept = keep_inputs(read(tmp_path / "study.yaml", ["seed=7"]), tmp_path / "home")
    again = read_study(kept.file, kept.overrides)
    assert again == kept.study
    assert again.config.seed == 7
    for split in (again.config.corpus.train, again.config.corpus.validation):
        assert {name: getattr(split, name).read_text() for name in lines} == lines
