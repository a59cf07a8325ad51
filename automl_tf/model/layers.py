"""The layers of encoder and decoder (Vaswani et al. 2017, sections 3.1 and 3.3).

Shapes: B sentences, S source positions, T target positions, R rows decoded side by side,
D d_model.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.attention import CrossAttention, SelfAttention, initialise_projections
from automl_tf.model.cache import DecoderCache, LayerCache
from automl_tf.model.dropout import add_dropped, dropout
from automl_tf.model.positions import Rotation

KeysValues = tuple[Tensor, Tensor]


class FeedForward(nn.Module):
    """The position-wise feed-forward network (Vaswani et al. 2017, section 3.3).

    With SwiGLU a second projection gates the inner units (Shazeer 2020), so that there are three
    matrices instead of two.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.dropout = config.activation_dropout
        widths = [config.d_ff, config.d_ff] if self.activation == "swiglu" else [config.d_ff]
        self.inner = nn.Linear(config.d_model, sum(widths))
        self.output = nn.Linear(config.d_ff, config.d_model)
        initialise_projections(self.inner, widths)
        initialise_projections(self.output, [config.d_model])

    def forward(self, x: Tensor) -> Tensor:
        """The network's output at each position, (..., D)."""
        inner = dropout(self._activate(self.inner(x)), self.dropout, training=self.training)
        output: Tensor = self.output(inner)
        return output

    def _activate(self, inner: Tensor) -> Tensor:
        if self.activation == "relu":
            return F.relu(inner)
        if self.activation == "gelu":
            return F.gelu(inner)
        gate, value = inner.chunk(2, dim=-1)
        return F.silu(gate) * value


class Residual(nn.Module):
    """The residual connection round a sub-layer, with its dropout and layer normalisation.

    Post-norm is the paper's order (Vaswani et al. 2017, section 3.1); pre-norm keeps the residual
    path free of it (Xiong et al. 2020).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.normalises_before = config.norm == "pre"
        self.dropout = config.dropout
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor, sub_layer: Callable[[Tensor], Tensor]) -> Tensor:
        """The sum of the input and the sub-layer's output, (..., D)."""
        total = self._add(x, sub_layer(self.read(x)))
        return total if self.normalises_before else self.norm(total)

    def read(self, x: Tensor) -> Tensor:
        """What the sub-layer is given, (..., D)."""
        return self.norm(x) if self.normalises_before else x

    def _add(self, x: Tensor, output: Tensor) -> Tensor:
        return add_dropped(x, output, self.dropout, training=self.training)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.feed_forward = FeedForward(config)
        self.self_attention_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self, x_BSD: Tensor, padding_B11S: Tensor | None = None, rotation: Rotation | None = None
    ) -> Tensor:
        """The layer's output, BSD."""
        x_BSD = self.self_attention_residual(
            x_BSD, lambda y_BSD: self.self_attention(y_BSD, padding_B11S, rotation=rotation)
        )
        output_BSD: Tensor = self.feed_forward_residual(x_BSD, self.feed_forward)
        return output_BSD


class DecoderLayer(nn.Module):
    """Masked self-attention, attention over the encoder's output, feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward = FeedForward(config)
        self.self_attention_residual = Residual(config)
        self.cross_attention_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self,
        x_BTD: Tensor,
        memory: KeysValues,
        padding_B11S: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """The layer's output, BTD; the memory is what ``keys_and_values`` made."""
        x_BTD = self._attend_to_itself(x_BTD, rotation)
        x_BTD = self.cross_attention_residual(
            x_BTD, lambda y_BTD: self.cross_attention(y_BTD, *memory, padding_B11S)
        )
        output_BTD: Tensor = self.feed_forward_residual(x_BTD, self.feed_forward)
        return output_BTD

    def source_weights(
        self,
        x_BTD: Tensor,
        memory: KeysValues,
        padding_B11S: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """The weights of the attention over the encoder's output, for the same input, BHTS."""
        x_BTD = self.cross_attention_residual.read(self._attend_to_itself(x_BTD, rotation))
        return self.cross_attention.weights(x_BTD, memory[0], padding_B11S)

    def _attend_to_itself(self, x_BTD: Tensor, rotation: Rotation | None) -> Tensor:
        attended_BTD: Tensor = self.self_attention_residual(
            x_BTD, lambda y_BTD: self.self_attention(y_BTD, is_causal=True, rotation=rotation)
        )
        return attended_BTD

    def step(
        self, x_RD: Tensor, layer: LayerCache, cache: DecoderCache, rotation: Rotation | None
    ) -> Tensor:
        """The layer's output at the newest position, RD."""
        x_RD = self.self_attention_residual(
            x_RD, lambda y_RD: self.self_attention.step(y_RD, layer, cache, rotation)
        )
        x_RD = self.cross_attention_residual(
            x_RD, lambda y_RD: self.cross_attention.step(y_RD, layer, cache)
        )
        output_RD: Tensor = self.feed_forward_residual(x_RD, self.feed_forward)
        return output_RD
