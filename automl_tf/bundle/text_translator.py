"""Translates raw text: normalisation, subwords, parts of long input, and one line for each."""

from collections.abc import Iterator, Sequence

from automl_tf.data.parts import join_parts, split_to_fit
from automl_tf.data.subwords import EOS
from automl_tf.data.text import normalize
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.decoding.constraints import SearchOptions
from automl_tf.decoding.translator import Translator


class TextTranslator:
    """Translates text; built once, asked many times.

    A sentence of more subwords than the model was trained on is translated in parts.

    Args:
        translator: Translates subword ids.
        vocabulary: The subwords.
        longest: Most subwords of a sentence that the model was trained on.
        options: The search.

    Attributes:
        num_split: Sentences so far that were translated in parts.
    """

    def __init__(
        self,
        translator: Translator,
        vocabulary: Vocabulary,
        longest: int,
        options: SearchOptions,
    ) -> None:
        self._translator = translator
        self._vocabulary = vocabulary
        self._longest = longest
        self._options = options
        self.num_split = 0

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """Translates sentences, each by itself, into one line each; an empty one stays empty."""
        translations = [""] * len(sentences)
        for batch in self.translate_batches(sentences):
            for index, text in batch.items():
                translations[index] = text
        return translations

    def translate_batches(self, sentences: Sequence[str]) -> Iterator[dict[int, str]]:
        """Yields what ``translate`` returns batch by batch, by the index of the sentence.

        Args:
            sentences: Raw text; an empty one is in no batch.
        """
        parts = [self._parts(ids) for ids in self._vocabulary.source.encode_batch(sentences)]
        sources = [[*part, EOS] for of_sentence in parts for part in of_sentence]
        places = [
            (index, n) for index, of_sentence in enumerate(parts) for n in range(len(of_sentence))
        ]
        found: list[dict[int, str]] = [{} for _ in sentences]
        for batch in self._translator.batches(sources, self._options.beam_size):
            hypotheses = self._translator.translate_batch(
                [sources[number] for number in batch], self._options
            )
            texts = self._vocabulary.target.decode_batch([best.tokens for best in hypotheses])
            done = {}
            for number, text in zip(batch, texts, strict=True):
                index, part = places[number]
                # Whatever a model writes: no control character, and no end of a line.
                found[index][part] = normalize(text)
                if len(found[index]) == len(parts[index]):
                    done[index] = join_parts([text for _, text in sorted(found[index].items())])
            yield done

    def _parts(self, ids: Sequence[int]) -> list[list[int]]:
        """The parts of a sentence; none of an empty one."""
        if not ids:
            return []
        parts = list(split_to_fit(ids, self._vocabulary.source.pieces, self._longest))
        self.num_split += len(parts) > 1
        return parts
