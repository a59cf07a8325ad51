"""AdamW that keeps fp32 master weights beside a model of fewer bits."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class MasterAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019) on fp32 copies of the weights, with clipping.

    A bf16 weight loses updates smaller than a 256th of itself; the fp32 master keeps them
    (Micikevicius et al. 2018, section 3.1). A model that is fp32 already is its own master.

    Args:
        parameters: The model's weights, in any floating type.
        lr: Learning rate.
        beta2: Decay of the second moment.
        weight_decay: Decoupled decay, on matrices alone.
        clip_norm: Largest norm of the whole gradient; 0 does not clip.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        beta2: float,
        weight_decay: float,
        clip_norm: float,
    ) -> None:
        self._weights = [weight for weight in parameters if weight.requires_grad]
        self._masters = [_master(weight) for weight in self._weights]
        self._clip_norm = clip_norm
        self.grad_norm = torch.zeros(())
        groups = [
            {"params": [m for m in self._masters if m.dim() > 1], "weight_decay": weight_decay},
            {"params": [m for m in self._masters if m.dim() <= 1], "weight_decay": 0.0},
        ]
        super().__init__(groups, lr=lr, betas=(0.9, beta2), eps=1e-8, fused=True)

    @property
    def _copies(self) -> list[tuple[nn.Parameter, Tensor]]:
        pairs = zip(self._weights, self._masters, strict=True)
        return [(weight, master) for weight, master in pairs if weight is not master]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - the closure's
        """One update of the masters, and of the weights from them."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for weight, master in self._copies:
            master.grad = None if weight.grad is None else weight.grad.float()
        self.grad_norm = self._clip()
        super().step()
        if self._copies:
            weights, masters = zip(*self._copies, strict=True)
            torch._foreach_copy_(weights, masters)
        return loss

    def _clip(self) -> Tensor:
        gradients = [master.grad for master in self._masters if master.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self._clip_norm > 0:
            nn.utils.clip_grads_with_norm_(self._masters, self._clip_norm, norm)
        return norm

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's signature
        """Forgets the gradients of weights and masters."""
        super().zero_grad(set_to_none)
        for weight in self._weights:
            weight.grad = None

    def full_precision(self, model: nn.Module) -> dict[str, Tensor]:
        """The model's weights by name, fp32, on the CPU."""
        masters = {
            id(weight): master for weight, master in zip(self._weights, self._masters, strict=True)
        }
        return {
            name: masters[id(weight)].detach().to("cpu", copy=True)
            for name, weight in model.named_parameters()
        }

    def state_dict(self) -> dict[str, Any]:
        """AdamW's state and the masters that are not the model's own weights."""
        masters = [master.detach() for _, master in self._copies]
        return {**super().state_dict(), "masters": masters}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what ``state_dict`` gave."""
        masters = state_dict["masters"]
        super().load_state_dict(
            {key: value for key, value in state_dict.items() if key != "masters"}
        )
        for (_, master), saved in zip(self._copies, masters, strict=True):
            master.copy_(saved)


def _master(weight: nn.Parameter) -> Tensor:
    if weight.dtype == torch.float32:
        return weight
    return weight.detach().float().requires_grad_()
