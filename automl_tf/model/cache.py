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

# Positions that the cache grows by, and the fewest keys that attention looks at: below that the
# CPU's batched products and softmax fall back to loops that take longer for less.
CHUNK = 16


@dataclass
class LayerCache:
    """Keys and values of one decoder layer.

    On the CPU they are fp32 whatever the model is: products of a single query are bound by calls
    and memory, and the kernels of bf16 are slower at both.

    Attributes:
        key_RHTK: Keys of the target, zero at positions that are still to come.
        value_RHTV: Values of the target, likewise.
        memory_key_BHSK: Keys of the source, once for all rows of a sentence.
        memory_value_BHSV: Values of the source, likewise.
    """

    key_RHTK: Tensor
    value_RHTV: Tensor
    memory_key_BHSK: Tensor
    memory_value_BHSV: Tensor

    @classmethod
    def start(cls, key_BHSK: Tensor, value_BHSV: Tensor, rows_per_sentence: int) -> "LayerCache":
        """No target position yet, beside the source's keys and values."""
        is_slow_type = key_BHSK.dtype == torch.bfloat16 and not key_BHSK.is_cuda
        dtype = torch.float32 if is_slow_type else key_BHSK.dtype
        num_sentences, num_heads = key_BHSK.shape[:2]
        shape_RHT = (num_sentences * rows_per_sentence, num_heads, CHUNK)
        return cls(
            key_BHSK.new_zeros(*shape_RHT, key_BHSK.shape[-1], dtype=dtype),
            value_BHSV.new_zeros(*shape_RHT, value_BHSV.shape[-1], dtype=dtype),
            _filled_up(key_BHSK, dtype),
            _filled_up(value_BHSV, dtype),
        )

    def grow(self) -> None:
        """Makes room for more target positions."""
        self.key_RHTK = F.pad(self.key_RHTK, (0, 0, 0, CHUNK))
        self.value_RHTV = F.pad(self.value_RHTV, (0, 0, 0, CHUNK))

    def select_rows(self, rows_R: Tensor) -> None:
        """Goes on with these rows."""
        self.key_RHTK = self.key_RHTK.index_select(0, rows_R)
        self.value_RHTV = self.value_RHTV.index_select(0, rows_R)

    def select_sentences(self, sentences_B: Tensor) -> None:
        """Goes on with the sources of these sentences."""
        self.memory_key_BHSK = self.memory_key_BHSK.index_select(0, sentences_B)
        self.memory_value_BHSV = self.memory_value_BHSV.index_select(0, sentences_B)


def _filled_up(x_BHSX: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy with at least as many positions as attention looks at."""
    num_sentences, num_heads, length, width = x_BHSX.shape
    filled = x_BHSX.new_empty(num_sentences, num_heads, max(CHUNK, length), width, dtype=dtype)
    filled[:, :, :length] = x_BHSX
    filled[:, :, length:] = 0.0
    return filled


@dataclass
class DecoderCache:
    """The state of incremental decoding.

    Attributes:
        layers: The decoder's layers, bottom first.
        padding_BH1S: Added to the scores of the source's keys.
        future_11T: Added to the scores of the target's keys: minus infinity where they are still to
            come.
        rows_per_sentence: Rows decoded for each sentence.
        max_length: Most target positions there may be.
        length: Target positions decoded so far.
    """

    layers: list[LayerCache]
    padding_BH1S: Tensor
    future_11T: Tensor
    rows_per_sentence: int
    max_length: int
    length: int = 0

    @classmethod
    def start(
        cls,
        memory: Sequence[tuple[Tensor, Tensor]],
        padding_B11S: Tensor | None,
        rows_per_sentence: int,
        max_length: int,
    ) -> "DecoderCache":
        """Nothing decoded yet.

        Args:
            memory: The source's keys BHSK and values BHSV for each layer.
            padding_B11S: Added to the scores of the source's keys, or None if there is no padding.
            rows_per_sentence: Rows to decode for each sentence.
            max_length: Most target positions there may be.
        """
        layers = [LayerCache.start(key, value, rows_per_sentence) for key, value in memory]
        num_sentences, num_heads, length, _ = memory[0][0].shape
        bias_BH1S = layers[0].memory_key_BHSK.new_zeros(num_sentences, num_heads, 1, length)
        if padding_B11S is not None:
            bias_BH1S += padding_B11S
        num_keys = layers[0].memory_key_BHSK.shape[2]
        return cls(
            layers,
            F.pad(bias_BH1S, (0, num_keys - length), value=-torch.inf),
            bias_BH1S.new_full((1, 1, CHUNK), -torch.inf),
            rows_per_sentence,
            max_length,
        )

    @property
    def num_keys(self) -> int:
        """Target positions that attention looks at in the present step."""
        return max(CHUNK, self.length + 1)

    def open_step(self) -> None:
        """Prepares the keys and values of one more position."""
        assert self.length < self.max_length, "the cache is full"
        if self.length == self.future_11T.shape[-1]:
            self.future_11T = F.pad(self.future_11T, (0, CHUNK), value=-torch.inf)
            for layer in self.layers:
                layer.grow()
        self.future_11T[:, :, self.length] = 0.0

    def reorder(self, rows_R: Tensor) -> None:
        """Puts row ``rows_R[r]`` into the place of row r; no row leaves its sentence."""
        for layer in self.layers:
            layer.select_rows(rows_R)

    def keep(self, sentences_B: Tensor) -> None:
        """Goes on with these sentences (all their rows), in the order given."""
        offsets_N = torch.arange(self.rows_per_sentence, device=sentences_B.device)
        rows_R = (sentences_B[:, None] * self.rows_per_sentence + offsets_N).flatten()
        for layer in self.layers:
            layer.select_rows(rows_R)
            layer.select_sentences(sentences_B)
        self.padding_BH1S = self.padding_BH1S.index_select(0, sentences_B)
