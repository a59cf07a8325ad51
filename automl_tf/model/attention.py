"""Attention (Vaswani et al. 2017, section 3.2).

Shapes: B sentences, T positions of the queries, S positions of keys and values, H heads, K width of
a head's queries and keys (d_k), V width of a head's values (d_v), X either of both, W all heads'
widths side by side, D d_model.
"""

import math

import torch
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.device import has_fused_kernels
from automl_tf.model.cache import KeysValues, LayerCache
from automl_tf.model.kernels.attention import fused_attention
from automl_tf.model.kernels.dropout import dropout
from automl_tf.model.masks import additive, causal_mask
from automl_tf.model.positions import Rotation


def scaled_dot_product_attention(
    query_BHTK: Tensor,
    key_BHSK: Tensor,
    value_BHSV: Tensor,
    mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    drop: float = 0.0,
) -> Tensor:
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V (section 3.2.1, equation 1), BHTV.

    Args:
        query_BHTK: Queries Q.
        key_BHSK: Keys K.
        value_BHSV: Values V.
        mask: Which keys a query may look at, see `masks.py`; broadcasts to BHTS.
        is_causal: Whether the mask is `causal_mask`; no other is given then.
        drop: Probability of dropping an attention weight.
    """
    assert mask is None or not is_causal, "padding after the end is in the future anyway"
    if has_fused_kernels(query_BHTK):
        # The same in less time.
        return fused_attention(
            query_BHTK, key_BHSK, value_BHSV, mask, is_causal=is_causal, drop=drop
        )
    if is_causal:
        mask = causal_mask(query_BHTK.shape[2], like=query_BHTK)
    weights_BHTS = attention_weights(query_BHTK, key_BHSK, mask)
    return dropout(weights_BHTS, drop, training=True) @ value_BHSV


def attention_weights(query_BHTK: Tensor, key_BHSK: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(Q K^T / sqrt(d_k) + M): the share that each query takes of each key's value, BHTS."""
    scores_BHTS = query_BHTK @ key_BHSK.mT / math.sqrt(query_BHTK.shape[-1])
    if mask is not None:
        scores_BHTS = scores_BHTS + additive(mask, scores_BHTS.dtype)
    return torch.softmax(scores_BHTS, dim=-1)


class MultiHeadAttention(nn.Module):
    """Several attentions side by side (section 3.2.2).

        MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W^O
        head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)

    The projections W^Q, W^K, W^V of all heads are columns of one matrix. Its two kinds are the
    model's three uses of attention (section 3.2.3): `SelfAttention` in the encoder, masked in the
    decoder, and `CrossAttention` of the decoder over the encoder's output.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.attention_dropout
        self.keys_width = config.num_heads * config.head_width
        self.values_width = config.num_heads * config.value_width
        self.output = nn.Linear(self.values_width, config.d_model)

    def split_heads(self, packed_BTW: Tensor, num_sentences: int | None = None) -> Tensor:
        """The heads' parts of a projection, BHTX.

        Args:
            packed_BTW: The projection; RW for one position of each of R rows, which is RH1X then.
            num_sentences: Sentences B, if several rows are one's.
        """
        num_rows, width = num_sentences or packed_BTW.shape[0], packed_BTW.shape[-1]
        heads_BTHX = packed_BTW.view(num_rows, -1, self.num_heads, width // self.num_heads)
        return heads_BTHX.transpose(1, 2)

    def attend(
        self,
        query_BHTK: Tensor,
        key_BHSK: Tensor,
        value_BHSV: Tensor,
        mask: Tensor | None,
        *,
        shape: torch.Size,
        is_causal: bool = False,
    ) -> Tensor:
        """Concat(head_1, ..., head_h) W^O, BTD; the shape is that of BT."""
        heads_BHTV = scaled_dot_product_attention(
            query_BHTK,
            key_BHSK,
            value_BHSV,
            mask,
            is_causal=is_causal,
            drop=self.dropout if self.training else 0.0,
        )
        concatenated_BTW = heads_BHTV.transpose(1, 2).reshape(*shape, self.values_width)
        attended_BTD: Tensor = self.output(concatenated_BTW)
        return attended_BTD


class SelfAttention(MultiHeadAttention):
    """Attention of a sequence over itself: queries, keys and values are projections of it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.widths = [self.keys_width, self.keys_width, self.values_width]
        self.query_key_value = nn.Linear(config.d_model, sum(self.widths))
        initialise_projections(self.query_key_value, self.widths)
        initialise_projections(self.output, [config.d_model])

    def forward(
        self,
        x_BTD: Tensor,
        mask: Tensor | None = None,
        *,
        is_causal: bool = False,
        rotation: Rotation | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """Each position's mixture of the positions that it may look at, BTD.

        Args:
            x_BTD: The sequence; with a cache the newest position of each row, RD.
            mask: Which positions may be looked at, for sequences of unequal length.
            is_causal: Whether a position looks at itself and what stands before it alone.
            rotation: Rotary positions, if the model has them.
            cache: Keys and values of the positions before, which those of this one join.
        """
        packed = self.query_key_value(x_BTD).split(self.widths, dim=-1)
        query_BHTK, key_BHTK, value_BHTV = (self.split_heads(part) for part in packed)
        if rotation is not None:
            query_BHTK, key_BHTK = rotation.turn(query_BHTK), rotation.turn(key_BHTK)
        if cache is not None:
            key_BHTK, value_BHTV, mask = cache.append(key_BHTK, value_BHTV)
            is_causal = False
        return self.attend(
            query_BHTK, key_BHTK, value_BHTV, mask, shape=x_BTD.shape[:-1], is_causal=is_causal
        )


class CrossAttention(MultiHeadAttention):
    """Attention of the decoder over the encoder's output, whose keys and values are made once."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.widths = [self.keys_width, self.values_width]
        self.query = nn.Linear(config.d_model, self.keys_width)
        self.key_value = nn.Linear(config.d_model, sum(self.widths))
        initialise_projections(self.query, [self.keys_width])
        initialise_projections(self.key_value, self.widths)
        initialise_projections(self.output, [config.d_model])

    def keys_and_values(self, encoded_BSD: Tensor) -> KeysValues:
        """The keys BHSK and values BHSV of the encoder's output."""
        key_BSW, value_BSW = self.key_value(encoded_BSD).split(self.widths, dim=-1)
        return self.split_heads(key_BSW), self.split_heads(value_BSW)

    def forward(self, x_BTD: Tensor, keys_values: KeysValues, mask: Tensor | None = None) -> Tensor:
        """Each target position's mixture of the source positions, BTD.

        Args:
            x_BTD: The target, or the newest position of each row, RD. Rows of one source, as a beam
                has them, stand next to each other and ask side by side.
            keys_values: What `keys_and_values` made of the source.
            mask: Which source positions may be looked at.
        """
        query_BHTK = self.split_heads(self.query(x_BTD), keys_values[0].shape[0])
        return self.attend(query_BHTK, *keys_values, mask, shape=x_BTD.shape[:-1])

    def weights(self, x_BTD: Tensor, key_BHSK: Tensor, mask: Tensor | None = None) -> Tensor:
        """The share that each head takes of each source position for a target position, BHTS."""
        return attention_weights(self.split_heads(self.query(x_BTD)), key_BHSK, mask)


def initialise_projections(linear: nn.Linear, widths: list[int]) -> None:
    """Xavier's uniform weights for each of the projections that a layer packs, biases zero.

    Each has the bound of its own width, as if it were a layer of its own (Glorot & Bengio 2010).
    """
    for weight in torch.split(linear.weight, widths):
        nn.init.xavier_uniform_(weight)
    nn.init.zeros_(linear.bias)
