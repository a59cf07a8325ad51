"""The layers of encoder and decoder (Vaswani et al. 2017, section 3.1).

Shapes: B sentences, S source positions, T target positions, H heads, D d_model.
"""

from collections.abc import Callable

from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.attention import CrossAttention, SelfAttention
from automl_tf.model.cache import KeysValues, LayerCache
from automl_tf.model.feed_forward import PositionwiseFeedForward
from automl_tf.model.kernels.dropout import add_dropped
from automl_tf.model.positions import Rotation


class ResidualLayerNorm(nn.Module):
    """The residual connection round a sub-layer, with its dropout and layer normalisation.

    post-norm: LayerNorm(x + Dropout(Sublayer(x)))     (Vaswani et al. 2017, 3.1 and 5.4)
    pre-norm:  x + Dropout(Sublayer(LayerNorm(x)))     (Xiong et al. 2020)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.normalises_before = config.norm == "pre"
        self.dropout = config.dropout
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor, sub_layer: Callable[[Tensor], Tensor]) -> Tensor:
        """One of the two sums, (..., D)."""
        output = sub_layer(self.sub_layer_input(x))
        total = add_dropped(x, output, self.dropout, training=self.training)
        return total if self.normalises_before else self.norm(total)

    def sub_layer_input(self, x: Tensor) -> Tensor:
        """What the sub-layer is given, (..., D)."""
        return self.norm(x) if self.normalises_before else x


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward network (section 3.1, "Encoder")."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.feed_forward = PositionwiseFeedForward(config)
        self.self_attention_residual = ResidualLayerNorm(config)
        self.feed_forward_residual = ResidualLayerNorm(config)

    def forward(
        self, x_BSD: Tensor, mask: Tensor | None = None, rotation: Rotation | None = None
    ) -> Tensor:
        """The layer's output, BSD."""
        x_BSD = self.self_attention_residual(
            x_BSD, lambda y_BSD: self.self_attention(y_BSD, mask, rotation=rotation)
        )
        output_BSD: Tensor = self.feed_forward_residual(x_BSD, self.feed_forward)
        return output_BSD


class DecoderLayer(nn.Module):
    """Masked self-attention, attention over the encoder's output, feed-forward network.

    (Section 3.1, "Decoder".)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config)
        self.cross_attention = CrossAttention(config)
        self.feed_forward = PositionwiseFeedForward(config)
        self.self_attention_residual = ResidualLayerNorm(config)
        self.cross_attention_residual = ResidualLayerNorm(config)
        self.feed_forward_residual = ResidualLayerNorm(config)

    def forward(
        self,
        x_BTD: Tensor,
        memory: KeysValues,
        mask: Tensor | None = None,
        rotation: Rotation | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """The layer's output, BTD.

        Args:
            x_BTD: The target; with a cache the newest position of each row, RD.
            memory: What `CrossAttention.keys_and_values` made of the encoder's output.
            mask: Which positions of the source may be looked at.
            rotation: Rotary positions, if the model has them.
            cache: What self-attention has seen of the target before.
        """
        x_BTD = self._attend_to_itself(x_BTD, rotation, cache)
        x_BTD = self.cross_attention_residual(
            x_BTD, lambda y_BTD: self.cross_attention(y_BTD, memory, mask)
        )
        output_BTD: Tensor = self.feed_forward_residual(x_BTD, self.feed_forward)
        return output_BTD

    def source_weights(
        self,
        x_BTD: Tensor,
        memory: KeysValues,
        mask: Tensor | None = None,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """The weights of the attention over the encoder's output, for the same input, BHTS."""
        x_BTD = self._attend_to_itself(x_BTD, rotation)
        y_BTD = self.cross_attention_residual.sub_layer_input(x_BTD)
        return self.cross_attention.weights(y_BTD, memory[0], mask)

    def _attend_to_itself(
        self, x_BTD: Tensor, rotation: Rotation | None, cache: LayerCache | None = None
    ) -> Tensor:
        attended_BTD: Tensor = self.self_attention_residual(
            x_BTD,
            lambda y_BTD: self.self_attention(
                y_BTD, is_causal=True, rotation=rotation, cache=cache
            ),
        )
        return attended_BTD
