import hashlib
import os
import shutil
import struct
from pathlib import Path

import pytest

from automl_tf.config.settings import SplitFiles
from automl_tf.data import fingerprints
from automl_tf.data.corpora import corpus_fingerprint, load_corpus, read_pair
from automl_tf.errors import UserError


def test_line_files(corpus, pairs, rows) -> None:
    loaded = load_corpus(corpus.config().corpus, corpus.cache)
    assert rows(loaded) == [pairs(300), pairs(20, 1000), pairs(10, 2000)]
    assert (loaded.source_lang, loaded.target_lang) == ("en", "de")
    without = load_corpus(corpus.config(test=False).corpus, corpus.cache)
    assert without.test is None
    assert without.fingerprint != loaded.fingerprint


def test_the_fingerprint_is_that_of_the_text(corpus, tmp_path: Path, pairs) -> None:
    fingerprint = load_corpus(corpus.config().corpus, corpus.cache).fingerprint
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("*.gz"):
        shutil.copy(path, copy)
    moved = type(corpus)(copy)
    assert load_corpus(moved.config().corpus, moved.cache).fingerprint == fingerprint
    for split in ("train", "validation", "test"):
        changed = pairs(10, 3000)
        moved.write(split, changed)
        one = load_corpus(moved.config().corpus, moved.cache).fingerprint
        # The same letters, divided differently between the sides of a pair.
        source, target = changed[-1]
        moved.write(split, [*changed[:-1], (source[:-1], source[-1] + target)])
        other = load_corpus(moved.config().corpus, moved.cache).fingerprint
        assert len({fingerprint, one, other}) == 3
        fingerprint = other


def test_the_fingerprint_is_that_of_the_plain_definition(corpus, monkeypatch, rows) -> None:
    """Studies and exports hold fingerprints: another way to compute them may not change them."""
    corpus.write("test", [("", "ü"), ("a\u2028", ""), ("b", "c")])
    for pairs_in_a_chunk in (10_000, 7):
        monkeypatch.setattr("automl_tf.data.pairs.CHUNK_PAIRS", pairs_in_a_chunk)
        loaded = load_corpus(corpus.config().corpus, corpus.cache)
        expected = hashlib.sha256()
        for name, split in zip(("train", "validation", "test"), rows(loaded), strict=True):
            expected.update(f"{name}:{len(split)};".encode())
            for start in range(0, len(split), pairs_in_a_chunk):
                for texts in zip(*split[start : start + pairs_in_a_chunk], strict=True):
                    data = [text.encode() for text in texts]
                    expected.update(struct.pack(f"<{len(data)}q", *map(len, data)))
                    expected.update(b"".join(data))
        assert loaded.fingerprint == expected.hexdigest()


def test_the_text_lies_in_files_without_a_name(corpus) -> None:
    loaded = load_corpus(corpus.config().corpus, corpus.cache)
    assert not list(corpus.cache.rglob("*"))
    assert len(loaded.train.sources()) == 300


def test_a_changed_file_changes_the_fingerprint(
    corpus, monkeypatch: pytest.MonkeyPatch, pairs
) -> None:
    monkeypatch.setattr(fingerprints, "RACY_SECONDS", -1.0)
    config = corpus.config().corpus
    before = corpus_fingerprint(config, corpus.cache)
    path = corpus.files("train")["source"]
    times = path.stat()
    # The same size under the same time of modification.
    content = bytearray(path.read_bytes())
    replaced = path.with_suffix(".new")
    replaced.write_bytes(content)
    corpus.write("train", [(f"THE{source[3:]}", target) for source, target in pairs(300)])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert corpus_fingerprint(config, corpus.cache) != before
    replaced.replace(path)
    assert corpus_fingerprint(config, corpus.cache) == before


def test_an_unchanged_file_is_not_read_again(corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "RACY_SECONDS", -1.0)
    config = corpus.config().corpus
    fingerprint = corpus_fingerprint(config, corpus.cache)
    (note,) = (corpus.cache / "fingerprints").iterdir()
    note.write_text("0" * 64)
    assert corpus_fingerprint(config, corpus.cache) == "0" * 64
    note.write_text("half")
    assert corpus_fingerprint(config, corpus.cache) == fingerprint


def test_files_that_have_just_been_touched_are_not_trusted(corpus) -> None:
    corpus_fingerprint(corpus.config().corpus, corpus.cache)
    assert not (corpus.cache / "fingerprints").exists()


@pytest.mark.parametrize(("side", "split"), [("source", "train"), ("target", "validation")])
def test_a_side_without_text(side: str, split: str, corpus) -> None:
    blank = [(" ", "text") if side == "source" else ("text", "\u3000")] * 3
    corpus.write(split, blank)
    with pytest.raises(UserError, match=f"The {side} of the {split} split has no text") as error:
        load_corpus(corpus.config().corpus, corpus.cache)
    assert error.value.place is not None
    assert error.value.place.key == f"corpus.{split}"


def test_the_key_of_a_bad_file_is_told(corpus) -> None:
    corpus.files("test")["target"].unlink()
    with pytest.raises(UserError, match=r"corpus\.test\.target"):
        load_corpus(corpus.config().corpus, corpus.cache)


def test_tables_as_splits(corpus, tmp_path: Path, pairs, configured, rows) -> None:
    table = tmp_path / "train.csv"
    table.write_text("src,tgt\n" + "".join(f"{s},{t}\n" for s, t in pairs(30)))
    config = configured(
        kind="files",
        train={"table": table},
        validation=corpus.files("validation"),
        source_column="src",
        target_column="tgt",
    )
    assert rows(load_corpus(config, corpus.cache)) == [pairs(30), pairs(20, 1000)]


def test_the_built_in_corpus_in_both_directions(tmp_path: Path, configured, rows) -> None:
    sizes = {"kind": "synthetic", "train_pairs": 100, "validation_pairs": 10, "test_pairs": 10}
    forward = load_corpus(configured(**sizes), tmp_path)
    config = configured(**sizes, source_lang="de", target_lang="en")
    backward = load_corpus(config, tmp_path)
    assert [len(split) for split in rows(forward)] == [100, 10, 10]
    assert rows(backward) == [[(t, s) for s, t in split] for split in rows(forward)]


@pytest.mark.parametrize("languages", [("en", "fr"), ("en", "en"), ("fr", "de")])
def test_the_built_in_corpus_has_two_languages(
    languages: tuple[str, str], tmp_path: Path, configured
) -> None:
    source, target = languages
    config = configured(kind="synthetic", source_lang=source, target_lang=target)
    with pytest.raises(UserError, match="English and German"):
        load_corpus(config, tmp_path)


def test_two_files_beside_any_corpus(corpus, pairs) -> None:
    sources, references = read_pair(SplitFiles(**corpus.files("test")))
    assert list(zip(sources, references, strict=True)) == pairs(10, 2000)
