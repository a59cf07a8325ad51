"""Parts of long input: nothing lost, nothing twice, everything fits."""

import random

import pytest

from automl_tf.data.parts import join_parts, split_to_fit
from automl_tf.data.subwords import Subwords
from automl_tf.data.text import read_spelling

ALPHABETS = (
    "abc .!?,;:'\"()-–0123456789",
    "我们在家。！？，、「」ab .",
    "αβγ ;.·»«",
    "कखग। ॥,",
    "ابت ؟،.",
    "กขค งจ",
    "😀👩‍👩‍👧é \u0301",
    "x",
)


def _text(rng: random.Random, length: int) -> str:
    alphabet = rng.choice(ALPHABETS)
    return "".join(rng.choice(alphabet) for _ in range(length))


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def subwords(request: pytest.FixtureRequest) -> Subwords:
    rng = random.Random(1)
    texts = [_text(rng, 60) for _ in range(400)] + ["one two. three, four! five six?"] * 20
    return Subwords.train(texts, 300, request.param)


def test_each_subword_is_in_exactly_one_part(subwords: Subwords) -> None:
    rng = random.Random(2)
    for _ in range(300):
        longest = rng.choice((1, 2, 5, 16, 40))
        (ids,) = subwords.encode_batch([_text(rng, rng.randrange(200))])
        parts = list(split_to_fit(ids, subwords.pieces, longest))
        assert [number for part in parts for number in part] == ids
        assert all(len(part) <= longest for part in parts)
        assert ids == [] or all(parts)
        assert (len(parts) == 1) == (len(ids) <= longest)


def _split(subwords: Subwords, text: str, longest: int) -> list[str]:
    (ids,) = subwords.encode_batch([text])
    parts = split_to_fit(ids, subwords.pieces, longest)
    return [read_spelling("".join(subwords.pieces[number] for number in part)) for part in parts]


def _length(subwords: Subwords, text: str) -> int:
    return len(subwords.encode_batch([text])[0])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two. three, four! five six?", ["one two. three, four!", "five six?"]),
        ("one 2.5, two three four", ["one 2.5,", "two three four"]),
        ("one two (three.) four five", ["one two (three.)", "four five"]),
        ('one "two!" three, four five', ['one "two!"', "three, four five"]),
        ("one two, three four five six", ["one two,", "three four five six"]),
        ("one two three four, five", ["one two three", "four, five"]),
        ("我们在家。我们在，我们", ["我们在家。", "我们在，我们"]),
        ("我们「在家。」我们在，我", ["我们「在家。」", "我们在，我"]),
        ("कखग। कख, कख", ["कखग।", "कख, कख"]),
    ],
)
def test_parts_end_at_the_best_place(subwords: Subwords, text: str, parts: list[str]) -> None:
    # The first part and the next subword fit: only the place decides.
    longest = max(*(_length(subwords, part) for part in parts), _length(subwords, parts[0]) + 1)
    assert longest < _length(subwords, text)
    assert _split(subwords, text, longest) == parts


def test_a_character_is_not_divided_where_it_can_be_helped(subwords: Subwords) -> None:
    texts = _split(subwords, "ab" * 20 + "ሀ" + "ab" * 20, 12)
    assert "".join(texts) == "ab" * 20 + "ሀ" + "ab" * 20


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([], ""),
        (["", ""], ""),
        (["Eins.", "", "Zwei."], "Eins. Zwei."),
        (["我们在家。", "我们"], "我们在家。我们"),
        (["ข้าว", "น้ำ"], "ข้าวน้ำ"),
        (["한국어.", "우리"], "한국어. 우리"),
    ],
)
def test_parts_are_joined_as_their_script_is_written(parts: list[str], joined: str) -> None:
    assert join_parts(parts) == joined
