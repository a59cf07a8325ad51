"""An update is that of its target tokens, however they are divided among batches and processes."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import make_batch
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.training.distributed import SINGLE_PROCESS, ProcessGroup
from automl_tf.training.events import CurvePoint, Decision
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule
from automl_tf.training.optimizer import MasterAdamW
from tests.conftest import small_config

SENTENCES = np.arange(20)


def exact(reversal: dict, **changes: object) -> TrialConfig:
    """A configuration whose arithmetic does not depend on how a batch is divided."""
    return small_config(
        reversal, **{"training__precision": "fp32", "model__dropout": 0.0, **changes}
    )


class Update:
    """The gradients of some batches in one process, and the update by the sums of several."""

    def __init__(
        self, config: TrialConfig, data: PreparedData, processes: ProcessGroup = SINGLE_PROCESS
    ) -> None:
        torch.manual_seed(1)
        self.module = TranslationModule(config, data, processes)
        self.optimizer: MasterAdamW = self.module.configure_optimizers()
        self.optimizer._all_reduce = None
        self.module._trainer = SimpleNamespace(optimizers=[self.optimizer])

    def add(self, indices: np.ndarray) -> "Update":
        group = self.module.processes
        batch = make_batch(self.module.data.train, indices, group.rank, group.world_size)
        self.module._add_gradients(batch)
        return self

    @property
    def sums(self) -> Tensor:
        return self.optimizer._flat.sums

    def step(self) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        self.optimizer.step()
        weights = self.optimizer.full_precision(self.module.model)
        return self.optimizer.loss, self.optimizer.grad_norm, weights


def assert_equal_updates(one: Update, other: Update) -> None:
    torch.testing.assert_close(one.sums, other.sums, rtol=1e-4, atol=1e-4)
    for mine, others in zip(one.step()[:2], other.step()[:2], strict=True):
        torch.testing.assert_close(mine, others, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("sizes", [(10, 10), (1, 19), (19, 1), (5, 5, 5, 5), (1,) * 20])
def test_accumulated_batches_make_the_update_of_one_large_batch(
    reversal: dict, cache: Path, sizes: tuple[int, ...]
) -> None:
    config = exact(reversal)
    data = prepare(config, cache)
    whole, divided = Update(config, data).add(SENTENCES), Update(config, data)
    # The longest first: batches of very different numbers of tokens.
    order = np.argsort(-data.train.target.lengths[SENTENCES], kind="stable")
    for part in np.split(SENTENCES[order], np.cumsum(sizes)[:-1]):
        divided.add(part)
    assert_equal_updates(divided, whole)


@pytest.mark.parametrize("world_size", [2, 3, 50])
def test_ranks_make_the_update_of_one_process(reversal: dict, cache: Path, world_size: int) -> None:
    """Also where a rank is left without a sentence."""
    config = exact(reversal)
    data = prepare(config, cache)
    whole = Update(config, data).add(SENTENCES)
    ranks = [
        Update(config, data, ProcessGroup(rank, world_size)).add(SENTENCES)
        for rank in range(world_size)
    ]
    ranks[0].sums.copy_(torch.stack([rank.sums for rank in ranks]).sum(dim=0))
    assert_equal_updates(ranks[0], whole)


def test_the_loss_is_the_mean_over_the_tokens_of_an_update(reversal: dict, cache: Path) -> None:
    config = exact(reversal)
    data = prepare(config, cache)
    module = Update(config, data).module
    losses = [
        (float(module._cross_entropy(batch, 0.1).smoothed.detach()), batch.num_tokens)
        for batch in (make_batch(data.train, part) for part in (SENTENCES[:3], SENTENCES[3:]))
    ]
    expected = sum(loss * count for loss, count in losses) / sum(count for _, count in losses)
    loss, _, _ = Update(config, data).add(SENTENCES[:3]).add(SENTENCES[3:]).step()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_loss_that_is_told_does_not_depend_on_the_number_of_batches(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    first: dict[int, CurvePoint] = {}
    for accumulate in (1, 2, 4):
        config = exact(reversal, training__accumulate=accumulate)
        points: list[CurvePoint] = []
        fit(
            config,
            prepare(config, cache),
            tmp_path / str(accumulate),
            lambda _: Decision.STOP,
            points.append,
        )
        first[accumulate] = points[0]
    for accumulate in (2, 4):
        assert first[accumulate].loss == pytest.approx(first[1].loss, rel=0.05)
