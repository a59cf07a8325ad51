"""Sentence statistics against sacrebleu's BLEU and its own paired bootstrap."""

import random

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from automl_tf.scoring.scores import Scorer
from automl_tf.scoring.sentences import COUNTS, SentenceStatistics, paired_bootstrap

WORDS = [
    "the",
    "a",
    "big",
    "small",
    "dog",
    "cat",
    "runs",
    "sleeps",
    "here",
    "there",
    "and",
    "but",
    "quickly",
    ",",
    ".",
]


def references(count: int, longest: int = 14) -> list[str]:
    rng = random.Random(count)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, longest))) for _ in range(count)]


def translations(of: list[str], share_kept: float, seed: int) -> list[str]:
    """The references with some words exchanged, so that fewer of them match."""
    rng = random.Random(seed)
    return [
        " ".join(word if rng.random() < share_kept else rng.choice(WORDS) for word in line.split())
        for line in of
    ]


@pytest.mark.parametrize(
    ("count", "longest", "share_kept"),
    [(80, 14, 0.8), (80, 14, 0.0), (3, 5, 0.3), (5, 2, 0.9), (1, 14, 1.0)],
)
def test_bleu_of_the_sums_is_sacrebleus(count: int, longest: int, share_kept: float) -> None:
    truth = references(count, longest)
    made = translations(truth, share_kept, seed=7)
    expected = BLEU().corpus_score(made, [truth]).score
    statistics = Scorer(truth, "en").sentences(made)
    assert statistics.bleu == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("made", [["", ""], ["xx yy zz ww vv", "uu"], ["a", ""]])
def test_translations_without_a_match_have_no_bleu(made: list[str]) -> None:
    truth = ["the dog runs here .", "the cat"]
    expected = BLEU().corpus_score(made, [truth]).score
    statistics = Scorer(truth, "en").sentences(made)
    assert statistics.bleu == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_subset_has_the_bleu_of_its_own_sentences() -> None:
    truth = references(50)
    made = translations(truth, 0.7, seed=1)
    expected = BLEU().corpus_score(made[:20], [truth[:20]]).score
    assert Scorer(truth, "en").sentences(made).first(20).bleu == pytest.approx(expected)


def test_the_text_holds_every_count() -> None:
    truth = references(30)
    statistics = Scorer(truth, "en").sentences(translations(truth, 0.5, seed=2))
    again = SentenceStatistics.from_text(statistics.to_text())
    assert np.array_equal(again.counts_NC, statistics.counts_NC)


def test_the_interval_is_that_of_sacrebleus_paired_bootstrap() -> None:
    truth = references(300)
    better, worse = translations(truth, 0.8, seed=3), translations(truth, 0.7, seed=4)
    scorer = Scorer(truth, "en")
    difference = paired_bootstrap(scorer.sentences(better), scorer.sentences(worse), 4000)
    test = PairedTest(
        [("worse", worse), ("better", better)],
        {"BLEU": BLEU(references=[truth])},
        references=None,
        test_type="bs",
        n_samples=4000,
    )
    _, scores = test()
    theirs = scores["BLEU"]
    assert difference.bleu == pytest.approx(theirs[1].score - theirs[0].score)
    assert difference.low < difference.bleu < difference.high
    # sacrebleu says how often the difference would come by chance, after centring it.
    assert (difference.low > 0) == (theirs[1].p_value < 0.025)
    assert difference.wins > 0.99


def test_a_system_does_not_differ_from_itself() -> None:
    truth = references(40)
    statistics = Scorer(truth, "en").sentences(translations(truth, 0.6, seed=5))
    difference = paired_bootstrap(statistics, statistics)
    assert (difference.bleu, difference.low, difference.high, difference.spread) == (0, 0, 0, 0)


def test_pairing_narrows_the_interval() -> None:
    truth = references(200)
    base = translations(truth, 0.7, seed=6)
    almost = [*base[:-5], *truth[-5:]]
    scorer = Scorer(truth, "en")
    one, other = scorer.sentences(almost), scorer.sentences(base)
    shuffled = SentenceStatistics(other.counts_NC[np.random.default_rng(1).permutation(200)])
    assert paired_bootstrap(one, other).spread < paired_bootstrap(one, shuffled).spread


@pytest.mark.parametrize("most", [0, 1, 65_535, 65_536, 70_000, 3_000_000])
def test_counts_of_any_line_are_kept(most: int) -> None:
    rng = np.random.default_rng(most)
    counts_NC = rng.integers(0, most, size=(7, COUNTS), endpoint=True)
    counts_NC[3, 1] = most
    text = SentenceStatistics(counts_NC).to_text()
    assert np.array_equal(SentenceStatistics.from_text(text).counts_NC, counts_NC)


def test_a_very_long_line_has_the_bleu_that_it_had() -> None:
    truth = ["a" * 70_000, "the dog runs here ."]
    statistics = Scorer(truth, "ja").sentences(["a" * 66_000, "the dog runs there ."])
    assert 90 < SentenceStatistics.from_text(statistics.to_text()).bleu == statistics.bleu < 100
