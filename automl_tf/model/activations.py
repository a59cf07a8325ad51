"""What autograd keeps of a forward pass until the backward pass, known without running either.

Counted in units (numbers of the model's floating type) and in bytes; D, F, H, K and V stand for
d_model, d_ff, the heads and the widths of a head's keys and values.
"""

from dataclasses import dataclass

from automl_tf.config.settings import ModelConfig
from automl_tf.model.kernels.attention import LONGEST_PLAIN_PRODUCT, VECTOR_BYTES

SINGLE_BYTES = 4
"""Of a number in fp32, as a GPU keeps means, deviations and denominators whatever the model's."""


@dataclass(frozen=True)
class BatchShape:
    """A batch as it passes through the model, padding counted.

    Attributes:
        sentences: Sentences side by side.
        source: Positions of the sources.
        target: Positions of the targets.
    """

    sentences: int
    source: int
    target: int


@dataclass(frozen=True)
class Arithmetic:
    """What decides how a number is kept.

    Attributes:
        unit_bytes: Bytes of a number of the model: 2 in bf16, 4 in fp32.
        on_gpu: Whether a GPU's kernels attend and drop: they keep no attention weights, but a mask
            of a byte a unit for each dropout.
    """

    unit_bytes: int
    on_gpu: bool = False


def activation_bytes(config: ModelConfig, shape: BatchShape, arithmetic: Arithmetic) -> int:
    """Bytes that a forward pass leaves behind for the backward pass.

    Neither weights nor token ids are counted, nor what the loss keeps, nor on the CPU the tables
    that dropout draws its masks from.

    Args:
        config: The model's settings.
        shape: The batch.
        arithmetic: How numbers are kept.
    """
    count = _Counted(config, arithmetic)
    source, target = (shape.sentences * length for length in (shape.source, shape.target))
    encoder = count.self_attention(shape.sentences, shape.source) + count.feed_forward(source)
    decoder = (
        count.self_attention(shape.sentences, shape.target)
        + count.cross_attention(shape)
        + count.feed_forward(target)
    )
    return (
        config.encoder_layers * encoder
        + config.decoder_layers * decoder
        + count.ends(source, target)
    )


class _Counted:
    """The bytes that each part of the model keeps."""

    def __init__(self, config: ModelConfig, arithmetic: Arithmetic) -> None:
        self._config = config
        self._unit = arithmetic.unit_bytes
        self._on_gpu = arithmetic.on_gpu
        self._statistic = SINGLE_BYTES if arithmetic.on_gpu else arithmetic.unit_bytes
        self._keys = config.num_heads * config.head_width
        self._values = config.num_heads * config.value_width

    def self_attention(self, sentences: int, length: int) -> int:
        """The sub-layer, its residual connection and its norm."""
        return self._residual(sentences * length) + self._attention(
            sentences, length, length, packed=2 * self._keys + self._values
        )

    def cross_attention(self, shape: BatchShape) -> int:
        """The sub-layer, its residual connection and its norm."""
        return self._residual(shape.sentences * shape.target) + self._attention(
            shape.sentences, shape.target, shape.source, packed=0
        )

    def feed_forward(self, positions: int) -> int:
        """The sub-layer, its residual connection and its norm.

        ReLU needs its output alone, which the next product keeps too, unless dropout comes
        between; GELU needs its input; the gate of SwiGLU needs four.
        """
        width, drop = self._config.d_ff, self._config.activation_dropout
        factors = {"relu": 2 if drop else 1, "gelu": 2, "swiglu": 4}
        units = factors[self._config.activation] * width
        return self._residual(positions) + positions * (
            units * self._unit + self._mask(width, drop)
        )

    def ends(self, source: int, target: int) -> int:
        """The embeddings' dropout, and what stands behind the last layers.

        The projections of the memory keep the encoder's output, and with pre-norm the final norms
        their inputs; with post-norm an input is what the last norm gave, kept already.
        """
        width = self._config.d_model
        masks = (source + target) * self._mask(width, self._config.dropout)
        memory = source * width * self._unit
        final_norms = (source + target) * self._norm() if self._config.norm == "pre" else 0
        return masks + memory + final_norms

    def _residual(self, positions: int) -> int:
        """The input of the sub-layer's product, and its norm."""
        width = self._config.d_model
        product = width * self._unit
        return positions * (product + self._norm() + self._mask(width, self._config.dropout))

    def _norm(self) -> int:
        """A position's input to a norm, its mean and its deviation."""
        return self._config.d_model * self._unit + 2 * self._statistic

    def _attention(self, sentences: int, queries: int, keys: int, packed: int) -> int:
        """What attention keeps of queries, keys, values and weights, and the product behind it."""
        config = self._config
        mixed = sentences * queries * self._values
        is_long = max(queries, keys) > LONGEST_PLAIN_PRODUCT
        if self._on_gpu or (is_long and not config.attention_dropout):
            return self._fused(sentences, queries, keys, packed) + mixed * self._unit
        length = keys if is_long else max(keys, VECTOR_BYTES // self._unit)
        copies = sentences * (queries * self._keys + length * (self._keys + self._values))
        weights = sentences * config.num_heads * queries * length
        # Torch's own way of dropping weights keeps them before and after, and a mask, all in fp32.
        weight_bytes = 3 * SINGLE_BYTES if is_long else self._unit
        return (copies + mixed) * self._unit + weights * weight_bytes

    def _fused(self, sentences: int, queries: int, keys: int, packed: int) -> int:
        """The projections as they come, and the softmax's denominators."""
        units = queries * packed or queries * self._keys + keys * (self._keys + self._values)
        if packed and self._config.positions == "rotary":
            # Queries and keys that were turned, and a mixture that is ordered as they are.
            units += queries * (2 * self._keys + self._values)
        denominators = queries * self._config.num_heads * SINGLE_BYTES
        return sentences * (units * self._unit + denominators)

    def _mask(self, units: int, probability: float) -> int:
        return units if self._on_gpu and probability else 0
