"""Which program searches for the translations."""

from collections.abc import Sequence
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


def decoder(engine: Engine) -> Decoder:
    """The front door of the engine that the settings name.

    There is no engine that is chosen by what is installed: a trial's score, and with it the course
    of a search, would then depend on an optional package.
    """
    return ctranslate.decode if engine == "ctranslate2" else translate.decode
