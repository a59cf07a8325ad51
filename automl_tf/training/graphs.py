"""CUDA graphs of the training step, one for each shape of batch.

A step of a small Transformer is hundreds of kernels of some microseconds each; launching them one
by one takes longer than running them. A graph is launched as a whole.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl_tf.data.batches import Batch
from automl_tf.device import free_memory, is_sticky

_logger = logging.getLogger(__name__)

_Shape = tuple[torch.Size, torch.Size]

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

    A shape that cannot be captured, for want of memory for example, is never a graph.

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
        self._captured: dict[_Shape, _Captured] = {}
        self._num_seen: Counter[_Shape] = Counter()

    @property
    def num_graphs(self) -> int:
        """Shapes that have a graph."""
        return len(self._captured)

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of a batch, to be read before the next call."""
        shape = batch.source_BS.shape, batch.target_in_BT.shape
        self._num_seen[shape] += 1
        # Whatever prepares itself when first used does so outside of a graph.
        if self._num_seen[shape] == 2:  # noqa: PLR2004
            self._try_to_capture(shape, batch)
        captured = self._captured.get(shape)
        return self._work(batch) if captured is None else captured.replay(batch)

    def _try_to_capture(self, shape: _Shape, batch: Batch) -> None:
        try:
            self._captured[shape] = self._capture(batch)
        except RuntimeError as error:
            if is_sticky(error):
                raise
            _logger.warning("Batches of the shape %s run without a CUDA graph: %s", shape, error)
        else:
            return
        # The error, and with it what its frames held, is gone now.
        free_memory()

    def _capture(self, batch: Batch) -> _Captured:
        """Records the work on a copy of a batch without doing it."""
        copy = batch.each(torch.clone)
        graph = torch.cuda.CUDAGraph()
        # One after another, graphs can share the memory of what they compute.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            loss = self._work(copy)
        return _Captured(graph, copy, loss, tuple(self._model.buffers()))


class GraphedCall:
    """Calls the same work again and again, from the second time on as a CUDA graph.

    The work reads and writes tensors that stay where they are, and does not wait for the GPU. Work
    that cannot be captured, for want of memory for example, is called each time.
    """

    def __init__(self) -> None:
        self._graph: torch.cuda.CUDAGraph | None = None
        self._num_calls = 0

    def __call__(self, work: Callable[[], None]) -> None:
        """Does the work, which must be the same each time."""
        self._num_calls += 1
        # Whatever prepares itself when first used does so outside of a graph.
        if self._num_calls == 2:  # noqa: PLR2004
            self._try_to_capture(work)
        if self._graph is None:
            work()
        else:
            self._graph.replay()

    def _try_to_capture(self, work: Callable[[], None]) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads, such as NCCL's, may ask for the state of the GPU meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                work()
        except RuntimeError as error:
            if is_sticky(error):
                raise
            _logger.warning("The update of the weights runs without a CUDA graph: %s", error)
        else:
            self._graph = graph
            return
        # The error, and with it what its frames held, is gone now.
        free_memory()
