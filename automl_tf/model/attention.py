"""Scaled dot-product and multi-head attention (Vaswani et al. 2017, section 3.2).

Shapes: B sentences, Q query positions, S key positions, T positions of self-attention, H heads,
K width of a head's queries and keys (d_k), V width of a head's values (d_v), D d_model,
R rows decoded side by side, N rows of one sentence (R = B N).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.cache import LayerCache
from automl_tf.model.dropout import dropout
from automl_tf.model.positions import Rotation

# On the CPU the fused kernel's backward is many times slower than plain products at the length of
# a sentence (in bf16); beyond this length the products' quadratic memory weighs more.
LONGEST_PLAIN_PRODUCT = 512


def attend(
    query_BHQK: Tensor,
    key_BHSK: Tensor,
    value_BHSV: Tensor,
    padding_B11S: Tensor | None = None,
    *,
    is_causal: bool = False,
    drop: float = 0.0,
) -> Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

    Args:
        query_BHQK: Queries.
        key_BHSK: Keys.
        value_BHSV: Values.
        padding_B11S: What `padding_bias` gives, or None if there is no padding.
        is_causal: Whether a query sees the keys up to its own position only (section 3.2.3).
        drop: Probability of dropping an attention weight.

    Returns:
        The values' weighted sums, BHQV.
    """
    assert padding_B11S is None or not is_causal, "padding after the end is in the future anyway"
    num_queries, num_keys = query_BHQK.shape[2], key_BHSK.shape[2]
    if query_BHQK.is_cuda or max(num_queries, num_keys) > LONGEST_PLAIN_PRODUCT:
        return F.scaled_dot_product_attention(
            query_BHQK, key_BHSK, value_BHSV, padding_B11S, drop, is_causal
        )
    scores_BHQS = (query_BHQK * query_BHQK.shape[-1] ** -0.5) @ key_BHSK.mT
    if is_causal:
        scores_BHQS = scores_BHQS + future_bias(num_queries, like=scores_BHQS)
    if padding_B11S is not None:
        scores_BHQS = scores_BHQS + padding_B11S
    weights_BHQS = torch.softmax(scores_BHQS, dim=-1)
    return dropout(weights_BHQS, drop, training=True) @ value_BHSV


def future_bias(length: int, like: Tensor) -> Tensor:
    """The matrix that hides the future: minus infinity above the diagonal, zero elsewhere."""
    bias_QS = torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device)
    return bias_QS.triu_(1)


def padding_bias(is_padding_BS: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores of padded keys, B11S.

    The lowest finite number has the effect of minus infinity, yet a row with nothing but padding
    stays finite.
    """
    bias_BS = torch.zeros(is_padding_BS.shape, dtype=dtype, device=is_padding_BS.device)
    return bias_BS.masked_fill_(is_padding_BS, torch.finfo(dtype).min)[:, None, None, :]


def attend_once(
    query_BNHK: Tensor, key_SBNHK: Tensor, value_SBNHV: Tensor, padding_SB11: Tensor | None
) -> Tensor:
    """Attention of one query position in each row, BNHV.

    Element-wise products with time first are faster on the CPU than many products of a matrix
    and a vector. Keys and values broadcast over the rows of a sentence.
    """
    scaled_BNHK = query_BNHK * query_BNHK.shape[-1] ** -0.5
    scores_SBNH = (key_SBNHK * scaled_BNHK).sum(dim=-1)
    if padding_SB11 is not None:
        scores_SBNH = scores_SBNH + padding_SB11
    weights_SBNH = torch.softmax(scores_SBNH, dim=0)
    return (value_SBNHV * weights_SBNH[..., None]).sum(dim=0)


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
        return packed_BTW.view(*packed_BTW.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, *, is_causal: bool
    ) -> Tensor:
        drop = self.dropout if self.training else 0.0
        mixed_BHQV = attend(query, key, value, padding, is_causal=is_causal, drop=drop)
        mixed_BQD: Tensor = self.output(mixed_BHQV.transpose(1, 2).flatten(2))
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
        query_BHTK, key_BHTK, value_BHTV = (self._split_heads(part) for part in packed)
        if rotation is not None:
            query_BHTK, key_BHTK = rotation.turn(query_BHTK), rotation.turn(key_BHTK)
        return self._attend(query_BHTK, key_BHTK, value_BHTV, padding_B11T, is_causal=is_causal)

    def step(
        self, x_RD: Tensor, cache: LayerCache, position: int, rotation: Rotation | None
    ) -> Tensor:
        """The newest position's mixture, RD; its keys and values join the cache."""
        packed = self.query_key_value(x_RD).split(self.widths, dim=-1)
        query_RHK, key_RHK, value_RHV = (
            part.unflatten(-1, (self.num_heads, -1)) for part in packed
        )
        if rotation is not None:
            query_RHK, key_RHK = rotation.turn(query_RHK), rotation.turn(key_RHK)
        cache.key_TRHK[position] = key_RHK
        cache.value_TRHV[position] = value_RHV
        mixed_1RHV = attend_once(
            query_RHK[None],
            cache.key_TRHK[: position + 1, None],
            cache.value_TRHV[: position + 1, None],
            None,
        )
        mixed_RD: Tensor = self.output(mixed_1RHV[0].flatten(1))
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
        """The keys BHSK and values BHSV of the encoder's output."""
        key_BSW, value_BSW = self.key_value(encoded_BSD).split(self.widths, dim=-1)
        return self._split_heads(key_BSW), self._split_heads(value_BSW)

    def forward(
        self,
        x_BTD: Tensor,
        key_BHSK: Tensor,
        value_BHSV: Tensor,
        padding_B11S: Tensor | None = None,
    ) -> Tensor:
        """Each target position's mixture of the source positions, BTD."""
        query_BHTK = self._split_heads(self.query(x_BTD))
        return self._attend(query_BHTK, key_BHSK, value_BHSV, padding_B11S, is_causal=False)

    def step(self, x_RD: Tensor, cache: LayerCache, padding_SB11: Tensor | None) -> Tensor:
        """The newest position's mixture of the source positions, RD."""
        num_sentences = cache.memory_key_SBHK.shape[1]
        query_BNHK = self.query(x_RD).view(num_sentences, -1, self.num_heads, self._key_width)
        mixed_BNHV = attend_once(
            query_BNHK,
            cache.memory_key_SBHK[:, :, None],
            cache.memory_value_SBHV[:, :, None],
            padding_SB11,
        )
        mixed_RD: Tensor = self.output(mixed_BNHV.reshape(len(x_RD), -1))
        return mixed_RD

    @property
    def _key_width(self) -> int:
        return self.keys_width // self.num_heads


def initialise_projections(linear: nn.Linear, widths: list[int]) -> None:
    """Xavier's uniform weights for each of the projections that a layer packs, biases zero.

    Each has the bound of its own width, as if it were a layer of its own (Glorot & Bengio 2010).
    """
    for weight in torch.split(linear.weight, widths):
        nn.init.xavier_uniform_(weight)
    nn.init.zeros_(linear.bias)
