"""Which program searches for the translations."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from automl_tf.config.settings import Engine
from automl_tf.decoding import ctranslate, translate
from automl_tf.decoding.rules import Hypothesis
from automl_tf.model.transformer import Transformer


class Decoder(Protocol):
    """The front door of an engine; see `automl_tf.decoding.translate.decode`."""

    def __call__(
        self,
        model: Transformer,
        sources: Sequence[Sequence[int]],
        *,
        bos: int,
        eos: int,
        pad: int,
        beam_size: int = 1,
        length_penalty: float = 0.0,
    ) -> list[Hypothesis]:
        """The best translation found for each sentence, in the order of the sources."""


def decoding_batches(
    engine: Engine, model: Transformer, sources: Sequence[Sequence[int]], beam_size: int
) -> Iterator[list[int]]:
    """Yields the indices of the sentences that an engine should be given at once.

    A caller that may have to stop in between calls the decoder for one batch after the other and
    gets what a single call would return.

    Args:
        engine: The engine.
        model: The model, whose device decides.
        sources: Subword ids of each sentence.
        beam_size: Hypotheses kept for each sentence.
    """
    if engine == "ctranslate2":
        # It takes the weights over in each call, and is quick.
        return iter([list(range(len(sources)))])
    return translate.decoding_batches(model, sources, beam_size)


def decoder(engine: Engine) -> Decoder:
    """The front door of the engine that the settings name.

    There is no engine that is chosen by what is installed: a trial's score, and with it the course
    of a search, would then depend on an optional package.
    """
    return ctranslate.decode if engine == "ctranslate2" else translate.decode
