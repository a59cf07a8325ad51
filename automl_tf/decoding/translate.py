"""The front door of decoding: sentences in any order in, one translation for each out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from automl_tf.decoding.beam import beam_search
from automl_tf.decoding.greedy import greedy_search
from automl_tf.decoding.rules import Hypothesis, Rules
from automl_tf.model.transformer import Transformer

# A translation may have this many times the subwords of its source and some more: short sentences
# vary most, and few language pairs differ more. A model that does not find the end stops there.
LONGEST_RATIO = 2
MAX_EXTRA = 20
# Source subwords and rows of one batch, padding and all rows of a beam counted: enough to make the
# products large and the steps few, and few enough for the cache and the logits of a large model.
BATCH_TOKENS = 16384
BATCH_ROWS = 512
# A GPU waits for its next kernel rather than for the end of this one.
GPU_BATCH_TOKENS = 65536
GPU_BATCH_ROWS = 2048


def decode(
    model: Transformer,
    sources: Sequence[Sequence[int]],
    *,
    bos: int,
    eos: int,
    pad: int,
    beam_size: int = 1,
    length_penalty: float = 0.0,
) -> list[Hypothesis]:
    """Translates sentences.

    The result for a sentence does not depend on the others. The model may be in training mode; it
    is left in the mode it was in.

    Args:
        model: The model.
        sources: Subword ids of each sentence with its end symbol, as in training.
        bos: Id of the begin symbol.
        eos: Id of the end symbol.
        pad: Id of padding.
        beam_size: Hypotheses kept for each sentence; 1 is greedy search.
        length_penalty: The alpha of Wu et al. 2016: larger prefers longer translations.

    Returns:
        The best translation found for each sentence, in the order of the sources.
    """
    rules = Rules(bos, eos, pad, length_penalty)
    results: dict[int, Hypothesis] = {}
    with evaluating(model):
        for indices in decoding_batches(model, sources, beam_size):
            batch = [sources[index] for index in indices]
            limits = [longest_translation(model, source) for source in batch]
            found = search(model, batch, limits, rules, beam_size)
            results.update(zip(indices, found, strict=True))
    return [results[index] for index in range(len(sources))]


def decoding_batches(
    model: Transformer, sources: Sequence[Sequence[int]], beam_size: int
) -> Iterator[list[int]]:
    """Yields the indices of the sentences that ``decode`` translates at once.

    A caller that may have to stop in between calls ``decode`` for one batch after the other.

    Args:
        model: The model, whose device decides.
        sources: Subword ids of each sentence.
        beam_size: Hypotheses kept for each sentence.
    """
    is_on_gpu = model.output_weight_VD.is_cuda
    batch_tokens = GPU_BATCH_TOKENS if is_on_gpu else BATCH_TOKENS
    batch_rows = GPU_BATCH_ROWS if is_on_gpu else BATCH_ROWS
    return batches_by_length(sources, batch_tokens // beam_size, batch_rows // beam_size)


def search(
    model: Transformer,
    sources: Sequence[Sequence[int]],
    limits: Sequence[int],
    rules: Rules,
    beam_size: int,
) -> list[Hypothesis]:
    """Translates one batch with the search that fits the beam.

    Learned positions end somewhere: longer sources are cut and limits lowered to that length.

    Args:
        model: The model, in evaluation mode.
        sources: Subword ids of each sentence with its end symbol.
        limits: Most tokens of each translation, its end symbol not counted.
        rules: What may be produced.
        beam_size: Hypotheses kept for each sentence; 1 is greedy search.
    """
    device = model.output_weight_VD.device
    # A sentence of nothing at all is read as padding.
    longest_source, longest_target = max(1, *map(len, sources)), max(limits)
    if model.length_limit is not None:
        longest_source = min(longest_source, model.length_limit)
        longest_target = min(longest_target, model.length_limit - 1)
    padded = [
        [*source[:longest_source], *[rules.pad] * (longest_source - len(source))]
        for source in sources
    ]
    source_BS = torch.tensor(padded, device=device)
    limits_B = torch.tensor([min(limit, longest_target) for limit in limits], device=device)
    if beam_size == 1:
        return greedy_search(model, source_BS, limits_B, rules)
    return beam_search(model, source_BS, limits_B, rules, beam_size)


def longest_translation(model: Transformer, source: Sequence[int]) -> int:
    """Most tokens that a sentence may be translated into, the end symbol not counted.

    Learned positions end somewhere, and the begin symbol takes the first.
    """
    limit = LONGEST_RATIO * len(source) + MAX_EXTRA
    return limit if model.length_limit is None else min(limit, model.length_limit - 1)


def batches_by_length(
    sources: Sequence[Sequence[int]], batch_tokens: int, batch_size: int
) -> Iterator[list[int]]:
    """Indices of sentences of like length, the longest first, so that little is padded.

    Args:
        sources: Subword ids of each sentence.
        batch_tokens: Subwords of a batch, padding counted; a longer sentence makes a batch of its
            own.
        batch_size: Most sentences of a batch.
    """
    order = sorted(range(len(sources)), key=lambda index: -len(sources[index]))
    start = 0
    while start < len(order):
        width = max(1, len(sources[order[start]]))
        stop = start + max(1, min(batch_size, batch_tokens // width))
        yield order[start:stop]
        start = stop


@contextmanager
def evaluating(model: Transformer) -> Iterator[None]:
    """Evaluation mode without gradients, and afterwards the mode from before."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
