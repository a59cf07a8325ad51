"""The translator of subword ids: built once from a model, asked many times."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from automl_tf.config.settings import Engine
from automl_tf.decoding.constraints import (
    DEFAULT_LENGTH_BOUND,
    GREEDY,
    LengthBound,
    SearchOptions,
    SpecialTokens,
)
from automl_tf.decoding.ctranslate2 import CTranslate2Engine
from automl_tf.decoding.hypotheses import Hypothesis
from automl_tf.decoding.torch_engine import TorchEngine
from automl_tf.model.transformer import Transformer

REQUIREMENTS: Mapping[Engine, tuple[str, ...]] = {"torch": (), "ctranslate2": ("ctranslate2",)}
"""Libraries beside torch that an engine needs."""


class SearchEngine(Protocol):
    """What searches for the translations of a batch."""

    @property
    def batch_tokens(self) -> int:
        """Source subwords of one batch, padding and all rows of a beam counted."""

    @property
    def batch_rows(self) -> int:
        """Rows of one batch, all rows of a beam counted."""

    @property
    def length_limit(self) -> int | None:
        """Longest sequence in tokens that the model can take, or None if there is no limit."""

    def search(
        self, sources: Sequence[Sequence[int]], limits: Sequence[int], options: SearchOptions
    ) -> list[Hypothesis]:
        """Translates one batch.

        Args:
            sources: Subword ids of each sentence with its end symbol, one sentence at least.
            limits: Most tokens of each translation, its end symbol not counted.
            options: The search.

        Returns:
            The best translation found for each sentence, in the order of the sources.
        """


class Translator:
    """Translates sentences of subword ids.

    Args:
        engine: What searches, with the weights of a model.
        length_bound: How long a translation may become.
    """

    def __init__(
        self, engine: SearchEngine, length_bound: LengthBound = DEFAULT_LENGTH_BOUND
    ) -> None:
        self._engine = engine
        self._length_bound = length_bound

    @classmethod
    def of(
        cls,
        model: Transformer,
        engine: Engine,
        tokens: SpecialTokens,
        length_bound: LengthBound = DEFAULT_LENGTH_BOUND,
    ) -> "Translator":
        """The translator of a model with the engine that the settings name.

        No engine is chosen by what is installed: a trial's score, and with it the course of a
        search, would then depend on an optional package.

        Args:
            model: The model. Torch computes with it where it is, as it is at each call; CTranslate2
                takes a copy of its weights now.
            engine: The engine.
            tokens: The special symbols.
            length_bound: How long a translation may become.

        Raises:
            UserError: If the engine's package is missing.
        """
        engines = {"torch": TorchEngine, "ctranslate2": CTranslate2Engine}
        return cls(engines[engine](model, tokens), length_bound)

    def translate(
        self, sources: Sequence[Sequence[int]], options: SearchOptions = GREEDY
    ) -> list[Hypothesis]:
        """Translates sentences; the result for one does not depend on the others.

        Args:
            sources: Subword ids of each sentence with its end symbol, as in training.
            options: The search.

        Returns:
            The best translation found for each sentence, in the order of the sources.
        """
        results: dict[int, Hypothesis] = {}
        for indices in self.batches(sources, options.beam_size):
            found = self.translate_batch([sources[index] for index in indices], options)
            results.update(zip(indices, found, strict=True))
        return [results[index] for index in range(len(sources))]

    def batches(self, sources: Sequence[Sequence[int]], beam_size: int) -> Iterator[list[int]]:
        """Yields the indices of the sentences that are translated together.

        A caller that may have to stop in between calls ``translate_batch`` for one after the other
        and gets what ``translate`` returns.
        """
        engine = self._engine
        return batches_by_length(
            sources, engine.batch_tokens // beam_size, engine.batch_rows // beam_size
        )

    def translate_batch(
        self, sources: Sequence[Sequence[int]], options: SearchOptions = GREEDY
    ) -> list[Hypothesis]:
        """Translates one batch; see `translate`."""
        if not sources:
            return []
        limits = [len(source) for source in sources]
        if not options.is_length_fixed:
            limits = [self._length_bound.longest(length) for length in limits]
        longest = self._engine.length_limit
        if longest is not None:
            # The begin symbol takes the first position.
            limits = [min(limit, longest - 1) for limit in limits]
        return self._engine.search(sources, limits, options)


def batches_by_length(
    sources: Sequence[Sequence[int]], batch_tokens: int, batch_size: int
) -> Iterator[list[int]]:
    """Yields the indices of sentences of like length, the longest first, so that little is padded.

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
