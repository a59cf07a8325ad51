from pathlib import Path

import numpy as np
import pytest

from automl_tf.data.encoded import (
    Encoder,
    SplitWriter,
    known_outputs,
    read_evaluation_split,
    read_split,
    text_path,
)
from automl_tf.data.pairs import write_pairs
from automl_tf.data.subwords import EOS, UNK, Subwords

SENTENCES = [[5, 6, 7], [], [8], [9, 10], [11, 12, 13, 14]]


@pytest.mark.parametrize("indices", [[], [0], [4, 0, 0, 1], [1, 1], [0, 1, 2, 3, 4]])
def test_take(indices: list[int], ragged, lists) -> None:
    taken = ragged(SENTENCES).take(np.array(indices, dtype=np.int64))
    assert lists(taken) == [SENTENCES[index] for index in indices]
    assert taken.lengths.tolist() == [len(SENTENCES[index]) for index in indices]


@pytest.mark.parametrize("longest", [1, 2, 10])
def test_cut(longest: int, ragged, lists) -> None:
    assert lists(ragged(SENTENCES).cut(longest)) == [s[:longest] for s in SENTENCES]


def test_renumbering_and_unknown_outputs(ragged, lists) -> None:
    sentences = ragged(SENTENCES)
    shifted = sentences.renumbered(np.arange(1, 20, dtype=np.int32))
    assert lists(shifted) == [[i + 1 for i in s] for s in SENTENCES]
    expected = [[i if i < 9 else UNK for i in s] for s in SENTENCES]
    assert lists(known_outputs(sentences, 9)) == expected


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_encoding_by_words_equals_encoding_whole_sentences(
    kind, monkeypatch: pytest.MonkeyPatch, mixed, strange_texts, lists
) -> None:
    subwords = Subwords.train(mixed, 300, kind)
    texts = [*mixed, *strange_texts, "", "  ", "a  b"]
    expected = subwords.encode_batch(texts)
    encoder = Encoder(subwords)
    assert lists(encoder(texts)) == expected
    # With all words known, and with a memory that is emptied again and again.
    assert lists(encoder(texts)) == expected
    monkeypatch.setattr("automl_tf.data.encoded._MOST_WORDS", 50)
    assert [ids for text in texts for ids in lists(encoder([text]))] == expected
    assert len(encoder([])) == 0


def test_writing_and_mapping(tmp_path: Path, ragged, lists) -> None:
    texts = ["a", "", "ü", "d\u2028", "e"]
    with SplitWriter(tmp_path, "train") as writer:
        writer.write(ragged(SENTENCES[:2]), ragged(SENTENCES[::-1][:2]))
        writer.write(ragged(SENTENCES[2:]), ragged(SENTENCES[::-1][2:]))
    write_pairs(text_path(tmp_path, "train"), list(zip(texts, texts[::-1], strict=True)))
    read = read_evaluation_split(tmp_path, "train")
    assert (lists(read.source), lists(read.target)) == (SENTENCES, SENTENCES[::-1])
    assert (read.source_text, read.target_text) == (texts, texts[::-1])
    assert read.sources() == [[*sentence, EOS] for sentence in SENTENCES]
    mapped = read_split(tmp_path, "train")
    assert len(mapped) == len(SENTENCES)
    assert lists(mapped.target) == SENTENCES[::-1]
    # Views of the mapped file own no memory.
    assert not mapped.source.ids.flags.owndata
    assert not mapped.source.offsets.flags.owndata


def test_renumbering_what_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ragged, lists
) -> None:
    monkeypatch.setattr("automl_tf.data.encoded._RENUMBERED_AT_ONCE", 3)
    with SplitWriter(tmp_path, "train") as writer:
        writer.write(ragged(SENTENCES), ragged(SENTENCES))
        writer.renumber("target", np.arange(100, 120, dtype=np.int32))
    read = read_split(tmp_path, "train")
    assert lists(read.source) == SENTENCES
    assert lists(read.target) == [[i + 100 for i in s] for s in SENTENCES]


def test_sentences_without_a_single_subword(tmp_path: Path, ragged, lists) -> None:
    with SplitWriter(tmp_path, "test") as writer:
        writer.write(ragged([[], []]), ragged([[], [3]]))
    read = read_split(tmp_path, "test")
    assert (lists(read.source), lists(read.target)) == ([[], []], [[], [3]])
