"""Multi-head attention (Vaswani et al. 2017, section 3.2.2).

Shapes: B sentences, Q query positions, S key positions, T positions of self-attention, H heads,
K width of a head's queries and keys (d_k), V width of a head's values (d_v), D d_model,
R rows decoded side by side, N rows of one sentence (R = B N).
"""

import torch
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.cache import DecoderCache, LayerCache
from automl_tf.model.dot_product import attend
from automl_tf.model.positions import Rotation


def attend_once(query_BHNK: Tensor, key_BHSK: Tensor, value_BHSV: Tensor, bias: Tensor) -> Tensor:
    """Attention without gradients for few queries, as one step of decoding has them, BHNV.

    Args:
        query_BHNK: Queries, N for each sentence.
        key_BHSK: Keys.
        value_BHSV: Values.
        bias: Added to the scores: broadcasts to (B H, N, S).
    """
    scores_WNS = torch.baddbmm(
        bias,
        query_BHNK.flatten(0, 1),
        key_BHSK.flatten(0, 1).mT,
        alpha=query_BHNK.shape[-1] ** -0.5,
    )
    mixed_WNV = torch.bmm(torch.softmax(scores_WNS, dim=-1), value_BHSV.flatten(0, 1))
    return mixed_WNV.view(*query_BHNK.shape[:2], *mixed_WNV.shape[1:])


class _MultiHeadAttention(nn.Module):
    """What self- and cross-attention have in common (Vaswani et al. 2017, section 3.2.2)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.attention_dropout
        self.keys_width = config.num_heads * config.head_width
        self.values_width = config.num_heads * config.value_width
        self.output = nn.Linear(self.values_width, config.d_model)

    def _split_heads(self, packed_BTW: Tensor) -> Tensor:
        return packed_BTW.view(*packed_BTW.shape[:2], self.num_heads, -1)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, *, is_causal: bool
    ) -> Tensor:
        drop = self.dropout if self.training else 0.0
        mixed_BQHV = attend(query, key, value, padding, is_causal=is_causal, drop=drop)
        mixed_BQD: Tensor = self.output(mixed_BQHV.flatten(2))
        return mixed_BQD


class SelfAttention(_MultiHeadAttention):
    """Attention of a sequence over itself, with one projection for queries, keys and values."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.widths = [self.keys_width, self.keys_width, self.values_width]
        self.query_key_value = nn.Linear(config.d_model, sum(self.widths))
        initialise_projections(self.query_key_value, self.widths)
        initialise_projections(self.output, [config.d_model])

    def forward(
        self,
        x_BTD: Tensor,
        padding_B11T: Tensor | None = None,
        *,
        is_causal: bool = False,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """Each position's mixture of the positions that it sees, BTD."""
        packed = self.query_key_value(x_BTD).split(self.widths, dim=-1)
        query_BTHK, key_BTHK, value_BTHV = (self._split_heads(part) for part in packed)
        if rotation is not None:
            query_BTHK = rotation.turn(query_BTHK.transpose(1, 2)).transpose(1, 2)
            key_BTHK = rotation.turn(key_BTHK.transpose(1, 2)).transpose(1, 2)
        return self._attend(query_BTHK, key_BTHK, value_BTHV, padding_B11T, is_causal=is_causal)

    def step(
        self, x_RD: Tensor, layer: LayerCache, cache: DecoderCache, rotation: Rotation | None
    ) -> Tensor:
        """The newest position's mixture, RD; its keys and values join the cache."""
        packed_RW = self.query_key_value(x_RD).to(layer.key_RHTK.dtype)
        query_RHK, key_RHK, value_RHV = (
            part.unflatten(-1, (self.num_heads, -1))
            for part in packed_RW.split(self.widths, dim=-1)
        )
        if rotation is not None:
            query_RHK, key_RHK = rotation.turn(query_RHK), rotation.turn(key_RHK)
        layer.key_RHTK[:, :, cache.length] = key_RHK
        layer.value_RHTV[:, :, cache.length] = value_RHV
        mixed_RH1V = attend_once(
            query_RHK[:, :, None],
            layer.key_RHTK[:, :, : cache.num_keys],
            layer.value_RHTV[:, :, : cache.num_keys],
            cache.future_11T[:, :, : cache.num_keys],
        )
        mixed_RD: Tensor = self.output(mixed_RH1V.flatten(1).to(x_RD.dtype))
        return mixed_RD


class CrossAttention(_MultiHeadAttention):
    """Attention of the decoder over the encoder's output, whose keys and values are made once."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.widths = [self.keys_width, self.values_width]
        self.query = nn.Linear(config.d_model, self.keys_width)
        self.key_value = nn.Linear(config.d_model, sum(self.widths))
        initialise_projections(self.query, [self.keys_width])
        initialise_projections(self.key_value, self.widths)
        initialise_projections(self.output, [config.d_model])

    def keys_and_values(self, encoded_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """The keys BSHK and values BSHV of the encoder's output."""
        key_BSW, value_BSW = self.key_value(encoded_BSD).split(self.widths, dim=-1)
        return self._split_heads(key_BSW), self._split_heads(value_BSW)

    def forward(
        self,
        x_BTD: Tensor,
        key_BSHK: Tensor,
        value_BSHV: Tensor,
        padding_B11S: Tensor | None = None,
    ) -> Tensor:
        """Each target position's mixture of the source positions, BTD."""
        query_BTHK = self._split_heads(self.query(x_BTD))
        return self._attend(query_BTHK, key_BSHK, value_BSHV, padding_B11S, is_causal=False)

    def weights(
        self, x_BTD: Tensor, key_BSHK: Tensor, padding_B11S: Tensor | None = None
    ) -> Tensor:
        """How much of each source position each head takes for each target position, BHTS."""
        query_BHTK = self._split_heads(self.query(x_BTD)).transpose(1, 2)
        scores_BHTS = query_BHTK @ key_BSHK.permute(0, 2, 3, 1) * query_BHTK.shape[-1] ** -0.5
        if padding_B11S is not None:
            scores_BHTS = scores_BHTS + padding_B11S
        return torch.softmax(scores_BHTS, dim=-1)

    def step(self, x_RD: Tensor, layer: LayerCache, cache: DecoderCache) -> Tensor:
        """The newest position's mixture of the source positions, RD."""
        query_RW = self.query(x_RD).to(layer.memory_key_BHSK.dtype)
        query_BNHK = query_RW.view(
            -1, cache.rows_per_sentence, self.num_heads, query_RW.shape[-1] // self.num_heads
        )
        mixed_BHNV = attend_once(
            query_BNHK.transpose(1, 2),
            layer.memory_key_BHSK,
            layer.memory_value_BHSV,
            cache.padding_BH1S.flatten(0, 1),
        )
        mixed_RW = mixed_BHNV.transpose(1, 2).reshape(len(x_RD), -1)
        mixed_RD: Tensor = self.output(mixed_RW.to(x_RD.dtype))
        return mixed_RD


def initialise_projections(linear: nn.Linear, widths: list[int]) -> None:
    """Xavier's uniform weights for each of the projections that a layer packs, biases zero.

    Each has the bound of its own width, as if it were a layer of its own (Glorot & Bengio 2010).
    """
    for weight in torch.split(linear.weight, widths):
        nn.init.xavier_uniform_(weight)
    nn.init.zeros_(linear.bias)
