import itertools

import numpy as np
import pytest
import torch

from automl_tf.data.batches import (
    Batch,
    TrainingBatches,
    evaluation_batches,
    make_batch,
)
from automl_tf.data.encoded import EncodedSplit
from automl_tf.data.subwords import BOS, EOS, PAD

BUDGET = 256


@pytest.fixture
def split(ragged):
    """Makes sentences whose first id tells them apart."""

    def make(count: int) -> EncodedSplit:
        rng = np.random.default_rng(0)
        lengths = rng.integers(1, 30, count)
        others = np.maximum(1, (lengths * rng.uniform(0.6, 1.5, count)).astype(int))
        source, target = (
            [[number + 4, *([5] * (length - 1))] for number, length in enumerate(side)]
            for side in (lengths, others)
        )
        return EncodedSplit(ragged(source), ragged(target))

    return make


def numbers(batch: Batch) -> list[int]:
    """The sentences of a batch, without its fill-up rows."""
    is_real = (batch.target_out_BT != PAD).any(1)
    return (batch.source_BS[is_real, 0] - 4).tolist()


def equal(one: Batch, other: Batch) -> bool:
    return one.num_tokens == other.num_tokens and all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("source_BS", "target_in_BT", "target_out_BT")
    )


def area(batch: Batch) -> int:
    return len(batch.source_BS) * max(batch.source_BS.shape[1], batch.target_out_BT.shape[1])


def epoch_of(batches: TrainingBatches) -> list[Batch]:
    first = next(batches)
    return [first, *itertools.islice(batches, batches.batches_per_epoch - 1)]


def test_a_batch_is_its_sentences_padded(ragged) -> None:
    made = EncodedSplit(ragged([[7, 8], [9], []]), ragged([[5], [], [6, 7, 8]]))
    batch = make_batch(made, np.array([2, 0, 1]))
    assert batch.source_BS.tolist() == [[EOS, PAD, PAD], [7, 8, EOS], [9, EOS, PAD]]
    assert batch.target_in_BT.tolist() == [
        [BOS, 6, 7, 8],
        [BOS, 5, PAD, PAD],
        [BOS, PAD, PAD, PAD],
    ]
    assert batch.target_out_BT.tolist() == [
        [6, 7, 8, EOS],
        [5, EOS, PAD, PAD],
        [EOS, PAD, PAD, PAD],
    ]
    assert batch.num_tokens == (batch.target_out_BT != PAD).sum() == 7
    assert batch.source_BS.dtype == torch.int64


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_moving_a_batch(device: str, split) -> None:
    batch = make_batch(split(5), np.arange(5)).to(device)
    assert batch.target_in_BT.device.type == device
    assert batch.num_tokens > 0


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_an_epoch_holds_each_sentence_once_within_the_budget(count: int, split) -> None:
    made = split(count)
    batches = TrainingBatches(made, BUDGET, seed=3)
    for _ in range(3):
        epoch = epoch_of(batches)
        assert sorted(n for batch in epoch for n in numbers(batch)) == list(range(count))
        assert all(area(batch) <= BUDGET for batch in epoch)
        for batch in epoch:
            chosen = make_batch(made, np.array(numbers(batch)))
            assert equal(batch, chosen)


def test_a_sentence_beyond_the_budget_stands_alone(split) -> None:
    batches = TrainingBatches(split(50), 8, seed=1)
    epoch = epoch_of(batches)
    assert sorted(n for batch in epoch for n in numbers(batch)) == list(range(50))
    assert all(len(numbers(batch)) == 1 for batch in epoch if area(batch) > 8)


def test_little_of_the_targets_is_padding(split) -> None:
    epoch = epoch_of(TrainingBatches(split(20_000), 2048, seed=1))
    cells = sum(batch.target_out_BT.numel() for batch in epoch)
    assert sum(batch.num_tokens for batch in epoch) > 0.99 * cells
    # And the budget is used.
    assert np.mean([area(batch) for batch in epoch]) > 0.95 * 2048


@pytest.mark.parametrize("static_shapes", [False, True])
@pytest.mark.parametrize("budget", [256, 300, 1024])
def test_no_batch_is_small(budget: int, *, static_shapes: bool, split) -> None:
    """Each is an update of the optimizer as large as that of a full batch."""
    made = split(3000)
    for seed in range(4):
        batches = TrainingBatches(made, budget, seed, static_shapes=static_shapes)
        tokens = [batch.num_tokens for _ in range(2) for batch in epoch_of(batches)]
        assert min(tokens) > 0.25 * np.median(tokens)


def test_seed_and_epoch_alone_decide_the_order(split) -> None:
    made = split(3000)
    one, same, other = (TrainingBatches(made, BUDGET, seed) for seed in (1, 1, 2))
    first, first_again, first_otherwise = epoch_of(one), epoch_of(same), epoch_of(other)
    second = epoch_of(one)
    assert all(map(equal, first, first_again))
    orders = [[numbers(b) for b in epoch] for epoch in (first, second, first_otherwise)]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    companions = [{tuple(sorted(batch)) for batch in order} for order in orders]
    assert len(companions[0] & companions[1]) < len(companions[0]) / 2
    # No epoch goes from short to long.
    widths = [batch.target_out_BT.shape[1] for batch in first]
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.5


@pytest.mark.parametrize("static_shapes", [False, True])
@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0, 2.7])
def test_resuming_equals_not_stopping(
    rank: int, share: float, *, static_shapes: bool, split
) -> None:
    made = split(300)
    options = {"rank": rank, "world_size": 3, "static_shapes": static_shapes}
    whole = TrainingBatches(made, BUDGET, 5, **options)
    done = int(share * whole.batches_per_epoch)
    for _ in range(done):
        next(whole)
    state = whole.state_dict()
    resumed = TrainingBatches(made, BUDGET, 5, **options)
    next(resumed)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    for _ in range(2 * whole.batches_per_epoch):
        assert equal(next(whole), next(resumed))
    assert whole.epoch == resumed.epoch > 0


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_every_batch(world_size: int, split) -> None:
    made = split(300)
    whole = epoch_of(TrainingBatches(made, BUDGET, seed=5))
    ranks = [TrainingBatches(made, BUDGET, 5, rank, world_size) for rank in range(world_size)]
    for batch, *parts in zip(whole, *map(epoch_of, ranks), strict=True):
        dealt = [numbers(part) for part in parts if part.num_tokens]
        assert sorted(itertools.chain(*dealt)) == sorted(numbers(batch))
        assert sum(part.num_tokens for part in parts) == batch.num_tokens == batch.whole_tokens
        assert {part.whole_tokens for part in parts} == {batch.num_tokens}
        assert all((part.target_out_BT != PAD).sum() == part.num_tokens for part in parts)
        # Whoever has no sentence has a row all the same.
        assert all(len(part.source_BS) > 0 for part in parts)
        assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_more_ranks_than_sentences(split) -> None:
    made = split(2)
    parts = [next(TrainingBatches(made, 10_000, 1, rank, 4)) for rank in range(4)]
    assert sum(part.num_tokens > 0 for part in parts) <= 2
    for part in parts:
        if not part.num_tokens:
            assert part.source_BS.tolist() == [[EOS]]
            assert part.target_in_BT.tolist() == [[BOS]]
            assert part.target_out_BT.tolist() == [[PAD]]


def test_evaluation_goes_once_through_the_split_in_order_of_length(lists, split) -> None:
    made = split(200)
    batches = evaluation_batches(made, BUDGET)
    assert sorted(n for indices, _ in batches for n in indices) == list(range(200))
    assert all(indices.tolist() == numbers(batch) for indices, batch in batches)
    assert all(area(batch) <= BUDGET for _, batch in batches)
    lengths = [len(lists(made.target)[n]) for indices, _ in batches for n in indices]
    assert lengths == sorted(lengths)
