"""How long one sentence takes to translate."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from automl_tf.decoding.constraints import SearchOptions
from automl_tf.decoding.translator import Translator

# Sentences translated before the clock starts: the first ones load kernels and fill caches.
WARM_UP = 3


def median_latency_ms(
    translator: Translator,
    sources: Sequence[Sequence[int]],
    options: SearchOptions,
    *,
    max_sentences: int = 30,
) -> float:
    """Median milliseconds to translate one sentence at batch size one.

    Each translation is made as long as its source, whatever the model would say, so that the
    figure depends on the shape of the model and not on what it has learnt.

    Args:
        translator: The translator, with its engine, device and precision; trained or not.
        sources: Subword ids of sentences with their end symbols, at least one.
        options: The search.
        max_sentences: Most sentences to time, spread evenly over those given.
    """
    assert sources, "there is a sentence to translate"
    step = -(-len(sources) // max_sentences)
    sample = sources[::step]
    timed = replace(options, is_length_fixed=True)
    for source in sample[:WARM_UP]:
        _milliseconds(translator, source, timed)
    return statistics.median(_milliseconds(translator, source, timed) for source in sample)


def _milliseconds(translator: Translator, source: Sequence[int], options: SearchOptions) -> float:
    start = time.perf_counter()
    # Its ids are on the host when it returns, so that no device is still at work.
    translator.translate_batch([source], options)
    return 1000.0 * (time.perf_counter() - start)
