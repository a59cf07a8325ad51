"""How long one sentence takes to translate."""

import statistics
import time
from collections.abc import Sequence

import torch

from automl_tf.decoding.rules import Rules
from automl_tf.decoding.translate import evaluating, search
from automl_tf.model.transformer import Transformer

# Sentences translated before the clock starts: the first ones load kernels and fill caches.
WARM_UP = 3


def median_latency_ms(
    model: Transformer,
    sources: Sequence[Sequence[int]],
    *,
    bos: int,
    eos: int,
    pad: int,
    beam_size: int = 1,
    max_sentences: int = 30,
) -> float:
    """Median milliseconds to translate one sentence at batch size one.

    Each translation is made as long as its source, whatever the model would say, so that the
    figure depends on the shape of the model and not on what it has learnt.

    Args:
        model: The model, trained or not.
        sources: Subword ids of sentences with their end symbols, at least one.
        bos: Id of the begin symbol.
        eos: Id of the end symbol.
        pad: Id of padding.
        beam_size: Hypotheses kept; 1 is greedy search.
        max_sentences: Most sentences to time, spread evenly over those given.
    """
    assert sources, "there is a sentence to translate"
    step = -(-len(sources) // max_sentences)
    sample = sources[::step]
    rules = Rules(bos, eos, pad, is_length_fixed=True)
    with evaluating(model):
        for source in sample[:WARM_UP]:
            _milliseconds(model, source, rules, beam_size)
        return statistics.median(
            _milliseconds(model, source, rules, beam_size) for source in sample
        )


def _milliseconds(model: Transformer, source: Sequence[int], rules: Rules, beam_size: int) -> float:
    start = time.perf_counter()
    search(model, [source], [len(source)], rules, beam_size)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000.0 * (time.perf_counter() - start)
