"""Our scores against sacrebleu's own command on the same files."""

import json
import math
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from automl_tf.scoring.scores import Scorer, bleu_tokenizer

RESAMPLES = 200
PUNCTUATION = (".", ",", "!", "?", " (5.5 %)", " -- it's", ' "so"', "")
ALPHABETS = {
    "de": ["Straße", "Haus", "Mann", "läuft", "schnell", "nicht", "3.5", "U.S.", "grün", "und"],
    "zh": ["我", "昨天", "买", "了", "三", "本", "书", "iPhone", "好", "的"],
    "ja": ["私は", "昨日", "本を", "買い", "ました", "東京", "で", "カメラ", "赤い", "二つ"],
}


def made_pairs(language: str, count: int = 60) -> tuple[list[str], list[str]]:
    """References, and hypotheses that share some of their words."""
    rng = random.Random(language)
    words = ALPHABETS[language]
    between = " " if language == "de" else ""
    references, hypotheses = [], []
    for _ in range(count):
        reference = [rng.choice(words) for _ in range(rng.randint(3, 12))]
        hypothesis = [word for word in reference if rng.random() < 0.8]
        hypothesis += [rng.choice(words) for _ in range(rng.randint(0, 2))]
        end = rng.choice(PUNCTUATION)
        references.append(between.join(reference) + end)
        hypotheses.append(between.join(hypothesis) + end)
    return references, hypotheses


def command(
    folder: Path, references: list[str], hypotheses: list[str], tokenizer: str, *, bootstrap: bool
) -> dict[str, dict]:
    """What the command says of BLEU and chrF, by metric."""
    for name, lines in (("ref.txt", references), ("hyp.txt", hypotheses)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    words = [sys.executable, "-m", "sacrebleu", "ref.txt", "-i", "hyp.txt", "-m", "bleu", "chrf"]
    words += ["--tokenize", tokenizer, "--format", "json", "-w", "10"]
    words += ["--confidence", "--confidence-n", str(RESAMPLES)] if bootstrap else []
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return {score["name"]: score for score in told}


@pytest.mark.parametrize(("language", "tokenizer"), [("de", "13a"), ("zh", "zh"), ("ja", "char")])
def test_scores_intervals_and_signatures_are_those_of_the_command(
    tmp_path: Path, language: str, tokenizer: str
) -> None:
    references, hypotheses = made_pairs(language)
    told = command(tmp_path, references, hypotheses, tokenizer, bootstrap=True)
    scorer = Scorer(references, language)
    evaluation = scorer.evaluate(hypotheses, RESAMPLES)
    close = {"rel": 1e-9, "abs": 1e-9}
    assert 5 < evaluation.scores.bleu < 95
    assert evaluation.scores.bleu == pytest.approx(told["BLEU"]["score"], **close)
    assert evaluation.scores.chrf == pytest.approx(told["chrF2"]["score"], **close)
    assert evaluation.bleu_interval == pytest.approx(told["BLEU"]["confidence_var"], **close)
    assert evaluation.chrf_interval == pytest.approx(told["chrF2"]["confidence_var"], **close)
    assert evaluation.bleu_signature == told["BLEU"]["signature"]
    assert evaluation.chrf_signature == told["chrF2"]["signature"]
    assert f"tok:{tokenizer}" in evaluation.bleu_signature
    assert evaluation.num_sentences == len(references)
    scores = scorer.score(hypotheses)
    assert scores.bleu == pytest.approx(evaluation.scores.bleu, rel=1e-12)
    assert scores.chrf == evaluation.scores.chrf


@pytest.mark.parametrize("kind", ["empty", "foreign", "perfect", "some empty"])
def test_extremes_score_as_the_command_scores_them(tmp_path: Path, kind: str) -> None:
    references, hypotheses = made_pairs("de", 12)
    hypotheses = {
        "empty": [""] * 12,
        "foreign": ["zzz"] * 12,
        "perfect": references,
        "some empty": ["", *hypotheses[1:]],
    }[kind]
    told = command(tmp_path, references, hypotheses, "13a", bootstrap=False)
    scores = Scorer(references, "de").score(hypotheses)
    assert scores.bleu == pytest.approx(told["BLEU"]["score"], abs=1e-9)
    assert scores.chrf == pytest.approx(told["chrF2"]["score"], abs=1e-9)
    if kind == "perfect":
        assert scores.bleu == pytest.approx(100)
        assert scores.chrf == pytest.approx(100)
    if kind == "empty":
        assert scores.bleu == 0


@pytest.mark.parametrize("hypothesis", ["", "ein Haus und ein Mann", "ein Haus am See."])
def test_the_interval_of_translations_that_do_not_vary_is_nothing(hypothesis: str) -> None:
    evaluation = Scorer(["ein Haus am See."] * 5, "de").evaluate([hypothesis] * 5, RESAMPLES)
    assert evaluation.bleu_interval == pytest.approx(0, abs=1e-9)
    assert evaluation.chrf_interval == pytest.approx(0, abs=1e-9)


def test_a_scorer_can_be_asked_again() -> None:
    references, hypotheses = made_pairs("de", 20)
    scorer = Scorer(references, "de")
    first = scorer.score(hypotheses)
    scorer.evaluate(references, RESAMPLES)
    assert scorer.score(hypotheses) == first
    assert scorer.score(references).bleu > first.bleu
    assert scorer.score(hypotheses[::-1]).bleu < first.bleu


def test_a_hypothesis_too_few_is_our_mistake() -> None:
    references, hypotheses = made_pairs("de", 5)
    with pytest.raises(AssertionError):
        Scorer(references, "de").score(hypotheses[:-1])
    with pytest.raises(AssertionError):
        Scorer([], "de")


def test_bleu_of_a_sentence_follows_its_likeness() -> None:
    references = ["der Mann geht heute nach Hause", "ein Haus"]
    scorer = Scorer(references, "de")
    better = scorer.sentence_bleu("der Mann geht heute nach Bonn", 0)
    worse = scorer.sentence_bleu("der Mann schläft", 0)
    assert 0 < worse < better < scorer.sentence_bleu(references[0], 0)
    assert scorer.sentence_bleu("", 0) == 0
    assert math.isclose(scorer.sentence_bleu("ein Haus", 1), 100)


@pytest.mark.parametrize(
    ("code", "tokenizer"),
    [
        ("de", "13a"),
        ("pt_BR", "13a"),
        ("no", "13a"),
        ("zh", "zh"),
        ("zh-Hant-TW", "zh"),
        ("ZH_cn", "zh"),
        ("zho_Hans", "zh"),
        ("yue", "zh"),
        ("ja", "char"),
        ("jpn_Jpan", "char"),
        ("ko-KR", "char"),
        ("tha", "char"),
        ("mya_Mymr", "char"),
        ("kok", "13a"),
        ("mkd", "13a"),
    ],
)
def test_the_language_decides_the_tokenizer(code: str, tokenizer: str) -> None:
    assert bleu_tokenizer(code) == tokenizer


@pytest.mark.parametrize("code", ["ja", "th", "lo", "km", "my", "bo"])
def test_a_translation_without_spaces_is_not_all_or_nothing(code: str) -> None:
    references = ["abcdefghij", "klmnopqrst"]
    near = Scorer(references, code).score(["abcdefghiz", "klmnopqrsz"]).bleu
    assert 20 < near < 100


LETTERS = "aeäöüéñçåß日本語がぎ한글ạ̄ǖ"
INVISIBLE = ("\u200b", "\ufeff", "\x00", "\x01", "\u0085", "\u2028", "\t", "\r", "\x0b", "\u00a0")


def odd_spellings(text: str, rng: random.Random) -> list[str]:
    """The same text as other programs store it."""
    blanks = [
        "".join(rng.choice(INVISIBLE) + " " if letter == " " else letter for letter in text)
        for _ in range(2)
    ]
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    return [*forms, *blanks, f"\ufeff{text}", f"  {text} \r", f"{forms[1]}\u2029"]


@pytest.mark.parametrize("tokenizer", ["13a", "intl", "zh", "char"])
def test_the_same_text_in_another_spelling_is_the_same(tokenizer: str) -> None:
    rng = random.Random(tokenizer)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(1, 6))) for _ in range(20)]
    texts = [" ".join(rng.choices(words, k=rng.randint(4, 12))) for _ in range(30)]
    spelled = [rng.choice(odd_spellings(text, rng)) for text in texts]
    for references, hypotheses in ((spelled, texts), (texts, spelled)):
        scores = Scorer(references, "xx", tokenizer).score(hypotheses)
        assert scores.bleu == pytest.approx(100)
        assert scores.chrf == pytest.approx(100)
    scorer = Scorer(spelled, "xx", tokenizer)
    assert [scorer.sentence_bleu(text, n) for n, text in enumerate(texts)] == pytest.approx(
        [100] * len(texts)
    )


def test_a_tokenizer_can_be_chosen() -> None:
    references, hypotheses = made_pairs("de", 20)
    chosen = Scorer(references, "de", "char").evaluate(hypotheses, 10)
    assert "tok:char" in chosen.bleu_signature
    assert chosen == Scorer(references, "ja").evaluate(hypotheses, 10)


@pytest.mark.parametrize("shared", [0, 1, 2, 3])
def test_a_few_sentences_of_which_some_share_nothing_have_an_interval(
    shared: int, tmp_path: Path
) -> None:
    references = ["ein Haus am See", "zwei Boote dort", "кот"]
    hypotheses = [*references[:shared], *["xxx"] * (3 - shared)]
    told = command(tmp_path, references, hypotheses, "13a", bootstrap=False)
    evaluation = Scorer(references, "de").evaluate(hypotheses, 100)
    assert evaluation.scores.chrf == pytest.approx(told["chrF2"]["score"], abs=1e-9)
    assert (evaluation.chrf_interval > 0) == (shared in (1, 2))
