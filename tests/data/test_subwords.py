import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl_tf.data.subwords import BOS, EOS, PAD, SPECIALS, UNK, Subwords
from automl_tf.data.text import HEX_DIGITS, normalize
from automl_tf.errors import UserError

KINDS = ["bpe", "unigram"]


def chinese(count: int) -> list[str]:
    rng = random.Random(3)
    words = ["".join(chr(0x4E00 + rng.randrange(900)) for _ in range(2)) for _ in range(300)]
    return ["".join(rng.choices(words, k=rng.randrange(4, 12))) + "。" for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vocab_size", [32, 100, 400, 8000])
def test_every_text_comes_back(kind: str, vocab_size: int, mixed, strange_texts) -> None:
    texts = [*mixed, "", " ", "\x00", "\ud800x", *strange_texts]
    for subwords in (
        Subwords.train(mixed, vocab_size, kind),
        Subwords.train(mixed[:300], vocab_size, kind),
    ):
        ids = subwords.encode_batch(texts)
        assert subwords.decode_batch(ids) == [normalize(text) for text in texts]
        assert all(len(SPECIALS) <= i < len(subwords) for sentence in ids for i in sentence)
        assert len(subwords) <= vocab_size


@pytest.mark.parametrize("kind", KINDS)
def test_special_symbols_have_their_ids_and_are_not_decoded(kind: str, mixed) -> None:
    subwords = Subwords.train(mixed, 300, kind)
    assert subwords.pieces[: len(SPECIALS)] == SPECIALS
    assert tuple(range(len(SPECIALS))) == (PAD, BOS, EOS, UNK)
    (ids,) = subwords.encode_batch(["the dog"])
    assert subwords.decode_batch([[BOS, *ids, EOS, PAD, UNK]]) == ["the dog"]


@pytest.mark.parametrize("kind", KINDS)
def test_more_subwords_shorten_the_text(kind: str, mixed) -> None:
    lengths = [
        sum(map(len, Subwords.train(mixed, size, kind).encode_batch(mixed)))
        for size in (40, 80, 160, 320)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.9 * lengths[0]


@pytest.mark.parametrize("kind", KINDS)
def test_text_without_spaces_is_compressed(kind: str) -> None:
    text = chinese(500)
    subwords = Subwords.train(text, 1500, kind)
    ids = subwords.encode_batch(text)
    assert subwords.decode_batch(ids) == text
    assert sum(map(len, ids)) < 0.75 * sum(map(len, text))
    assert max(map(len, subwords.pieces)) <= 16


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_in_every_process(kind: str, mixed) -> None:
    program = (
        "import sys, json\n"
        "from automl_tf.data.subwords import Subwords\n"
        "from pathlib import Path\n"
        f"Subwords.train(json.load(sys.stdin), 400, {kind!r}).save(Path(sys.argv[1]))\n"
    )
    text = json.dumps(mixed + chinese(100))
    saved = [
        subprocess.run(
            [sys.executable, "-c", program, "/dev/stdout"],
            input=text,
            capture_output=True,
            check=True,
            text=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for _ in range(2)
    ]
    assert saved[0] == saved[1]


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_come_first_and_keep_their_meaning(kind: str, mixed) -> None:
    subwords = Subwords.train(mixed, 300, kind)
    before = subwords.encode_batch(mixed)
    used = np.unique(np.concatenate([np.array(ids) for ids in before[:200]]))
    renumbered, new_ids = subwords.with_outputs_first(used)
    assert renumbered.num_outputs == len(SPECIALS) + len(used)
    assert sorted(new_ids) == list(range(len(subwords)))
    after = renumbered.encode_batch(mixed)
    assert after == [new_ids[np.array(ids)].tolist() for ids in before]
    assert max(max(ids) for ids in after[:200]) < renumbered.num_outputs
    assert renumbered.decode_batch(after) == [normalize(text) for text in mixed]


@pytest.mark.parametrize("kind", KINDS)
def test_saving_and_loading(kind: str, tmp_path: Path, mixed) -> None:
    subwords, _ = Subwords.train(mixed, 300, kind).with_outputs_first(np.array([7, 9, 30]))
    subwords.save(tmp_path / "subwords.json")
    loaded = Subwords.load(tmp_path / "subwords.json")
    assert loaded.pieces == subwords.pieces
    assert loaded.num_outputs == subwords.num_outputs
    texts = [*mixed, "neu: 新しい"]
    assert loaded.encode_batch(texts) == subwords.encode_batch(texts)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"format": 1, "num_outputs": 3}'])
def test_a_file_that_holds_no_subwords(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "subwords.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=r"subwords\.json"):
        Subwords.load(path)


def test_a_file_of_another_format(tmp_path: Path, mixed) -> None:
    path = tmp_path / "subwords.json"
    Subwords.train(mixed, 100, "bpe").save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))
    with pytest.raises(UserError, match="format 0"):
        Subwords.load(path)


def test_digits_of_spelled_characters_are_always_there() -> None:
    assert set(HEX_DIGITS) < set(Subwords.train(["a a"], 32, "unigram").pieces)
