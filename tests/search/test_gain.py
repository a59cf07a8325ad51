"""How far the best stands above the base, and what the page says where that is not known."""

import re
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.scoring.sentences import SentenceStatistics, paired_bootstrap
from automl_tf.search.context import WorkerContext
from automl_tf.search.report.material import Material
from automl_tf.search.report.summary import over_base, tiles, verdict
from automl_tf.search.schema import BEST_SENTENCES, NUM_PARAMETERS, REASON, VALIDATIONS
from tests.search.making import bench, claim, definition

STEP = 500
LENGTH = 12


def translations(share: float, size: int = 300) -> SentenceStatistics:
    """Counts of translations of which about that share of the words is right."""
    draws = np.random.default_rng(round(1000 * share))
    words = np.full(size, LENGTH)
    matches = [draws.binomial(LENGTH - order, share ** (order + 1), size) for order in range(4)]
    return SentenceStatistics(np.stack([words, words, *matches], axis=1))


@pytest.fixture
def worker(tmp_path: Path) -> WorkerContext:
    return bench(tmp_path, definition(budget={"trials": 9}))


def begin(worker: WorkerContext, share: float) -> optuna.Trial:
    trial = claim(worker)
    bleu = translations(share).bleu
    trial.set_user_attr(NUM_PARAMETERS, 1000)
    trial.set_user_attr(VALIDATIONS, {str(STEP): {"bleu": bleu, "chrf": bleu, "loss": 1.0}})
    return trial


def end(worker: WorkerContext, share: float, *, is_kept: bool = True) -> None:
    """A complete trial whose translations are as good as that."""
    trial = begin(worker, share)
    if is_kept:
        trial.set_user_attr(BEST_SENTENCES, translations(share).to_text())
    worker.study.tell(trial, translations(share).bleu)


def words(worker: WorkerContext) -> str:
    return " ".join(verdict(Material.read(worker.study)))


def test_the_gain_has_the_interval_of_a_paired_bootstrap(worker: WorkerContext) -> None:
    for share in (0.5, 0.8, 0.6):
        end(worker, share)
    expected = paired_bootstrap(translations(0.8), translations(0.5))
    gain = over_base(Material.read(worker.study))
    assert gain is not None
    assert gain.sure == expected
    assert expected.low < gain.bleu < expected.high
    told = words(worker)
    assert f"That is {gain.bleu:.2f} BLEU above the paper's base configuration" in told
    assert f"95 % interval of the gain {expected.low:.2f} to {expected.high:.2f}" in told
    assert "300 of the validation split" in told
    assert "neither another seed" in told
    assert "holds zero" not in told
    (tile,) = [label for figure, label in tiles(Material.read(worker.study)) if "+" in figure]
    assert f"{expected.low:.2f} to {expected.high:.2f}" in tile


def test_a_gain_that_may_be_none_says_so(worker: WorkerContext) -> None:
    end(worker, 0.6)
    end(worker, 0.605)
    gain = over_base(Material.read(worker.study))
    assert gain is not None
    assert gain.sure is not None
    assert gain.sure.low < 0 < gain.sure.high
    assert "It holds zero" in words(worker)
    assert f"−{-gain.sure.low:.2f} to {gain.sure.high:.2f}" in words(worker)


def test_studies_that_kept_no_sentences_have_a_gain_without_interval(worker: WorkerContext) -> None:
    end(worker, 0.5, is_kept=False)
    end(worker, 0.8)
    gain = over_base(Material.read(worker.study))
    assert gain is not None
    assert gain.sure is None
    assert "There is no confidence interval" in words(worker)
    assert "95 %" not in words(worker)


def test_the_next_best_is_told_apart_or_not(worker: WorkerContext) -> None:
    for share in (0.3, 0.8, 0.5):
        end(worker, share)
    assert "The next best, trial 2, is" in words(worker)
    assert "turn the two round" not in words(worker)
    end(worker, 0.802)
    # Which of the two is ahead is up to the draws.
    assert re.search("The next best, trial [13], is", words(worker))
    assert "other sentences could turn the two round" in words(worker)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (TrialState.PRUNED, "was pruned at step 500 with BLEU"),
        (TrialState.FAIL, "gave no score to compare with: out of memory"),
        (None, "has not ended yet"),
    ],
)
def test_a_base_that_was_not_trained_to_its_end_gives_no_gain(
    worker: WorkerContext, state: TrialState | None, sentence: str
) -> None:
    base = begin(worker, 0.3)
    if state is not None:
        base.set_user_attr(REASON, "out of memory")
        worker.study.tell(base, state=state)
    end(worker, 0.8)
    assert over_base(Material.read(worker.study)) is None
    assert sentence in words(worker)
    assert "95 %" not in words(worker)


def test_a_base_that_won_has_gained_nothing_over_itself(worker: WorkerContext) -> None:
    end(worker, 0.8)
    end(worker, 0.5)
    assert over_base(Material.read(worker.study)) is None
    assert "nothing that was tried is better" in words(worker)
