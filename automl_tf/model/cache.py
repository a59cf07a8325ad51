"""What decoding keeps between two steps, so that no position is computed twice.

Shapes: B sentences, R rows decoded side by side (the same number for each sentence, sentence by
sentence), H heads, T target positions, S source positions, K and V widths of a head, X either of
both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from automl_tf.device import is_gpu, single_query_dtype
from automl_tf.model.masks import additive, causal_mask

KeysValues = tuple[Tensor, Tensor]
"""Keys BHSK and values BHSV."""

# The fewest keys that attention looks at: below that the CPU's batched products and softmax fall
# back to loops that take longer for less.
CHUNK = 16
FIRST_POSITIONS = 32
"""Positions that the cache has room for at first; then for twice as many each time."""


@dataclass(frozen=True)
class Memory:
    """The encoder's output as the decoder uses it.

    Attributes:
        layers: Keys BHSK and values BHSV for each decoder layer, bottom first.
        mask: Which source positions may be looked at, BH1S or B11S, or None if there is
            no padding.
    """

    layers: tuple[KeysValues, ...]
    mask: Tensor | None

    def filled_up(self, dtype: torch.dtype) -> "Memory":
        """The same for many steps: copied head by head, with at least `CHUNK` positions."""
        key_BHSK = self.layers[0][0]
        num_sentences, num_heads, length, _ = key_BHSK.shape
        num_new = max(0, CHUNK - length)
        mask = None
        if num_new or self.mask is not None:
            mask = key_BHSK.new_zeros(num_sentences, num_heads, 1, length, dtype=dtype)
            if self.mask is not None:
                mask += additive(self.mask, dtype)
            mask = F.pad(mask, (0, num_new), value=-torch.inf)
        layers = (
            (_filled_up(key, num_new, dtype), _filled_up(value, num_new, dtype))
            for key, value in self.layers
        )
        return Memory(tuple(layers), mask)

    def select(self, sentences_B: Tensor) -> "Memory":
        """That of some sentences, in the order given."""
        layers = (
            (key.index_select(0, sentences_B), value.index_select(0, sentences_B))
            for key, value in self.layers
        )
        mask = None if self.mask is None else self.mask.index_select(0, sentences_B)
        return Memory(tuple(layers), mask)


def _filled_up(x_BHSX: Tensor, num_new: int, dtype: torch.dtype) -> Tensor:
    num_sentences, num_heads, length, width = x_BHSX.shape
    filled = x_BHSX.new_empty(num_sentences, num_heads, length + num_new, width, dtype=dtype)
    filled[:, :, :length] = x_BHSX
    filled[:, :, length:] = 0.0
    return filled


@dataclass
class LayerCache:
    """Keys and values of one layer's self-attention.

    Attributes:
        key_RHTK: Keys of the target, with room for positions that are still to come.
        value_RHTV: Values of the target, likewise.
        masks: The first `CHUNK` rows of the causal mask, one for each position; none where few keys
            need not be filled up.
        length: Target positions decoded so far.
    """

    key_RHTK: Tensor
    value_RHTV: Tensor
    masks: Sequence[Tensor]
    length: int = 0

    def append(self, key_RH1K: Tensor, value_RH1V: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Adds a position; all keys and values so far, and the mask of those to come."""
        assert key_RH1K.shape[2] == 1, "a step decodes one position"
        position = self.length
        if position == self.key_RHTK.shape[2]:
            self.key_RHTK, self.value_RHTV = _doubled(self.key_RHTK), _doubled(self.value_RHTV)
        self.key_RHTK.narrow(2, position, 1).copy_(key_RH1K)
        self.value_RHTV.narrow(2, position, 1).copy_(value_RH1V)
        self.length += 1
        num_keys = max(self.length, len(self.masks))
        mask = self.masks[position] if position < len(self.masks) else None
        keys, values = self.key_RHTK, self.value_RHTV
        return keys.narrow(2, 0, num_keys), values.narrow(2, 0, num_keys), mask

    def copy_rows(self, places_M: Tensor, rows_M: Tensor) -> None:
        """Puts the positions so far of row ``rows_M[m]`` into the place of row ``places_M[m]``."""
        for x_RHTX in (self.key_RHTK, self.value_RHTV):
            filled_RHTX = x_RHTX.narrow(2, 0, self.length)
            filled_RHTX.index_copy_(0, places_M, filled_RHTX.index_select(0, rows_M))

    def shrink(self, num_rows: int) -> None:
        """Goes on with the first rows."""
        self.key_RHTK, self.value_RHTV = self.key_RHTK[:num_rows], self.value_RHTV[:num_rows]


def _with_room(like: Tensor, *shape: int) -> Tensor:
    """Memory for positions to come; the first ones may be looked at before they are there."""
    room_RHTX = like.new_empty(shape)
    room_RHTX.narrow(2, 0, CHUNK).zero_()
    return room_RHTX


def _doubled(x_RHTX: Tensor) -> Tensor:
    """The same with room for twice as many positions."""
    num_rows, num_heads, length, width = x_RHTX.shape
    doubled = x_RHTX.new_empty(num_rows, num_heads, 2 * length, width)
    doubled.narrow(2, 0, length).copy_(x_RHTX)
    return doubled


@dataclass
class DecoderCache:
    """The state of incremental decoding.

    A processor may be slower at attention in bf16 than in fp32 even if it is faster at larger
    products: then keys and values are fp32 beside a model in bf16. Those of the source always are
    on the CPU if several rows ask side by side.

    Attributes:
        memory: Keys and values of the source, once for all rows of a sentence.
        layers: Those of the target for each decoder layer, bottom first.
        rows_per_sentence: Rows decoded for each sentence.
        max_length: Most target positions there may be.
    """

    memory: Memory
    layers: Sequence[LayerCache]
    rows_per_sentence: int
    max_length: int

    @classmethod
    def start(cls, memory: Memory, rows_per_sentence: int, max_length: int) -> "DecoderCache":
        """Nothing decoded yet.

        Args:
            memory: What the encoder gave.
            rows_per_sentence: Rows to decode for each sentence.
            max_length: Most target positions there may be.
        """
        key_BHSK, value_BHSV = memory.layers[0]
        own_type = single_query_dtype(key_BHSK)
        is_fused = own_type == torch.bfloat16 and not is_gpu(key_BHSK)
        filled = memory.filled_up(torch.float32 if is_fused and rows_per_sentence > 1 else own_type)
        num_sentences, num_heads = key_BHSK.shape[:2]
        like = key_BHSK.new_zeros(0, dtype=own_type)
        shape_RHT = (num_sentences * rows_per_sentence, num_heads, FIRST_POSITIONS)
        masks = () if is_fused else causal_mask(CHUNK, like).unbind()
        layers = [
            LayerCache(
                _with_room(like, *shape_RHT, key_BHSK.shape[-1]),
                _with_room(like, *shape_RHT, value_BHSV.shape[-1]),
                masks,
            )
            for _ in memory.layers
        ]
        return cls(filled, layers, rows_per_sentence, max_length)

    @property
    def length(self) -> int:
        """Target positions decoded so far."""
        return self.layers[0].length

    @property
    def is_full(self) -> bool:
        """Whether there may be no more target positions."""
        return self.length == self.max_length

    def copy_rows(self, places_M: Tensor, rows_M: Tensor) -> None:
        """Puts row ``rows_M[m]`` into the place of row ``places_M[m]``, within its sentence."""
        for layer in self.layers:
            layer.copy_rows(places_M, rows_M)

    def keep(self, sentences_B: Tensor) -> None:
        """Goes on with these sentences (all their rows), in the order given.

        Those that keep their places are not copied.
        """
        places_B = torch.arange(len(sentences_B), device=sentences_B.device)
        is_moved_B = sentences_B != places_B
        self.copy_rows(self._rows(places_B[is_moved_B]), self._rows(sentences_B[is_moved_B]))
        for layer in self.layers:
            layer.shrink(len(sentences_B) * self.rows_per_sentence)
        self.memory = self.memory.select(sentences_B)

    def _rows(self, sentences_B: Tensor) -> Tensor:
        """The rows of some sentences."""
        offsets_N = torch.arange(self.rows_per_sentence, device=sentences_B.device)
        return (sentences_B[:, None] * self.rows_per_sentence + offsets_N).flatten()
