"""The replay of the freeze-thaw scheduler on made curves."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import freeze_thaw
from automl_tf.search.pruners.curves import shipped_curve_prior
from automl_tf.search.samplers.priors import shipped_prior
from hpo_curves import CurveTable
from hpo_tables import HpoTable
from replays import NEAR, Contest


@pytest.fixture(scope="module")
def contest() -> Contest:
    """Forty runs of ten validations whose BLEU rises to 20 to 30 with width."""
    rng = np.random.default_rng(1)
    rows = [
        {"embed": width, "layers": layers, "lr": rate}
        for width in (64, 128, 256, 512, 1024)
        for layers in (1, 2, 4, 6)
        for rate in (3e-4, 1e-3)
    ]
    tops = [20 + 2 * np.log2(row["embed"] / 64) + rng.normal(0, 0.5) for row in rows]
    curves = [{step: top * (1 - 0.5 / step) for step in range(1, 11)} for top in tops]
    ends = np.array([curve[10] for curve in curves])
    table = HpoTable("de-en", 100_000, rows, ends)
    return Contest(CurveTable(table, curves), shipped_prior(), shipped_curve_prior())


def test_a_search_spends_what_its_runs_were_trained(contest: Contest) -> None:
    search = freeze_thaw.FreezeThawSearch(contest, seed=1)
    for number in range(1, 60):
        row = search.advance()
        assert row is not None
        assert search.spent == sum(search.seen.values()) == number
    assert not search.stopped & {row for row in search.seen if search.is_complete(row)}


def test_the_best_is_found_for_few_full_trainings_and_alike_each_time(contest: Contest) -> None:
    found = freeze_thaw.replay(contest, seed=1)
    assert found == freeze_thaw.replay(contest, seed=1)
    near = contest.table.bleu >= contest.table.bleu.max() - NEAR
    # Drawn at random, one in so many full trainings is near the best.
    assert found.cost < len(near) / near.sum() / 2
    assert 0 <= found.lost <= np.ptp(contest.table.bleu)
    assert 0 < found.share <= 1
