"""Hypotheses: what a search returns, and the two operations on the rows that are still open.

Shapes: R rows, V ids that can be produced, W blocks or candidates of a row, B ids of a block, K
those asked for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# The CPU looks for the places of the largest numbers one number at a time, and for a maximum alone
# at many. So the maxima of blocks are found first, and then the places within a few blocks.
BLOCK = 64

# Numbers of rows in each octave: more of them carry fewer finished rows along, fewer of them need
# fewer kernels.
COUNTS_PER_OCTAVE = 4
FEWEST = 8


@dataclass(frozen=True)
class Hypothesis:
    """A translation.

    Attributes:
        tokens: Its ids, without begin and end symbol.
        score: Its log-probability (the end symbol's counted) over its length penalty; None from
            greedy search, which needs no probabilities.
    """

    tokens: tuple[int, ...]
    score: float | None = None


def length_penalty(lengths: Tensor, alpha: float) -> Tensor:
    """The divisor of log-probabilities (Wu et al. 2016, section 7).

    Args:
        lengths: Tokens of each hypothesis, the end symbol counted, in floating point.
        alpha: The strength: 0 does not penalise.
    """
    return ((5.0 + lengths) / 6.0) ** alpha


def largest(values_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest numbers of each row, in falling order, and their places.

    Args:
        values_RV: The numbers.
        count: How many are asked for, K.

    Returns:
        The numbers and their places, both RK. Where fewer are above minus infinity, places of the
        rest mean nothing.
    """
    if values_RV.dtype == torch.bfloat16:
        # The CPU compares these one by one, and numbers of fp32 many at a time.
        values_RV = values_RV.float()
    num_rows, num_ids = values_RV.shape
    num_blocks = num_ids // BLOCK
    if num_blocks < count:
        return values_RV.topk(count, dim=1)
    whole = num_blocks * BLOCK
    blocks_RWB = values_RV[:, :whole].view(num_rows, num_blocks, BLOCK)
    blocks_RK = blocks_RWB.amax(dim=2).topk(count, dim=1).indices
    rows_R1 = torch.arange(num_rows, device=values_RV.device)[:, None]
    candidates_RW = blocks_RWB[rows_R1, blocks_RK].flatten(1)
    if whole < num_ids:
        # The incomplete block at the end.
        candidates_RW = torch.cat((candidates_RW, values_RV[:, whole:]), dim=1)
    best_RK, picks_RK = candidates_RW.topk(count, dim=1)
    num_before = count * BLOCK
    places_RK = blocks_RK.gather(1, (picks_RK // BLOCK).clamp_(max=count - 1)) * BLOCK
    places_RK += picks_RK % BLOCK
    return best_RK, torch.where(picks_RK < num_before, places_RK, picks_RK + (whole - num_before))


def rows_to_keep(is_live_R: Tensor, num_kept: int) -> Tensor:
    """The rows to go on with: all that are live, and finished ones to fill up, R.

    Those among the first places stay where they are, so that few have to be copied.

    Args:
        is_live_R: Whether each row has not ended.
        num_kept: How many rows go on, no fewer than are live.
    """
    chosen_R = is_live_R.byte().argsort(descending=True, stable=True)[:num_kept]
    is_chosen_R = torch.zeros_like(is_live_R).index_fill_(0, chosen_R, value=True)
    kept_R = torch.arange(num_kept, device=is_live_R.device)
    kept_R[~is_chosen_R[:num_kept]] = chosen_R[chosen_R >= num_kept]
    return kept_R


def row_count(num_live: int) -> int:
    """The number of rows to go on with when so many have not ended.

    The CPU's matrix products are compiled for each number of rows when it first occurs, at a cost
    of many products. A few numbers that return are faster in spite of the finished rows that they
    carry along.
    """
    octave = 1 << max(0, num_live - 1).bit_length()
    step = max(FEWEST, octave // (2 * COUNTS_PER_OCTAVE))
    return max(FEWEST, -(-num_live // step) * step)
