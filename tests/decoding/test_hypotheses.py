"""The largest numbers of a row, and how many rows go on."""

import pytest
import torch

from automl_tf.decoding.hypotheses import BLOCK, largest, row_count, rows_to_keep


@pytest.mark.parametrize("num_ids", [3, BLOCK, BLOCK + 1, 5 * BLOCK, 7 * BLOCK + 13])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_the_largest_are_those_of_topk(num_ids, count):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(40, num_ids, generator=generator, dtype=torch.float64)
    count = min(count, num_ids)
    best, places = largest(values, count)
    expected = values.topk(count, dim=1)
    assert torch.equal(best, expected.values)
    assert torch.equal(places, expected.indices)


def test_a_strided_view_is_read_as_it_is():
    values = torch.randn(5, 6 * BLOCK)[:, : 3 * BLOCK + 4]
    assert torch.equal(largest(values, 2)[1], values.topk(2, dim=1).indices)


def test_what_may_not_come_never_displaces_what_may():
    values = torch.full((2, 4 * BLOCK + 5), -torch.inf)
    values[0, -1] = -3.0
    values[1, 7] = -2.0
    best, places = largest(values, 3)
    assert places[:, 0].tolist() == [4 * BLOCK + 4, 7]
    assert torch.equal(best, values.topk(3, dim=1).values)


def test_row_counts_hold_all_and_are_few():
    counts = [row_count(num_live) for num_live in range(1, 513)]
    assert all(count >= num_live for num_live, count in enumerate(counts, start=1))
    assert counts == sorted(counts)
    assert len(set(counts)) < 30
    assert all(
        count <= 1.25 * num_live for num_live, count in enumerate(counts, 1) if num_live > 64
    )


def test_rows_stay_where_they_are_as_far_as_possible():
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        is_live = torch.rand(int(torch.randint(1, 30, (), generator=generator))) < 0.6
        num_live = int(is_live.sum())
        num_kept = int(torch.randint(max(1, num_live), len(is_live) + 1, (), generator=generator))
        kept = rows_to_keep(is_live, num_kept).tolist()
        assert len(set(kept)) == len(kept) == num_kept
        assert set(is_live.nonzero().flatten().tolist()) <= set(kept)
        assert all(row == place for place, row in enumerate(kept) if place in kept)
