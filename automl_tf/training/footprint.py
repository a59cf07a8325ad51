"""The most memory that a training takes, known from its configuration before it begins.

Two moments can be the largest: the end of a forward pass, when all activations are there and the
loss makes its gradients; and a validation, when the decoder keeps keys and values of many
sentences. On the CPU freed memory stays with the process, so that a checkpoint, which is put
together in memory before it is written, and the code that oneDNN compiles for each shape of a
batch come on top. On a GPU the graphs of the shapes seen so far keep the memory of the largest of
them, while the first batch of another shape runs beside them.
"""

from dataclasses import dataclass

from automl_tf.config.settings import ModelConfig, TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.decoding.constraints import DEFAULT_LENGTH_BOUND, LengthBound
from automl_tf.decoding.torch_engine import (
    BATCH_ROWS,
    BATCH_TOKENS,
    GPU_BATCH_ROWS,
    GPU_BATCH_TOKENS,
)
from automl_tf.device import Precision, has_gpu
from automl_tf.model.activations import SINGLE_BYTES, Arithmetic, BatchShape, activation_bytes
from automl_tf.model.kernels.cross_entropy import chunk_tokens
from automl_tf.model.kernels.dropout import table_size
from automl_tf.model.size import VocabSizes, num_parameters

MEGABYTE = 2**20
LIBRARIES_MB = 85
"""What a process takes beside tensors, measured: the libraries' code and what they prepare."""
COMPILED_MB = 10
"""What oneDNN's products in bf16 add for each new shape of batch, measured: each is compiled."""
MOST_COMPILED_MB = 900
"""Where that ends, because oneDNN keeps the last 1,024 of them."""
GAPS = 0.15
"""Share of a step's tensors that is lost between them in the heap of a process, measured."""
WORKSPACES_MB = 64
"""cuBLAS's workspaces on Hopper, of two streams: one runs, one captures (torch's default sizes)."""
MOMENTS_AND_GRADIENTS = 3
"""Numbers in fp32 that the optimizer holds of a weight beside its master."""


@dataclass(frozen=True)
class Extent:
    """What of a corpus decides about memory.

    Attributes:
        longest: Positions of the longest sentence of a training batch on either side.
        longest_validated: Positions of the longest source of the validation split.
        validated: Sentences of the validation split.
        length_bound: How long their translations may become.
    """

    longest: int
    longest_validated: int
    validated: int
    length_bound: LengthBound = DEFAULT_LENGTH_BOUND

    @classmethod
    def of(cls, data: PreparedData) -> "Extent":
        """That of a prepared corpus."""
        sides = (data.train.source, data.train.target)
        sources = data.validation.sources()
        return cls(
            longest=max(int(side.lengths.max()) + 1 for side in sides),
            longest_validated=max(map(len, sources)),
            validated=len(sources),
            length_bound=LengthBound.of_corpus(data.length_ratio),
        )

    @classmethod
    def unknown(cls, config: TrialConfig) -> "Extent":
        """The most that a configuration admits, when its corpus is not prepared yet."""
        longest = config.data.longest_sequence
        # Of these lengths a batch of the decoder has both the most rows and the most tokens.
        widest = min(longest, BATCH_TOKENS // BATCH_ROWS)
        return cls(longest, widest, validated=GPU_BATCH_ROWS)


@dataclass(frozen=True)
class Footprint:
    """Bytes of what a training holds.

    Attributes:
        weights: The model.
        optimizer: Masters where the weights are not their own, gradients, moments, and the average
            of the masters.
        masks: The tables that dropout draws from on the CPU.
        gradients: Those of the step before, which live until the backward pass.
        activations: What the forward pass keeps for the backward pass.
        loss: What the loss makes of the largest batch.
        decoding: What a validation holds.
        checkpoint: A checkpoint before it is written.
        process: What the process takes beside its tensors, gaps between them counted.
        graphs: What CUDA graphs keep of the largest step between two replays.
    """

    weights: int
    optimizer: int
    masks: int
    gradients: int
    activations: int
    loss: int
    decoding: int
    checkpoint: int
    process: int
    graphs: int = 0

    @property
    def peak(self) -> int:
        """The most that is held at once."""
        always = self.weights + self.optimizer + self.masks + self.gradients
        always += self.process + self.graphs
        # A checkpoint is one block, which fits into no gap that a step has left.
        step = self.activations + self.loss + self.checkpoint
        return always + max(step, self.decoding)

    @property
    def megabytes(self) -> float:
        """The most that is held at once, in MB."""
        return self.peak / MEGABYTE


def footprint(
    config: TrialConfig, vocab: VocabSizes, extent: Extent, arithmetic: Arithmetic
) -> Footprint:
    """The memory of a training on one device.

    Args:
        config: What is trained.
        vocab: Sizes of its vocabularies.
        extent: Lengths and numbers of its sentences.
        arithmetic: How numbers are kept; `arithmetic_here` says how on this machine.
    """
    size = num_parameters(config.model, vocab, config.data.longest_sequence)
    shape = _largest_batch(config, extent)
    unit, single = arithmetic.unit_bytes, SINGLE_BYTES
    masters = 0 if unit == single else single * size
    averages = single * size if config.training.ema > 0 else 0
    activations = activation_bytes(config.model, shape, arithmetic)
    loss = _loss(config.model, shape, vocab.outputs, arithmetic)
    on_gpu = arithmetic.on_gpu
    return Footprint(
        weights=unit * size,
        optimizer=masters + averages + MOMENTS_AND_GRADIENTS * single * size,
        masks=0 if on_gpu else _masks(config.model, shape, unit),
        gradients=unit * size,
        activations=activations,
        loss=loss,
        # The model computes with the average in its own type.
        decoding=_decoding(config.model, extent, vocab.outputs, arithmetic)
        + (unit * size if averages and masters else 0),
        # Weights, masters, two moments and the average.
        checkpoint=0 if on_gpu else (unit + 3 * single) * size + averages,
        process=_process(config, arithmetic) + round(GAPS * (activations + loss)),
        graphs=activations + loss if on_gpu and not config.trainer.compile else 0,
    )


def arithmetic_here(precision: Precision) -> Arithmetic:
    """How numbers of a training are kept on this machine."""
    return Arithmetic(2 if precision == "bf16" else SINGLE_BYTES, on_gpu=has_gpu())


def _largest_batch(config: TrialConfig, extent: Extent) -> BatchShape:
    """As many of the longest sentences as fit: attention keeps most of them.

    The last one counts whole, since shorter ones would fill its place. A device of several has its
    share of each batch.
    """
    longest = min(extent.longest, config.data.longest_sequence)
    sentences = -(-config.training.batch_tokens // longest)
    return BatchShape(-(-sentences // config.trainer.devices), longest, longest)


def _masks(config: ModelConfig, shape: BatchShape, unit: int) -> int:
    """The tables of masks: one for each probability and size."""
    tokens = shape.sentences * shape.source
    drawn = (
        (config.dropout, tokens * config.d_model),
        (config.activation_dropout, tokens * config.d_ff),
        (config.attention_dropout, tokens * config.num_heads * shape.source),
    )
    tables = {(probability, table_size(number)) for probability, number in drawn if probability}
    return unit * sum(size for _, size in tables)


def _loss(config: ModelConfig, shape: BatchShape, outputs: int, arithmetic: Arithmetic) -> int:
    """Gradients of output layer and decoder, and the logits of a chunk with their softmax.

    The output layer's gradient is there in fp32, and a chunk's part of it in the model's type.
    """
    positions, unit = shape.sentences * shape.target, arithmetic.unit_bytes
    layer = outputs * config.d_model * (SINGLE_BYTES + unit)
    chunk = chunk_tokens(outputs, unit, on_gpu=arithmetic.on_gpu)
    # A GPU makes logits in fp32 of them as well.
    logit_bytes = 2 * unit + (SINGLE_BYTES if arithmetic.on_gpu else 0)
    logits = min(positions, chunk) * outputs * logit_bytes
    # The decoder's output, once more without padding, and its gradient.
    hidden = 3 * positions * config.d_model * unit
    return layer + logits + hidden


def _process(config: TrialConfig, arithmetic: Arithmetic) -> int:
    """What is no tensor."""
    if arithmetic.on_gpu:
        return WORKSPACES_MB * MEGABYTE
    unit = arithmetic.unit_bytes
    batches = config.training.max_steps * config.training.accumulate
    compiled = 0 if unit == SINGLE_BYTES else min(COMPILED_MB * batches, MOST_COMPILED_MB)
    return (LIBRARIES_MB + compiled) * MEGABYTE


def _decoding(config: ModelConfig, extent: Extent, outputs: int, arithmetic: Arithmetic) -> int:
    """Keys, values and logits of a batch of greedy search whose model does not find the end."""
    on_gpu, source = arithmetic.on_gpu, extent.longest_validated
    tokens, rows = (GPU_BATCH_TOKENS, GPU_BATCH_ROWS) if on_gpu else (BATCH_TOKENS, BATCH_ROWS)
    rows = max(1, min(rows, tokens // source, extent.validated))
    positions = rows * (source + extent.length_bound.longest(source))
    width = config.num_heads * (config.head_width + config.value_width)
    unit = arithmetic.unit_bytes if on_gpu else SINGLE_BYTES
    # The logits of a step, and a copy in fp32 of which the largest is sought.
    logits = rows * outputs * (arithmetic.unit_bytes + SINGLE_BYTES)
    return config.decoder_layers * positions * width * unit + logits


def smaller_batches(config: TrialConfig) -> dict[str, int] | None:
    """Settings for the same training in half the memory: half the tokens at once, twice as often.

    An update still sees as many tokens. None if such batches would not hold a sentence of the
    greatest length.
    """
    training = config.training
    if training.batch_tokens // 2 < config.data.longest_sequence:
        return None
    return {
        "training.batch_tokens": training.batch_tokens // 2,
        "training.accumulate": training.accumulate * 2,
    }
