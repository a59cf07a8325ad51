"""The encoder-decoder Transformer (Vaswani et al. 2017, section 3 and figure 1).

Shapes: B sentences, S source positions, T target positions, D d_model, V ids that can be
produced, R rows decoded side by side, H heads.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.device import is_gpu
from automl_tf.model.cache import DecoderCache, LayerCache, Memory
from automl_tf.model.kernels.dropout import dropout
from automl_tf.model.layers import DecoderLayer, EncoderLayer
from automl_tf.model.masks import padding_mask
from automl_tf.model.positions import (
    LearnedPositions,
    RotaryPositions,
    Rotation,
    SinusoidalPositions,
)
from automl_tf.model.size import VocabSizes

AddedPositions = SinusoidalPositions | LearnedPositions


class Encoder(nn.ModuleList):
    """The encoder: a stack of N layers (section 3.1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(EncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(
        self, x_BSD: Tensor, mask: Tensor | None = None, rotation: Rotation | None = None
    ) -> Tensor:
        """The last layer's output, BSD."""
        for layer in self:
            x_BSD = layer(x_BSD, mask, rotation)
        return x_BSD


class Decoder(nn.ModuleList):
    """The decoder: a stack of N layers (section 3.1), each of which looks at the encoder's output.

    With caches it decodes one position after the other, else all at once.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(DecoderLayer(config) for _ in range(config.decoder_layers))

    def memory(self, encoded_BSD: Tensor, mask: Tensor | None) -> Memory:
        """What each layer makes of the encoder's output, once for all target positions."""
        layers = (layer.cross_attention.keys_and_values(encoded_BSD) for layer in self._layers())
        return Memory(tuple(layers), mask)

    def forward(
        self,
        x_BTD: Tensor,
        memory: Memory,
        rotation: Rotation | None = None,
        caches: Sequence[LayerCache] | None = None,
    ) -> Tensor:
        """The last layer's output, BTD; with caches RD, at the newest position of each row."""
        of_layers = zip(self, memory.layers, caches or itertools.repeat(None))  # noqa: B905 - endless
        for layer, keys_values, cache in of_layers:
            x_BTD = layer(x_BTD, keys_values, memory.mask, rotation, cache)
        return x_BTD

    def source_weights(
        self, x_BTD: Tensor, memory: Memory, rotation: Rotation | None = None
    ) -> Tensor:
        """How much each head of the last layer looks at each source position, BHTS."""
        *below, last = zip(self._layers(), memory.layers, strict=True)
        for layer, keys_values in below:
            x_BTD = layer(x_BTD, keys_values, memory.mask, rotation)
        return last[0].source_weights(x_BTD, last[1], memory.mask, rotation)

    def _layers(self) -> list[DecoderLayer]:
        return list(self)  # type: ignore[arg-type]


class Generator(nn.Module):
    """The final linear layer and softmax (section 3.4): p(next token) = softmax(x W^T).

    Args:
        embedding: The target embedding, whose first rows W is if they are tied.
        num_outputs: Ids that can be produced, rows of W.
        is_tied: Whether they are tied.
    """

    def __init__(self, embedding: nn.Embedding, num_outputs: int, *, is_tied: bool) -> None:
        super().__init__()
        self.num_outputs = num_outputs
        # Inside a tuple it is no module of this one: the model holds each weight once.
        self._tied = (embedding,) if is_tied else ()
        width = embedding.embedding_dim
        self.weight: nn.Parameter | None
        self.register_parameter("weight", None)
        if not is_tied:
            self.weight = nn.Parameter(nn.Linear(width, num_outputs, bias=False).weight.detach())
            nn.init.normal_(self.weight, std=width**-0.5)

    @property
    def weight_VD(self) -> Tensor:
        """The matrix W, a view of the target embedding if they are tied."""
        if not self._tied:
            assert self.weight is not None
            return self.weight
        weight_VD = self._tied[0].weight
        # Slicing would cost a copy of the gradient.
        return weight_VD if len(weight_VD) == self.num_outputs else weight_VD[: self.num_outputs]

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token before the softmax, (..., D) to (..., V)."""
        return F.linear(hidden, self.weight_VD)

    def forward(self, hidden: Tensor) -> Tensor:
        """Log-probabilities of the next token, (..., D) to (..., V)."""
        return torch.log_softmax(self.logits(hidden), dim=-1)


class Transformer(nn.Module):
    """A sequence-to-sequence model of subword ids.

        p(next token) = Generator(Decoder(target so far, Encoder(source)))

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
        # Names and order of what follows are those of the weights in bundles and checkpoints.
        self.target_embedding = self._new_embedding(vocab.target)
        self.source_embedding: nn.Embedding | None = None
        if not (config.tie_embeddings and vocab.joint):
            self.source_embedding = self._new_embedding(vocab.source)
        self.output = Generator(self.target_embedding, vocab.outputs, is_tied=config.tie_embeddings)
        self.source_positions, self.target_positions = self._new_positions(), self._new_positions()
        self.rotary_positions = (
            RotaryPositions(config.head_width, max_length) if config.positions == "rotary" else None
        )
        self.encoder_layers = Encoder(config)
        self.decoder_layers = Decoder(config)
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
        """The generator's matrix, a view of the target embedding if they are tied."""
        return self.output.weight_VD

    @property
    def length_limit(self) -> int | None:
        """Longest sequence in tokens that the model can take, or None if there is no limit."""
        return self.max_length if self.config.positions == "learned" else None

    def forward(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """The decoder's output at each target position, BTD; see `decode`."""
        return self.decode(target_BT, self.encode(source_BS))

    def encode(self, source_BS: Tensor) -> Memory:
        """Reads the source sentences, padded at their end."""
        mask = self._padding_mask(source_BS)
        embedding = self.source_embedding or self.target_embedding
        x_BSD = self._embed(source_BS, embedding, self.source_positions)
        rotation = self._rotation(0, source_BS.shape[1])
        encoded_BSD = self.encoder_norm(self.encoder_layers(x_BSD, mask, rotation))
        return self.decoder_layers.memory(encoded_BSD, mask)

    def decode(self, target_BT: Tensor, memory: Memory) -> Tensor:
        """The decoder's output at each target position, BTD.

        Args:
            target_BT: Target ids after their begin symbol, padded at their end: padding stands in
                the future of all real tokens, so that it needs no mask.
            memory: What `encode` gave for the same sentences.
        """
        x_BTD = self._embed(target_BT, self.target_embedding, self.target_positions)
        rotation = self._rotation(0, target_BT.shape[1])
        hidden_BTD: Tensor = self.decoder_norm(self.decoder_layers(x_BTD, memory, rotation))
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
        return self.decoder_layers.source_weights(x_BTD, memory, rotation).mean(dim=1)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token before the softmax, (..., D) to (..., V)."""
        return self.output.logits(hidden)

    @torch.no_grad()
    def start(self, memory: Memory, max_length: int, rows_per_sentence: int = 1) -> DecoderCache:
        """Prepares incremental decoding.

        Args:
            memory: What `encode` gave.
            max_length: Most steps that will be taken.
            rows_per_sentence: Target sequences to decode for each source sentence; they are
                neighbours in the rows.
        """
        return DecoderCache.start(memory, rows_per_sentence, max_length)

    @torch.no_grad()
    def decode_step(
        self, tokens_R: Tensor, cache: DecoderCache, scored_R: Tensor | None = None
    ) -> Tensor:
        """Scores of the next token in each row, RV, after its newest token; advances the cache.

        Args:
            tokens_R: The newest token of each row.
            cache: What the steps before have left.
            scored_R: The rows whose scores are wanted; all when not given.
        """
        assert not cache.is_full, "the cache is full"
        position = cache.length
        x_R1D = self._embed(
            tokens_R[:, None], self.target_embedding, self.target_positions, position
        )
        rotation = self._rotation(position, position + 1)
        x_RD = self.decoder_layers(x_R1D[:, 0], cache.memory, rotation, cache.layers)
        if scored_R is not None:
            x_RD = x_RD.index_select(0, scored_R)
        return self.logits(self.decoder_norm(x_RD))

    def _embed(
        self,
        tokens_BT: Tensor,
        embedding: nn.Embedding,
        positions: AddedPositions | None,
        start: int = 0,
    ) -> Tensor:
        """Dropout(sqrt(d_model) E[token] + PE[position]) (sections 3.4, 3.5 and 5.4), BTD."""
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

    def _padding_mask(self, source_BS: Tensor) -> Tensor | None:
        """The mask of the source's padding, or None if there is none."""
        # Asking a GPU would wait for it.
        if not is_gpu(source_BS) and not bool((source_BS == self.pad_id).any()):
            return None
        return padding_mask(source_BS, self.pad_id)
