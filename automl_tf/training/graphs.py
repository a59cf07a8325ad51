"""CUDA graphs of the training step, one for each shape of batch.

A step of a small Transformer is hundreds of kernels of some microseconds each; launching them one
by one takes longer than running them. A graph is launched as a whole.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl_tf.data.batches import Batch

StepWork = Callable[[Batch], Tensor]
"""What a step does with a batch; gives the loss."""


@dataclass(frozen=True)
class _Captured:
    """A graph with the tensors that it reads and writes.

    Attributes:
        graph: The kernels.
        batch: Where they find the batch.
        loss: Where they leave the loss.
        tables: Tables of the model that they read. While it translates it may get longer ones, and
            the memory of these must stay.
    """

    graph: torch.cuda.CUDAGraph
    batch: Batch
    loss: Tensor
    tables: tuple[Tensor, ...]

    def replay(self, batch: Batch) -> Tensor:
        for ours, given in zip(self.batch.sides, batch.sides, strict=True):
            ours.copy_(given, non_blocking=True)
        self.graph.replay()
        return self.loss


class StepGraphs:
    """Does a step's work, from the second batch of a shape on as a graph.

    Dropout differs from step to step all the same, and is what it would be without graphs: a graph
    draws from torch's random state as its kernels do.

    Args:
        work: What a step does. It may neither wait for the GPU nor depend on anything but tensors
            that stay where they are; the batch's counts are those of another one.
        model: The model that it trains.
    """

    def __init__(self, work: StepWork, model: nn.Module) -> None:
        self._work = work
        self._model = model
        self._pool = torch.cuda.graph_pool_handle()
        self._captured: dict[tuple[torch.Size, torch.Size], _Captured | None] = {}

    @property
    def num_graphs(self) -> int:
        """Shapes that have a graph."""
        return sum(captured is not None for captured in self._captured.values())

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of a batch, to be read before the next call."""
        shape = batch.source_BS.shape, batch.target_in_BT.shape
        if shape not in self._captured:
            # Whatever prepares itself when first used does so outside of a graph.
            self._captured[shape] = None
            return self._work(batch)
        captured = self._captured[shape] or self._capture(batch)
        self._captured[shape] = captured
        return captured.replay(batch)

    def _capture(self, batch: Batch) -> _Captured:
        """Records the work on a copy of a batch without doing it."""
        copy = batch.each(torch.clone)
        graph = torch.cuda.CUDAGraph()
        # One after another, graphs can share the memory of what they compute.
        with torch.cuda.graph(graph, pool=self._pool):
            loss = self._work(copy)
        return _Captured(graph, copy, loss, tuple(self._model.buffers()))
