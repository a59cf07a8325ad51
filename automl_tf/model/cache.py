"""What decoding keeps between two steps, so that no position is computed twice.

Shapes: T target positions, S source positions, B sentences, R rows decoded side by side (the same
number for each sentence, sentence by sentence), H heads, K and V widths of a head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class LayerCache:
    """Keys and values of one decoder layer; time comes first, so that a prefix is contiguous.

    Attributes:
        key_TRHK: Keys of the target, valid up to the cache's length.
        value_TRHV: Values of the target, likewise.
        memory_key_SBHK: Keys of the source, once for all rows of a sentence.
        memory_value_SBHV: Values of the source, likewise.
    """

    key_TRHK: Tensor
    value_TRHV: Tensor
    memory_key_SBHK: Tensor
    memory_value_SBHV: Tensor

    def select_rows(self, rows_R: Tensor, length: int) -> None:
        """Goes on with these rows; only the first positions are copied."""
        self.key_TRHK = _select_rows(self.key_TRHK, rows_R, length)
        self.value_TRHV = _select_rows(self.value_TRHV, rows_R, length)

    def select_sentences(self, sentences_B: Tensor) -> None:
        """Goes on with the sources of these sentences."""
        self.memory_key_SBHK = self.memory_key_SBHK.index_select(1, sentences_B)
        self.memory_value_SBHV = self.memory_value_SBHV.index_select(1, sentences_B)


def _select_rows(cached: Tensor, rows_R: Tensor, length: int) -> Tensor:
    selected = cached.new_empty(cached.shape[0], len(rows_R), *cached.shape[2:])
    torch.index_select(cached[:length], 1, rows_R, out=selected[:length])
    return selected


@dataclass
class DecoderCache:
    """The state of incremental decoding.

    Attributes:
        layers: The decoder's layers, bottom first.
        padding_SB11: Added to the scores of the source's keys, or None if there is no padding.
        rows_per_sentence: Rows decoded for each sentence.
        length: Target positions decoded so far.
    """

    layers: list[LayerCache]
    padding_SB11: Tensor | None
    rows_per_sentence: int
    length: int = 0

    @property
    def max_length(self) -> int:
        """Target positions that there is room for."""
        return self.layers[0].key_TRHK.shape[0]

    def reorder(self, rows_R: Tensor) -> None:
        """Puts row ``rows_R[r]`` into the place of row r; no row leaves its sentence."""
        for layer in self.layers:
            layer.select_rows(rows_R, self.length)

    def keep(self, sentences_B: Tensor) -> None:
        """Goes on with these sentences (all their rows), in the order given."""
        offsets_N = torch.arange(self.rows_per_sentence, device=sentences_B.device)
        rows_R = (sentences_B[:, None] * self.rows_per_sentence + offsets_N).flatten()
        for layer in self.layers:
            layer.select_rows(rows_R, self.length)
            layer.select_sentences(sentences_B)
        if self.padding_SB11 is not None:
            self.padding_SB11 = self.padding_SB11.index_select(1, sentences_B)
