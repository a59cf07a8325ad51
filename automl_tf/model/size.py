"""How many parameters a Transformer has and what a token costs it, known without building it."""

from dataclasses import dataclass

from automl_tf.config.settings import ModelConfig

TYPICAL_LENGTH = 25
"""Positions of source and of target for which the cost of a token is told: those of a sentence of
newspaper text in subwords."""
MULTIPLY_AND_ADD = 2
PASSES = 3
"""A backward pass makes two products for each one of the forward pass."""


@dataclass(frozen=True)
class VocabSizes:
    """Sizes of the vocabularies, special symbols counted.

    Attributes:
        source: Ids of the source side.
        target: Ids of the target side.
        joint: Whether one vocabulary serves both sides; its size is then both of the above.
        outputs: Ids that can be produced: the first so many of the target vocabulary, because the
            tokenizer numbers first what occurs on the target side.
    """

    source: int
    target: int
    joint: bool
    outputs: int

    def __post_init__(self) -> None:
        assert 0 < self.outputs <= self.target, "outputs are ids of the target vocabulary"
        assert not self.joint or self.source == self.target, "a joint vocabulary has one size"


def num_parameters(config: ModelConfig, vocab: VocabSizes, max_length: int) -> int:
    """Trainable parameters of the model, each shared one counted once.

    Args:
        config: The model's settings.
        vocab: The vocabularies' sizes.
        max_length: Longest sequence in tokens; counts with learned positions alone.
    """
    attention, feed_forward, norm = _attention(config), _feed_forward(config), 2 * config.d_model
    encoder = config.encoder_layers * (attention + feed_forward + 2 * norm)
    decoder = config.decoder_layers * (2 * attention + feed_forward + 3 * norm)
    final_norms = 2 * norm if config.norm == "pre" else 0
    tables = 2 * max_length if config.positions == "learned" else 0
    rows = _vocabulary_rows(vocab, tied=config.tie_embeddings) + tables
    return rows * config.d_model + encoder + decoder + final_norms


def flops_per_token(config: ModelConfig, vocab: VocabSizes, length: int = TYPICAL_LENGTH) -> float:
    """Floating-point operations of training, for each target token.

    Those of the matrix products, forward and backward, on sentences of equally many tokens on both
    sides and without padding: two for a multiplication with its addition, and twice as many
    backward as forward. Attention counts all pairs of positions, as they are computed; the output
    layer its rows alone, the ids that can be produced. Embeddings are looked up and cost nothing.

    Args:
        config: The model's settings.
        vocab: The vocabularies' sizes.
        length: Positions of each side.
    """
    keys = config.num_heads * config.head_width
    values = config.num_heads * config.value_width
    projections = config.d_model * (2 * keys + values) + values * config.d_model
    pairs = length * (keys + values)
    inner = (2 if config.activation == "swiglu" else 1) * config.d_ff
    feed_forward = config.d_model * (inner + config.d_ff)
    encoder = projections + pairs + feed_forward
    decoder = 2 * (projections + pairs) + feed_forward
    products = config.encoder_layers * encoder + config.decoder_layers * decoder
    return float(PASSES * MULTIPLY_AND_ADD * (products + config.d_model * vocab.outputs))


def _vocabulary_rows(vocab: VocabSizes, *, tied: bool) -> int:
    if not tied:
        return vocab.source + vocab.target + vocab.outputs
    return vocab.target if vocab.joint else vocab.source + vocab.target


def _attention(config: ModelConfig) -> int:
    keys = config.num_heads * config.head_width
    values = config.num_heads * config.value_width
    return _linear(config.d_model, 2 * keys + values) + _linear(values, config.d_model)


def _feed_forward(config: ModelConfig) -> int:
    inner = (2 if config.activation == "swiglu" else 1) * config.d_ff
    return _linear(config.d_model, inner) + _linear(config.d_ff, config.d_model)


def _linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
