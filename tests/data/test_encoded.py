from pathlib import Path

import numpy as np
import pytest

from automl_tf.data.encoded import (
    EvaluationSplit,
    encode,
    known_outputs,
    read_evaluation_split,
    read_training_split,
    write_split,
)
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


def test_encoding_in_pieces(monkeypatch: pytest.MonkeyPatch, pairs, lists) -> None:
    monkeypatch.setattr("automl_tf.data.encoded._ENCODED_AT_ONCE", 7)
    texts = [source for source, _ in pairs(40)]
    subwords = Subwords.train(texts, 100, "bpe")
    assert lists(encode(subwords, texts)) == subwords.encode_batch(texts)
    assert len(encode(subwords, [])) == 0


def test_writing_and_mapping(tmp_path: Path, ragged, lists) -> None:
    path = tmp_path / "split.arrow"
    texts = ["a", "", "ü", "d\u2028", "e"]
    split = EvaluationSplit(ragged(SENTENCES), ragged(SENTENCES[::-1]), texts, texts[::-1])
    write_split(path, split)
    read = read_evaluation_split(path)
    assert (lists(read.source), lists(read.target)) == (SENTENCES, SENTENCES[::-1])
    assert (read.source_text, read.target_text) == (texts, texts[::-1])
    assert read.sources() == [[*sentence, EOS] for sentence in SENTENCES]
    mapped = read_training_split(path)
    assert len(mapped) == len(SENTENCES)
    assert lists(mapped.target) == SENTENCES[::-1]
    # Views of the mapped file own no memory.
    assert not mapped.source.ids.flags.owndata
    assert not mapped.source.offsets.flags.owndata
