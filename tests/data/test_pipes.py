import gzip
import os
import threading
from pathlib import Path

import pytest

from automl_tf.config.base import is_pipe
from automl_tf.data.corpora import corpus_fingerprint, load_corpus
from automl_tf.data.pipes import keep_pipes


def written(pipe: Path, content: bytes) -> Path:
    """A named pipe into which something is written once."""
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    return pipe


def test_a_corpus_from_pipes_is_read_once_and_kept(
    corpus, tmp_path: Path, pairs, configured, rows
) -> None:
    made = pairs(300)
    text = "".join(f"{source}\n" for source, _ in made).encode()
    table = "".join(f"{one}\t{other}\n" for one, other in [("en", "de"), *pairs(20, 1000)])
    read_end, write_end = os.pipe()
    os.write(write_end, table.encode())
    os.close(write_end)
    settings = {
        "train": {
            "source": written(tmp_path / "source", gzip.compress(text)),
            "target": corpus.files("train")["target"],
        },
        "validation": {"table": Path(f"/dev/fd/{read_end}")},
        "test": corpus.files("test"),
    }
    kept = keep_pipes(configured(kind="files", **settings), corpus.cache)
    os.close(read_end)
    for _ in range(2):
        loaded = load_corpus(kept, corpus.cache)
        assert rows(loaded) == [made, pairs(20, 1000), pairs(10, 2000)]
        assert corpus_fingerprint(kept, corpus.cache) == loaded.fingerprint
    assert kept.test == configured(kind="files", **settings).test
    assert len(list((corpus.cache / "piped").iterdir())) == 2


def test_one_pipe_for_two_settings_is_read_once(tmp_path: Path, corpus, configured) -> None:
    pipe = written(tmp_path / "table.jsonl", b'{"en": "a", "de": "b"}\n')
    config = configured(kind="files", train={"table": pipe}, validation={"table": pipe})
    kept = keep_pipes(config, corpus.cache)
    assert kept.train == kept.validation
    assert len(load_corpus(kept, corpus.cache).train) == 1


def test_a_corpus_of_files_stays_as_it_is(corpus, configured) -> None:
    config = corpus.config().corpus
    assert keep_pipes(config, corpus.cache) is config
    assert not corpus.cache.exists()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("file", False),
        ("link", False),
        ("folder", False),
        ("missing", False),
        ("pipe", True),
        ("link to pipe", True),
        ("/dev/fd/0", True),
        ("/dev/stdin", True),
        ("/proc/self/fd/0", True),
    ],
)
def test_what_is_a_pipe(path: str, *, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link to pipe").symlink_to(tmp_path / "pipe")
    assert is_pipe(tmp_path / path) is expected
