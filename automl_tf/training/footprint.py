"""The most memory that a training takes, known from its configuration before it begins.

Two moments can be the largest: the end of a forward pass, when all activations are there and the
loss makes its gradients; and a validation, when the decoder keeps keys and values of many
sentences. On the CPU freed memory stays with the process, so that a checkpoint, which is put
together in memory before it is written, and the code that oneDNN compiles for each shape of a
batch come on top.
"""

from dataclasses import dataclass

import torch

from automl_tf.config.settings import ModelConfig, TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.decoding.translate import (
    BATCH_ROWS,
    BATCH_TOKENS,
    GPU_BATCH_ROWS,
    GPU_BATCH_TOKENS,
    LONGEST_RATIO,
    MAX_EXTRA,
)
from automl_tf.model.activations import SINGLE_BYTES, Arithmetic, BatchShape, activation_bytes
from automl_tf.model.dropout import table_size
from automl_tf.model.loss import CHUNK
from automl_tf.model.size import VocabSizes, num_parameters
from automl_tf.training.machine import precision

MEGABYTE = 2**20
LIBRARIES_MB = 85
"""What a process takes beside tensors, measured: the libraries' code and what they prepare."""
COMPILED_MB = 10
"""What oneDNN's products in bf16 add for each new shape of batch, measured: each is compiled."""
MOST_COMPILED_MB = 900
"""Where that ends, because oneDNN keeps the last 1,024 of them."""
GAPS = 0.15
"""Share of a step's tensors that is lost between them in the heap of a process, measured."""
MOMENTS_AND_GRADIENTS = 3
"""Numbers in fp32 that the optimizer holds of a weight beside its master."""


@dataclass(frozen=True)
class Extent:
    """What of a corpus decides about memory.

    Attributes:
        longest: Positions of the longest sentence of a training batch on either side.
        longest_validated: Positions of the longest source of the validation split.
        validated: Sentences of the validation split.
    """

    longest: int
    longest_validated: int
    validated: int

    @classmethod
    def of(cls, data: PreparedData) -> "Extent":
        """That of a prepared corpus."""
        sides = (data.train.source, data.train.target)
        sources = data.validation.sources()
        return cls(
            longest=max(int(side.lengths.max()) + 1 for side in sides),
            longest_validated=max(map(len, sources)),
            validated=len(sources),
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
        optimizer: Masters where the weights are not their own, gradients, moments.
        masks: The tables that dropout draws from on the CPU.
        gradients: Those of the step before, which live until the backward pass.
        activations: What the forward pass keeps for the backward pass.
        loss: What the loss makes of the largest batch.
        decoding: What a validation holds.
        checkpoint: A checkpoint before it is written.
        process: What the process of the CPU takes beside its tensors, gaps between them counted.
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

    @property
    def peak(self) -> int:
        """The most that is held at once."""
        always = self.weights + self.optimizer + self.masks + self.gradients + self.process
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
    activations = activation_bytes(config.model, shape, arithmetic)
    loss = _loss(config.model, shape, vocab.outputs, unit)
    on_gpu = arithmetic.on_gpu
    return Footprint(
        weights=unit * size,
        optimizer=masters + MOMENTS_AND_GRADIENTS * single * size,
        masks=0 if on_gpu else _masks(config.model, shape, unit),
        gradients=unit * size,
        activations=activations,
        loss=loss,
        decoding=_decoding(config.model, extent, arithmetic),
        # Weights, masters and two moments.
        checkpoint=0 if on_gpu else (unit + 3 * single) * size,
        process=0 if on_gpu else _process(config, unit) + round(GAPS * (activations + loss)),
    )


def arithmetic_here(config: TrialConfig) -> Arithmetic:
    """How numbers of a training are kept on this machine."""
    is_bf16 = precision(config.training).startswith("bf16")
    return Arithmetic(2 if is_bf16 else SINGLE_BYTES, on_gpu=torch.cuda.is_available())


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


def _loss(config: ModelConfig, shape: BatchShape, outputs: int, unit: int) -> int:
    """Gradients of output layer and decoder, and the logits of a chunk with their softmax.

    The output layer's gradient is there in fp32, and a chunk's part of it in the model's type.
    """
    positions = shape.sentences * shape.target
    layer = outputs * config.d_model * (SINGLE_BYTES + unit)
    logits = 2 * min(positions, CHUNK) * outputs * unit
    # The decoder's output, once more without padding, and its gradient.
    hidden = 3 * positions * config.d_model * unit
    return layer + logits + hidden


def _process(config: TrialConfig, unit: int) -> int:
    """What is no tensor."""
    batches = config.training.max_steps * config.training.accumulate
    compiled = 0 if unit == SINGLE_BYTES else min(COMPILED_MB * batches, MOST_COMPILED_MB)
    return (LIBRARIES_MB + compiled) * MEGABYTE


def _decoding(config: ModelConfig, extent: Extent, arithmetic: Arithmetic) -> int:
    """Keys and values of a batch of greedy search whose model does not find the end."""
    on_gpu, source = arithmetic.on_gpu, extent.longest_validated
    tokens, rows = (GPU_BATCH_TOKENS, GPU_BATCH_ROWS) if on_gpu else (BATCH_TOKENS, BATCH_ROWS)
    rows = max(1, min(rows, tokens // source, extent.validated))
    positions = rows * (source + LONGEST_RATIO * source + MAX_EXTRA)
    width = config.num_heads * (config.head_width + config.value_width)
    unit = arithmetic.unit_bytes if on_gpu else SINGLE_BYTES
    return config.decoder_layers * positions * width * unit
