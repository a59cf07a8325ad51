"""AdamW that keeps fp32 master weights beside a model of fewer bits."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ALIGNMENT = 32
"""Weights in a buffer start at multiples of this, so that each starts a line of the cache."""


class MasterAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019) on fp32 copies of the weights, with clipping.

    A bf16 weight loses updates smaller than a 256th of itself; the fp32 master keeps them
    (Micikevicius et al. 2018, section 3.1). A model that is fp32 already is its own master.

    Weights, masters and gradients are moved into one buffer each, so that an update is a handful of
    calls whatever the number of weights: one by one, they would cost more than their arithmetic.
    Weights of one decay and one multiplier stand side by side there and are a group of AdamW's.

    Args:
        parameters: The model's weights, all of one floating type and on one device.
        lr: Learning rate.
        beta2: Decay of the second moment.
        weight_decay: Decoupled decay, on matrices alone. What a step takes off them is this times
            the learning rate, whatever their multipliers.
        clip_norm: Largest norm of the whole gradient; 0 does not clip.
        multipliers: What the learning rate of a weight is multiplied by, if not by one.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        beta2: float,
        weight_decay: float,
        clip_norm: float,
        multipliers: Mapping[Tensor, float] | None = None,
    ) -> None:
        kinds = _by_kind(parameters, multipliers or {})
        self._weights = [weight for weights in kinds.values() for weight in weights]
        self._clip_norm = clip_norm
        self.grad_norm = torch.zeros(())
        self._buffer = _buffer(self._weights, self._weights[0].dtype)
        for weight, place in zip(self._weights, _places(self._buffer, self._weights), strict=True):
            place.copy_(weight.detach())
            weight.data = place
        is_own_master = self._buffer.dtype == torch.float32
        self._masters = self._buffer if is_own_master else self._buffer.float()
        self._gradients = torch.zeros_like(self._masters)
        self._gradient_places = _places(self._gradients, self._weights)
        groups = [
            {
                "params": [self._master_part(part)],
                "lr": lr * multiplier,
                "weight_decay": weight_decay / multiplier if is_matrix else 0.0,
            }
            for (is_matrix, multiplier), part in zip(kinds, _parts(kinds.values()), strict=True)
        ]
        super().__init__(groups, lr=lr, betas=(0.9, beta2), eps=1e-8, fused=True)

    def _master_part(self, part: slice) -> Tensor:
        master = self._masters[part].requires_grad_()
        master.grad = self._gradients[part]
        return master

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - the closure's
        """One update of the masters, and of the weights from them."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._gather_gradients()
        self.grad_norm = torch.linalg.vector_norm(self._gradients)
        if self._clip_norm > 0:
            self._gradients *= (self._clip_norm / (self.grad_norm + 1e-6)).clamp(max=1.0)
        super().step()
        if self._buffer is not self._masters:
            self._buffer.copy_(self._masters)
        return loss

    def _gather_gradients(self) -> None:
        """Moves the weights' ``grad`` into the buffer, unless gradients were added to it."""
        gathered = [
            (place, weight.grad)
            for place, weight in zip(self._gradient_places, self._weights, strict=True)
            if weight.grad is not None
        ]
        if not gathered:
            return
        if len(gathered) < len(self._weights):
            self._gradients.zero_()
        places, gradients = zip(*gathered, strict=True)
        torch._foreach_copy_(places, gradients)

    @torch.no_grad()
    def forget_added(self) -> None:
        """Begins a new sum of gradients."""
        self._gradients.zero_()

    @torch.no_grad()
    def add_gradients_of(self, loss: Tensor) -> None:
        """Adds the gradients of a loss to those of the next update, without the weights' ``grad``.

        What it launches is the same each time, so that a CUDA graph can hold it.
        """
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss, self._weights)
        for place, gradient in zip(self._gradient_places, gradients, strict=True):
            place.add_(gradient)

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - torch's signature
        """Forgets the gradients of the weights."""
        for weight in self._weights:
            weight.grad = None

    def full_precision(self, model: nn.Module) -> dict[str, Tensor]:
        """The model's weights by name, fp32, on the CPU."""
        places = _places(self._masters, self._weights)
        masters = {id(weight): master for weight, master in zip(self._weights, places, strict=True)}
        return {
            name: masters[id(weight)].detach().to("cpu", copy=True)
            for name, weight in model.named_parameters()
        }

    def state_dict(self) -> dict[str, Any]:
        """AdamW's state and the masters."""
        return {**super().state_dict(), "masters": self._masters.detach()}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what ``state_dict`` gave, the weights too."""
        state = dict(state_dict)
        masters = state.pop("masters")
        super().load_state_dict(state)
        self._masters.copy_(masters)
        self._buffer.copy_(self._masters)


def _by_kind(
    parameters: Iterable[nn.Parameter], multipliers: Mapping[Tensor, float]
) -> dict[tuple[bool, float], list[nn.Parameter]]:
    """The weights that are trained: whether they are matrices, and by what multiplier."""
    kinds: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for weight in parameters:
        if weight.requires_grad:
            kind = weight.dim() > 1, multipliers.get(weight, 1.0)
            kinds.setdefault(kind, []).append(weight)
    return dict(sorted(kinds.items(), reverse=True))


def _room(weight: Tensor) -> int:
    return -(-weight.numel() // ALIGNMENT) * ALIGNMENT


def _size(weights: Sequence[Tensor]) -> int:
    return sum(_room(weight) for weight in weights)


def _buffer(weights: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    return torch.zeros(_size(weights), dtype=dtype, device=weights[0].device)


def _parts(kinds: Iterable[Sequence[Tensor]]) -> Iterator[slice]:
    """What of a buffer the weights of each kind take."""
    start = 0
    for weights in kinds:
        stop = start + _size(weights)
        yield slice(start, stop)
        start = stop


def _places(buffer: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Each weight's part of a buffer, in its shape."""
    rooms = torch.split(buffer.detach(), [_room(weight) for weight in weights])
    return [
        room[: weight.numel()].view(weight.shape)
        for room, weight in zip(rooms, weights, strict=True)
    ]
