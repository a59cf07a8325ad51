"""The encoder-decoder Transformer (Vaswani et al. 2017, section 3).

Shapes: B sentences, S source positions, T target positions, D d_model, V ids that can be
produced, R rows decoded side by side, H heads, K and V widths of a head.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.cache import DecoderCache
from automl_tf.model.dot_product import padding_bias
from automl_tf.model.dropout import dropout
from automl_tf.model.layers import DecoderLayer, EncoderLayer, KeysValues
from automl_tf.model.positions import (
    LearnedPositions,
    RotaryPositions,
    Rotation,
    SinusoidalPositions,
)
from automl_tf.model.size import VocabSizes

AddedPositions = SinusoidalPositions | LearnedPositions


@dataclass(frozen=True)
class Memory:
    """The encoder's output as the decoder uses it.

    Attributes:
        layers: Keys BSHK and values BSHV for each decoder layer, bottom first.
        padding_B11S: Added to the scores of the source's keys, or None if there is no padding.
    """

    layers: tuple[KeysValues, ...]
    padding_B11S: Tensor | None


class Transformer(nn.Module):
    """A sequence-to-sequence model of subword ids.

    Args:
        config: Widths, depths and options.
        vocab: Sizes of the vocabularies.
        max_length: Longest sequence in tokens, its begin or end symbol counted. A limit with
            learned positions alone.
        pad_id: Id that fills up short sentences, the same on both sides.
    """

    def __init__(
        self, config: ModelConfig, vocab: VocabSizes, max_length: int, pad_id: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.vocab = vocab
        self.max_length = max_length
        self.pad_id = pad_id
        self.target_embedding = self._new_embedding(vocab.target)
        self.source_embedding: nn.Embedding | None = None
        self.output: nn.Linear | None = None
        if not (config.tie_embeddings and vocab.joint):
            self.source_embedding = self._new_embedding(vocab.source)
        if not config.tie_embeddings:
            self.output = nn.Linear(config.d_model, vocab.outputs, bias=False)
            nn.init.normal_(self.output.weight, std=config.d_model**-0.5)
        self.source_positions, self.target_positions = self._new_positions(), self._new_positions()
        self.rotary_positions = (
            RotaryPositions(config.head_width, max_length) if config.positions == "rotary" else None
        )
        self.encoder_layers = nn.ModuleList(
            EncoderLayer(config) for _ in range(config.encoder_layers)
        )
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(config) for _ in range(config.decoder_layers)
        )
        self.encoder_norm, self.decoder_norm = self._new_final_norm(), self._new_final_norm()

    def _new_embedding(self, size: int) -> nn.Embedding:
        embedding = nn.Embedding(size, self.config.d_model, padding_idx=self.pad_id)
        with torch.no_grad():
            embedding.weight.normal_(std=self.config.d_model**-0.5)
            embedding.weight[self.pad_id] = 0.0
        return embedding

    def _new_positions(self) -> AddedPositions | None:
        if self.config.positions == "sinusoidal":
            return SinusoidalPositions(self.config.d_model, self.max_length)
        if self.config.positions == "learned":
            return LearnedPositions(self.config.d_model, self.max_length)
        return None

    def _new_final_norm(self) -> nn.Module:
        """Pre-norm leaves the sum of the residual path to be normalised at its end."""
        is_pre = self.config.norm == "pre"
        return nn.LayerNorm(self.config.d_model) if is_pre else nn.Identity()

    @property
    def output_weight_VD(self) -> Tensor:
        """The output layer's weight, a view of the target embedding if they are tied."""
        if self.output is not None:
            return self.output.weight
        weight_VD = self.target_embedding.weight
        # Slicing would cost a copy of the gradient.
        is_whole = self.vocab.outputs == self.vocab.target
        return weight_VD if is_whole else weight_VD[: self.vocab.outputs]

    @property
    def length_limit(self) -> int | None:
        """Longest sequence in tokens that the model can take, or None if there is no limit."""
        return self.max_length if self.config.positions == "learned" else None

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """The decoder's output at each target position, BTD; see `decode`."""
        return self.decode(target_BT, self.encode(source_BS))

    def encode(self, source_BS: Tensor) -> Memory:
        """Reads the source sentences, padded at their end."""
        padding_B11S = self._padding(source_BS)
        embedding = self.source_embedding or self.target_embedding
        x_BSD = self._embed(source_BS, embedding, self.source_positions)
        rotation = self._rotation(0, source_BS.shape[1])
        for layer in self.encoder_layers:
            x_BSD = layer(x_BSD, padding_B11S, rotation)
        x_BSD = self.encoder_norm(x_BSD)
        memories = tuple(layer.cross_attention.keys_and_values(x_BSD) for layer in self._decoder)
        return Memory(memories, padding_B11S)

    def decode(self, target_BT: Tensor, memory: Memory) -> Tensor:
        """The decoder's output at each target position, BTD.

        Args:
            target_BT: Target ids after their begin symbol, padded at their end: padding stands in
                the future of all real tokens, so that it needs no mask.
            memory: What `encode` gave for the same sentences.
        """
        x_BTD = self._embed(target_BT, self.target_embedding, self.target_positions)
        rotation = self._rotation(0, target_BT.shape[1])
        for layer, keys_values in zip(self.decoder_layers, memory.layers, strict=True):
            x_BTD = layer(x_BTD, keys_values, memory.padding_B11S, rotation)
        hidden_BTD: Tensor = self.decoder_norm(x_BTD)
        return hidden_BTD

    @torch.no_grad()
    def source_weights(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """How much the last decoder layer looks at each source position, a mean over heads, BTS.

        Args:
            source_BS: Source ids, padded at their end.
            target_BT: Target ids after their begin symbol, padded at their end.
        """
        memory = self.encode(source_BS)
        x_BTD = self._embed(target_BT, self.target_embedding, self.target_positions)
        rotation = self._rotation(0, target_BT.shape[1])
        *below, last = zip(self._decoder, memory.layers, strict=True)
        for layer, keys_values in below:
            x_BTD = layer(x_BTD, keys_values, memory.padding_B11S, rotation)
        weights_BHTS = last[0].source_weights(x_BTD, last[1], memory.padding_B11S, rotation)
        return weights_BHTS.mean(dim=1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token before the softmax, (..., D) to (..., V)."""
        return F.linear(hidden, self.output_weight_VD)

    @torch.no_grad()
    def start(self, memory: Memory, max_length: int, rows_per_sentence: int = 1) -> DecoderCache:
        """Prepares incremental decoding.

        Args:
            memory: What `encode` gave.
            max_length: Most steps that will be taken.
            rows_per_sentence: Target sequences to decode for each source sentence; they are
                neighbours in the rows.
        """
        return DecoderCache.start(
            [(key.transpose(1, 2), value.transpose(1, 2)) for key, value in memory.layers],
            memory.padding_B11S,
            rows_per_sentence,
            max_length,
        )

    @torch.no_grad()
    def step(self, tokens_R: Tensor, cache: DecoderCache) -> Tensor:
        """Scores of the next token in each row, RV, after its newest token; advances the cache."""
        cache.open_step()
        position = cache.length
        x_RD = self._embed(
            tokens_R[:, None], self.target_embedding, self.target_positions, position
        )[:, 0]
        rotation = self._rotation(position, position + 1)
        for layer, layer_cache in zip(self._decoder, cache.layers, strict=True):
            x_RD = layer.step(x_RD, layer_cache, cache, rotation)
        cache.length += 1
        return self.logits(self.decoder_norm(x_RD))

    @property
    def _decoder(self) -> list[DecoderLayer]:
        return list(self.decoder_layers)  # type: ignore[arg-type]

    def _embed(
        self,
        tokens_BT: Tensor,
        embedding: nn.Embedding,
        positions: AddedPositions | None,
        start: int = 0,
    ) -> Tensor:
        """Embeddings times the root of the width, plus positions (sections 3.4 and 3.5), BTD."""
        scale = self.config.d_model**0.5
        embedded_BTD: Tensor = embedding(tokens_BT)
        if positions is None:
            x_BTD = embedded_BTD * scale
        else:
            positions_TD = positions(start, start + tokens_BT.shape[1])
            x_BTD = torch.add(positions_TD, embedded_BTD, alpha=scale)
        return dropout(x_BTD, self.config.dropout, training=self.training)

    def _rotation(self, start: int, stop: int) -> Rotation | None:
        if self.rotary_positions is None:
            return None
        rotation: Rotation = self.rotary_positions(start, stop)
        return rotation

    def _padding(self, source_BS: Tensor) -> Tensor | None:
        is_padding_BS = source_BS == self.pad_id
        # Asking a GPU would wait for it.
        if not is_padding_BS.is_cuda and not bool(is_padding_BS.any()):
            return None
        return padding_bias(is_padding_BS, self.target_embedding.weight.dtype)
