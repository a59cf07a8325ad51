"""Static shapes over generated distributions of lengths."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from automl_tf.data.batch_shapes import MOST_SHAPES, group_by_shape
from automl_tf.data.batches import Batch, TrainingBatches, make_batch
from automl_tf.data.encoded import EncodedSplit, Ragged
from automl_tf.data.subwords import BOS, EOS, PAD

Lengths = tuple[np.ndarray, np.ndarray]


def _like(
    center: float, spread: float, ratio_spread: float, longest: int
) -> Callable[..., Lengths]:
    def draw(rng: np.random.Generator, pairs: int) -> Lengths:
        sources = np.exp(rng.normal(np.log(center), spread, pairs))
        targets = sources * np.exp(rng.normal(0, ratio_spread, pairs))
        return tuple(np.clip(np.round(side), 1, longest).astype(int) for side in (sources, targets))

    return draw


def _constant(_rng: np.random.Generator, pairs: int) -> Lengths:
    return np.full(pairs, 16), np.full(pairs, 19)


def _very_short(rng: np.random.Generator, pairs: int) -> Lengths:
    return rng.integers(1, 5, pairs), rng.integers(1, 5, pairs)


def _one_giant(rng: np.random.Generator, pairs: int) -> Lengths:
    sources, targets = LIKE_MULTI30K(rng, pairs)
    sources[pairs // 2], targets[pairs // 2] = 128, 120
    return sources, targets


LIKE_MULTI30K = _like(14, 0.33, 0.16, 50)
DISTRIBUTIONS = {
    "like multi30k": LIKE_MULTI30K,
    "lognormal and long": _like(25, 0.6, 0.15, 128),
    "constant": _constant,
    "very short": _very_short,
    "one giant sentence": _one_giant,
}


@pytest.fixture(params=DISTRIBUTIONS)
def lengths(request) -> Callable[[int, int], Lengths]:
    def draw(pairs: int, seed: int) -> Lengths:
        return DISTRIBUTIONS[request.param](np.random.default_rng(seed), pairs)

    return draw


def split_of(lengths: Lengths) -> EncodedSplit:
    """Pairs of these lengths; the subwords of a source tell its number."""

    def side(sizes: np.ndarray) -> Ragged:
        return Ragged(
            np.repeat(np.arange(len(sizes), dtype=np.int32) + 4, sizes),
            np.concatenate([[0], np.cumsum(sizes)]),
        )

    return EncodedSplit(*map(side, lengths))


def epoch_of(batches: TrainingBatches) -> list[Batch]:
    return list(itertools.islice(batches, batches.batches_per_epoch))


def is_real(batch: Batch) -> torch.Tensor:
    return (batch.target_out_BT != PAD).any(1)


def numbers(batch: Batch) -> list[int]:
    return (batch.source_BS[is_real(batch), 0] - 4).tolist()


def padding(epoch: list[Batch], lengths: Lengths) -> float:
    """Share of the positions of both sides that hold no token of a sentence."""
    positions = sum(b.source_BS.numel() + b.target_out_BT.numel() for b in epoch)
    return 1 - sum(int((side + 1).sum()) for side in lengths) / positions


@pytest.mark.parametrize(("budget", "seed"), [(1024, 0), (2048, 1), (4096, 2)])
def test_few_shapes_with_little_padding_within_the_budget(budget, seed, lengths) -> None:
    drawn = lengths(6_000, seed)
    epoch = epoch_of(TrainingBatches(split_of(drawn), budget, seed, static_shapes=True))
    assert padding(epoch, drawn) < 0.08
    shapes = {(batch.source_BS.shape, batch.target_in_BT.shape) for batch in epoch}
    assert len(shapes) <= MOST_SHAPES
    for (rows, source), (_, target) in shapes:
        assert rows * max(source, target) <= budget
    assert sorted(n for batch in epoch for n in numbers(batch)) == list(range(6_000))


def test_a_corpus_of_short_captions_needs_two_dozen_shapes() -> None:
    drawn = LIKE_MULTI30K(np.random.default_rng(0), 29_000)
    assert len(group_by_shape(*(side + 1 for side in drawn), 4096)) <= 24


@pytest.mark.parametrize("pairs", [1, 2, 17, 300])
def test_any_number_of_pairs(pairs, lengths) -> None:
    drawn = lengths(pairs, 3)
    batches = TrainingBatches(split_of(drawn), 512, 1, static_shapes=True)
    for _ in range(2):
        epoch = epoch_of(batches)
        assert sorted(n for batch in epoch for n in numbers(batch)) == list(range(pairs))


def test_shapes_of_an_epoch_are_those_of_every_other(lengths) -> None:
    batches = TrainingBatches(split_of(lengths(3000, 0)), 1024, 1, static_shapes=True)
    one, two = epoch_of(batches), epoch_of(batches)
    shapes = [
        sorted(tuple(b.source_BS.shape + b.target_in_BT.shape) for b in e) for e in (one, two)
    ]
    assert shapes[0] == shapes[1]
    companions = [{tuple(sorted(numbers(batch))) for batch in epoch} for epoch in (one, two)]
    assert len(companions[0] & companions[1]) < len(one) / 2
    again = epoch_of(TrainingBatches(split_of(lengths(3000, 0)), 1024, 1, static_shapes=True))
    assert list(map(numbers, again)) == list(map(numbers, one))


@pytest.mark.parametrize("world_size", [2, 3, 8])
def test_ranks_have_equal_shapes_and_disjoint_complete_shares(world_size, lengths) -> None:
    made = split_of(lengths(2000, 2))
    whole = epoch_of(TrainingBatches(made, 1024, 5, static_shapes=True))
    ranks = [
        epoch_of(TrainingBatches(made, 1024, 5, rank, world_size, static_shapes=True))
        for rank in range(world_size)
    ]
    for batch, *parts in zip(whole, *ranks, strict=True):
        assert sorted(n for part in parts for n in numbers(part)) == sorted(numbers(batch))
        assert len({part.source_BS.shape + part.target_in_BT.shape for part in parts}) == 1
        assert sum(part.num_tokens for part in parts) == batch.num_tokens
        assert {part.whole_tokens for part in parts} == {batch.num_tokens}


def test_fill_up_rows_have_one_token_to_read_and_none_to_predict(lengths) -> None:
    made = split_of(lengths(999, 1))
    epoch = epoch_of(TrainingBatches(made, 512, 1, 1, 3, static_shapes=True))
    filled = 0
    for batch in epoch:
        assert (batch.source_BS[:, 0] != PAD).all()
        assert (batch.target_in_BT[:, 0] == BOS).all()
        empty = ~is_real(batch)
        filled += int(empty.sum())
        assert (batch.source_BS[empty] != PAD).sum() == empty.sum()
        assert (batch.source_BS[empty, 0] == EOS).all()
        assert (batch.target_in_BT[empty, 1:] == PAD).all()
        assert batch.num_tokens == (batch.target_out_BT != PAD).sum()
    assert filled > 0


def test_a_static_batch_is_the_plain_one_padded(lengths) -> None:
    made = split_of(lengths(500, 4))
    for batch in epoch_of(TrainingBatches(made, 512, 1, static_shapes=True)):
        plain = make_batch(made, np.array(numbers(batch)))
        assert batch[3:] == plain[3:]
        for padded, side in zip(batch.sides, plain.sides, strict=True):
            rows, width = side.shape
            assert torch.equal(padded[:rows, :width], side)
            assert (padded[:rows, width:] == PAD).all()
