"""The optimizer: AdamW on fp32 copies of the weights, their average, their learning rates.

Weights, fp32 masters and gradients stand in one buffer each, so that an update is a handful of
calls whatever the number of weights, and the gradients of several processes are summed by one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from automl_tf.compat import add_each, copy_each
from automl_tf.config.settings import BASE_INNER_WIDTH, BASE_WIDTH, LearningRateScale
from automl_tf.device import is_gpu
from automl_tf.model.attention import MultiHeadAttention
from automl_tf.model.feed_forward import PositionwiseFeedForward
from automl_tf.model.transformer import Transformer
from automl_tf.training.graphs import GraphedCall

ALIGNMENT = 32
"""Weights in a buffer start at multiples of this, so that each starts a line of the cache."""

OTHERS = 8.0
"""How much higher the rate of all other weights is than that of a matrix of the base width. Chosen
by measurement: benchmarks/width_transfer.py."""

AllReduce = Callable[[Tensor], None]
"""Replaces a tensor by its sum over all processes."""


class FlatWeights:
    """A model's trained weights, their fp32 masters, average and gradients, each in one buffer.

    A bf16 weight loses updates smaller than a 256th of itself; the fp32 master keeps them
    (Micikevicius et al. 2018, section 3.1). A model that is fp32 already is its own master.

    Gradients are sums over tokens, kept in fp32. The buffer of the gradients ends with the sum of
    the token losses and the number of tokens, so that one ``all_reduce`` sums all three.

    Args:
        groups: The weights, all of one floating type and on one device. The weights of a group
            stand side by side.
        ema: Share of the updates so far over which the masters are averaged; 0 does not average.
    """

    def __init__(self, groups: Sequence[Sequence[nn.Parameter]], ema: float = 0.0) -> None:
        self.weights = [weight for group in groups for weight in group]
        size = _size(self.weights)
        self._weights = self.weights[0].new_zeros(size, requires_grad=False)
        for weight, view in zip(self.weights, self._views(self._weights), strict=True):
            view.copy_(weight.detach())
        self._use(self._weights)
        is_own_master = self._weights.dtype == torch.float32
        self.masters = self._weights if is_own_master else self._weights.float()
        self._peak_ema = ema
        # A CUDA graph reads it from the GPU's memory at each update.
        self._ema = torch.tensor(ema, dtype=torch.float32, device=self.masters.device)
        self.averages = self.masters.clone() if ema > 0 else None
        """Average of the masters after each update."""
        self.sums = self.masters.new_zeros(size + 2)
        """Gradients, loss and tokens, summed over what was added since ``zero``."""
        self.gradients = self.sums[:size]
        self._gradients = self._views(self.gradients)
        self.loss, self.num_tokens = self.sums[size:].unbind()
        # A CUDA graph makes the same calls each time: it adds to zeros. Elsewhere the first
        # gradients are copied, which saves writing the zeros and reading them.
        self._adds_to_zeros = is_gpu(self.sums)
        self._is_empty = not self._adds_to_zeros

    @torch.no_grad()
    def add(self, loss: Tensor, num_tokens: Tensor | int) -> None:
        """Adds a loss and its gradients.

        It launches the same kernels each time and does not wait for them, so that a CUDA graph can
        hold it.

        Args:
            loss: Sum over the losses of the tokens.
            num_tokens: Number of the tokens.
        """
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss, self.weights)
        if self._is_empty:
            copy_each(self._gradients, gradients)
            self._is_empty = False
        else:
            add_each(self._gradients, gradients)
        self.loss.add_(loss)
        self.num_tokens.add_(num_tokens)

    def zero(self) -> None:
        """Forgets what was added."""
        if self._adds_to_zeros:
            self.sums.zero_()
        else:
            self._is_empty = True
            self.sums[-2:].zero_()

    def publish(self) -> None:
        """Copies the masters to the weights."""
        if self._weights is not self.masters:
            self._weights.copy_(self.masters)

    def scale_ema(self, factor: float) -> None:
        """Has the next updates averaged over a share of ``ema``."""
        if self.averages is not None:
            self._ema.fill_(self._peak_ema * factor)

    def average(self, num_updates: Tensor) -> None:
        """Takes the masters into their average.

        The newest weights after update t have the share 1 - (1 - 1/t)^(1/ema - 1), so that the
        mean age of all comes to t times ``ema`` (Karras et al. 2024, section 3.1, whose gamma is
        1/ema - 2).

        Args:
            num_updates: Updates so far, at least one. Read on the device, as a CUDA graph must.
        """
        if self.averages is not None:
            kept = (1.0 / self._ema - 1.0) * torch.log1p(-1.0 / num_updates)
            self.averages.lerp_(self.masters, -torch.expm1(kept))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Lets the model compute with the average meanwhile, if there is one."""
        if self.averages is None:
            yield
            return
        # What is made in inference mode could not be trained on.
        with torch.inference_mode(mode=False):
            averages = self.averages.to(self._weights.dtype)
        self._use(averages)
        try:
            yield
        finally:
            self._use(self._weights)

    def _use(self, buffer: Tensor) -> None:
        """Lets the model compute with the numbers of a buffer."""
        with torch.inference_mode(mode=False):
            for weight, view in zip(self.weights, self._views(buffer), strict=True):
                weight.data = view

    def full_precision(self, model: nn.Module) -> dict[str, Tensor]:
        """Returns the weights that validations judge by name, fp32, on the CPU."""
        judged = self.masters if self.averages is None else self.averages
        views = dict(zip(map(id, self.weights), self._views(judged), strict=True))
        return {
            name: views[id(weight)].to("cpu", copy=True)
            for name, weight in model.named_parameters()
        }

    def _views(self, buffer: Tensor) -> tuple[Tensor, ...]:
        """Returns each weight's part of a buffer, in its shape."""
        parts = torch.split(buffer.detach(), [_room(weight) for weight in self.weights])
        return tuple(
            part[: weight.numel()].view(weight.shape)
            for part, weight in zip(parts, self.weights, strict=True)
        )


class MasterAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019) on ``FlatWeights``, with clipping.

    ``add_gradients`` is called for each batch of an update, then ``step``. The update follows the
    mean of the gradients over all tokens of all batches, in all processes. On a GPU it runs as a
    CUDA graph from the second step on.

    Weights of one decay and one multiplier are one parameter group.

    Args:
        parameters: The model's weights, all of one floating type and on one device.
        lr: Learning rate.
        beta2: Decay of the second moment.
        weight_decay: Decoupled decay, on matrices alone. What a step takes off them is this times
            the learning rate, whatever their multipliers.
        clip_norm: Largest norm of the whole gradient; 0 does not clip.
        ema: Share of the updates so far over which the weights are averaged; 0 does not average.
        multipliers: What the learning rate of a weight is multiplied by, if not by one.
        all_reduce: Sums over the processes that train together, if there are several.
    """

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        beta2: float,
        weight_decay: float,
        clip_norm: float,
        ema: float = 0.0,
        multipliers: Mapping[Tensor, float] | None = None,
        all_reduce: AllReduce | None = None,
    ) -> None:
        kinds = _by_kind(parameters, multipliers or {})
        self._flat = FlatWeights(list(kinds.values()), ema)
        self._clip_norm = clip_norm
        self._all_reduce = all_reduce
        device = self._flat.masters.device
        self._update_graph = GraphedCall() if is_gpu(device) else None
        self.loss = torch.zeros((), dtype=torch.float32, device=device)
        """Mean loss over the tokens of the last update."""
        self.grad_norm = torch.zeros_like(self.loss)
        """Norm of the gradient of the last update, before clipping."""
        groups = [
            {
                "params": [self._master(part)],
                # A CUDA graph reads it from the GPU's memory at each step.
                "lr": torch.tensor(lr * multiplier, dtype=torch.float32, device=device),
                "peak_lr": lr * multiplier,
                "weight_decay": weight_decay / multiplier if is_matrix else 0.0,
            }
            for (is_matrix, multiplier), part in zip(kinds, _parts(kinds.values()), strict=True)
        ]
        super().__init__(
            groups, betas=(0.9, beta2), eps=1e-8, fused=True, capturable=is_gpu(device)
        )

    def _master(self, part: slice) -> Tensor:
        master = self._flat.masters[part].requires_grad_()
        master.grad = self._flat.gradients[part]
        return master

    def add_gradients(self, loss: Tensor, num_tokens: Tensor | int) -> None:
        """Adds the gradients of a batch to those of the next update.

        Args:
            loss: Sum over the losses of the batch's target tokens.
            num_tokens: Number of the target tokens.
        """
        self._flat.add(loss, num_tokens)

    def scale_ema(self, factor: float) -> None:
        """Has the next updates averaged over a share of ``ema``; a factor of 0 does not average."""
        self._flat.scale_ema(factor)

    def scale_learning_rates(self, factor: float) -> None:
        """Sets all learning rates to a share of their peaks."""
        for group in self.param_groups:
            group["lr"].fill_(group["peak_lr"] * factor)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - the closure's
        """Updates the masters, and the weights from them, by the gradients that were added."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        if self._all_reduce is not None:
            self._all_reduce(self._flat.sums)
        if self._update_graph is None:
            self._update()
        else:
            self._update_graph(self._update)
        return result

    def _update(self) -> None:
        """Launches the same kernels each time and does not wait for them."""
        flat = self._flat
        scale = 1.0 / flat.num_tokens.clamp_min(1.0)
        self.loss.copy_(flat.loss * scale)
        self.grad_norm.copy_(torch.linalg.vector_norm(flat.gradients) * scale)
        if self._clip_norm > 0:
            scale = scale * (self._clip_norm / (self.grad_norm + 1e-6)).clamp(max=1.0)
        flat.gradients.mul_(scale)
        super().step()
        # All parameters have made the same number of updates.
        flat.average(next(iter(self.state.values()))["step"])
        flat.publish()
        flat.zero()

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - torch's signature
        """Forgets the gradients that were added."""
        self._flat.zero()

    def averaged(self) -> AbstractContextManager[None]:
        """Lets the model compute with the averaged weights meanwhile, if there are any."""
        return self._flat.averaged()

    def full_precision(self, model: nn.Module) -> dict[str, Tensor]:
        """Returns the weights that validations judge by name, fp32, on the CPU."""
        return self._flat.full_precision(model)

    def state_dict(self) -> dict[str, Any]:
        """Returns AdamW's state, the masters, and their average if there is one."""
        state = {**super().state_dict(), "masters": self._flat.masters.detach()}
        averages = self._flat.averages
        return state if averages is None else {**state, "averages": averages}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned, the weights too."""
        state = dict(state_dict)
        masters, averages = state.pop("masters"), state.pop("averages", None)
        super().load_state_dict(state)
        for group in self.param_groups:
            group["lr"] = group["lr"].to(self.loss.device)
        self._flat.masters.copy_(masters)
        if self._flat.averages is not None:
            self._flat.averages.copy_(averages)
        self._flat.publish()


def rate_multipliers(model: Transformer, scale: LearningRateScale) -> dict[Tensor, float]:
    """Returns what the learning rate of each weight is multiplied by; those left out have one.

    With Adam each entry of a matrix moves by the learning rate, so that the output of a layer moves
    by that times the number of its inputs: a rate that suits one width is too high for a larger one
    (Yang et al. 2021, section 4). With the scale ``width`` the rate of the layers' matrices goes
    with the inverse of their fan-in (ibid., table 8, Adam), and that of all other weights is the
    same at every width: embeddings, biases and norms, whose fan-in is one, and the output layer,
    which mostly is the embeddings again.

    Args:
        model: The model that is trained.
        scale: How the learning rate depends on the width.
    """
    if scale == "plain":
        return {}
    others: dict[Tensor, float] = dict.fromkeys(model.parameters(), OTHERS)
    return others | {linear.weight: base / linear.in_features for linear, base in _hidden(model)}


def _hidden(model: Transformer) -> Iterator[tuple[nn.Linear, int]]:
    """Yields the matrices of the layers, and the fan-in at which their multiplier is one."""
    for module in model.modules():
        if isinstance(module, PositionwiseFeedForward):
            yield module.inner, BASE_WIDTH
            yield module.output, BASE_INNER_WIDTH
        elif isinstance(module, MultiHeadAttention):
            for projection in module.children():
                assert isinstance(projection, nn.Linear)
                yield projection, BASE_WIDTH


def _by_kind(
    parameters: Iterable[nn.Parameter], multipliers: Mapping[Tensor, float]
) -> dict[tuple[bool, float], list[nn.Parameter]]:
    """Groups the weights that are trained by whether they are matrices, and by multiplier."""
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


def _parts(groups: Iterable[Sequence[Tensor]]) -> Iterator[slice]:
    """Yields the part of a buffer that the weights of each group take."""
    start = 0
    for weights in groups:
        stop = start + _size(weights)
        yield slice(start, stop)
        start = stop
