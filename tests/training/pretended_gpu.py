"""A GPU that is pretended on the CPU: its branches run, its rules hold, its graphs replay.

``pretend`` makes ``automl_tf.device.is_gpu`` answer as if CPU tensors lay on a GPU, and puts
``TracedGraph`` in the place of CUDA graphs. ``NoHostSync`` refuses what would make the host wait
for the GPU, or copy from memory that is not pinned.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from automl_tf import device

aten = torch.ops.aten

NEEDS_VALUES = {
    aten._local_scalar_dense,
    aten.nonzero,
    aten.masked_select,
    aten.is_nonzero,
    aten.item,
    aten.equal,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.bincount,
}
"""Operations whose result, or its size, the host has to know."""
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
READS = {
    Tensor.item,
    Tensor.tolist,
    Tensor.numpy,
    Tensor.cpu,
    Tensor.__bool__,
    Tensor.__float__,
    Tensor.__int__,
    Tensor.__index__,
}
"""Methods that read a tensor."""
UPLOADS = {torch.tensor, torch.as_tensor, torch.from_numpy}
"""Functions that copy from memory which is not pinned."""


class HostSyncError(RuntimeError):
    """The host would wait for the GPU."""


def check(func: Any, args: tuple[Any, ...]) -> None:
    """Raises if an operation makes the host wait."""
    packet = func.overloadpacket
    is_masked = packet in INDEXING and any(
        isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
    )
    is_counted = packet is aten.repeat_interleave and func._overloadname == "Tensor"
    if packet in NEEDS_VALUES or is_masked or is_counted:
        raise HostSyncError(f"{func} makes the host wait for the GPU")


class _Operations(TorchDispatchMode):
    """Checks what reaches the kernels."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        check(func, args)
        return func(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """Checks what is called on tensors."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in READS or func in UPLOADS:
            raise HostSyncError(f"{func} makes the host wait for the GPU")
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def no_host_sync() -> Iterator[None]:
    """Refuses what would make the host wait for the GPU."""
    with _Functions(), _Operations():
        yield


class TracedGraph:
    """A CUDA graph on the CPU: replays the kernels of its capture on the same storages.

    As on a GPU, Python code is not run again, numbers of the host are those of the capture, and
    what the captured work has written is undone: a capture launches nothing.
    """

    made: ClassVar[list["TracedGraph"]] = []

    def __init__(self) -> None:
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self.num_replays = 0
        TracedGraph.made.append(self)

    @torch.no_grad()
    def replay(self) -> None:
        self.num_replays += 1
        for func, args, kwargs, out in self.calls:
            fresh = func(*args, **kwargs)
            for old, new in zip(tree_leaves(out), tree_leaves(fresh), strict=True):
                if isinstance(old, Tensor) and _storage(old) != _storage(new):
                    old.copy_(new)


class _Trace(TorchDispatchMode):
    """Records operations, and keeps what they overwrite of tensors from outside."""

    def __init__(self, graph: TracedGraph) -> None:
        super().__init__()
        self._graph = graph
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        check(func, args)
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for written in tree_leaves(value):
                    self._keep(written)
        before = _aliases((args, kwargs))
        out = func(*args, **kwargs)
        given = {_storage(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        made = {_storage(leaf) for leaf in tree_leaves(out) if isinstance(leaf, Tensor)}
        self._made |= made - given
        self._graph.calls.append((func, *before, _aliases(out)))
        return out

    def _keep(self, written: Tensor) -> None:
        key = _storage(written)
        if key not in self._made and key not in self._before:
            whole = torch.empty(0, dtype=torch.uint8).set_(written.untyped_storage())
            self._before[key] = whole, whole.clone()

    def undo(self) -> None:
        for whole, before in self._before.values():
            whole.copy_(before)


def _aliases(values: Any) -> Any:
    """The same storages under shapes that later operations in place do not change."""
    return tree_map_only(Tensor, lambda tensor: tensor.detach(), values)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextlib.contextmanager
def _capture(graph: TracedGraph, **_options: Any) -> Iterator[None]:
    state = torch.get_rng_state()
    trace = _Trace(graph)
    try:
        with _Functions(), trace:
            yield
    finally:
        trace.undo()
        torch.set_rng_state(state)


def pretend(monkeypatch: pytest.MonkeyPatch) -> list[TracedGraph]:
    """Pretends that CPU tensors lie on a GPU. Returns the graphs that will be made."""
    monkeypatch.setattr(device, "GPU_TYPES", ("cuda", "cpu"))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", TracedGraph)
    monkeypatch.setattr(torch.cuda, "graph", _capture)
    monkeypatch.setattr(TracedGraph, "made", [])
    return TracedGraph.made


def refusing(call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, in which the host may not wait for the GPU."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        with no_host_sync():
            return call(*args, **kwargs)

    return refuse
