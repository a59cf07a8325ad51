"""A trained model in one directory, saved, loaded and translating.

Loading executes nothing from the directory: weights are safetensors, the rest is YAML and JSON.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from automl_tf.config.files import read_export, to_yaml
from automl_tf.config.settings import TrialConfig
from automl_tf.data.characters import normalize
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.decoding.engines import decoder, decoding_batches
from automl_tf.errors import Place, UserError
from automl_tf.model.transformer import Transformer

FORMAT = 1

CARD = "bundle.json"
CONFIG = "config.yaml"
WEIGHTS = "model.safetensors"
UNFINISHED = ".unfinished"
"""Subdirectory of the files of a bundle that is being written."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model that translates.

    Attributes:
        config: What it was trained as.
        vocabulary: Its subwords.
        weights: Its weights by name, fp32.
        card: What is known of it: scores, signatures, provenance.
    """

    config: TrialConfig
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor]
    card: Mapping[str, Any]

    @cached_property
    def model(self) -> Transformer:
        """The model with its weights, ready to translate, on the GPU where there is one."""
        model = Transformer(
            self.config.model,
            self.vocabulary.sizes,
            max_length=self.config.data.longest_sequence,
            pad_id=PAD,
        )
        model.load_state_dict(dict(self.weights))
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    def translate(
        self,
        sentences: Sequence[str],
        beam_size: int | None = None,
        length_penalty: float | None = None,
    ) -> list[str]:
        """Translates sentences, each by itself; an empty one stays empty.

        Args:
            sentences: Raw text; beyond the longest length trained on it is cut.
            beam_size: Hypotheses of the beam search, as configured when not given.
            length_penalty: Its length penalty, as configured when not given.
        """
        translations = [""] * len(sentences)
        for batch in self.translate_batches(sentences, beam_size, length_penalty):
            for index, text in batch.items():
                translations[index] = text
        return translations

    def translate_batches(
        self,
        sentences: Sequence[str],
        beam_size: int | None = None,
        length_penalty: float | None = None,
    ) -> Iterator[dict[int, str]]:
        """Yields what ``translate`` returns batch by batch, by the index of the sentence.

        Args:
            sentences: Raw text; an empty one is in no batch.
            beam_size: As for ``translate``.
            length_penalty: As for ``translate``.
        """
        decoding = self.config.decoding
        beam_size = beam_size or decoding.beam_size
        kept = [index for index, text in enumerate(sentences) if normalize(text)]
        encoded = self.vocabulary.source.encode_batch([sentences[index] for index in kept])
        sources = [[*ids[: self.config.data.max_length], EOS] for ids in encoded]
        for batch in decoding_batches(decoding.engine, self.model, sources, beam_size):
            best = decoder(decoding.engine)(
                self.model,
                [sources[number] for number in batch],
                bos=BOS,
                eos=EOS,
                pad=PAD,
                beam_size=beam_size,
                length_penalty=(
                    decoding.length_penalty if length_penalty is None else length_penalty
                ),
            )
            texts = self.vocabulary.target.decode_batch([list(found.tokens) for found in best])
            yield {kept[number]: text for number, text in zip(batch, texts, strict=True)}

    def save(self, directory: Path) -> None:
        """Writes the bundle in place of an older one.

        Its files are moved to their places when all are written, the card last: a directory with
        a card is a whole bundle.
        """
        unfinished = directory / UNFINISHED
        unfinished.mkdir(parents=True, exist_ok=True)
        self.vocabulary.save(unfinished)
        save_file(dict(self.weights), unfinished / WEIGHTS)
        (unfinished / CONFIG).write_text(to_yaml(self.config), encoding="utf-8")
        card = json.dumps({"format": FORMAT, **self.card}, indent=2, ensure_ascii=False)
        (unfinished / CARD).write_text(card + "\n", encoding="utf-8")
        (directory / CARD).unlink(missing_ok=True)
        for path in sorted(unfinished.iterdir(), key=lambda path: path.name == CARD):
            path.replace(directory / path.name)
        unfinished.rmdir()


def is_free(directory: Path) -> bool:
    """Returns whether a bundle may be written to a directory without harm to anything else.

    It may be absent or empty, or hold a bundle whose writing was interrupted.
    """
    if not directory.exists():
        return True
    names = {path.name for path in directory.iterdir()}
    return not names or (UNFINISHED in names and CARD not in names)


def load(directory: Path) -> Bundle:
    """Reads a bundle.

    Raises:
        UserError: If the directory is none, or is damaged.
    """
    card = _card(directory)
    try:
        weights = load_file(directory / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise _damaged(directory, error) from None
    config = read_export(directory / CONFIG).trial_config()
    bundle = Bundle(config, Vocabulary.load(directory), weights, card)
    _check_weights(bundle, directory)
    return bundle


def read_card(directory: Path) -> tuple[TrialConfig, dict[str, Any]]:
    """Returns the configuration and the card of a bundle, without its weights.

    Raises:
        UserError: If the directory is no bundle, or is damaged.
    """
    card = _card(directory)
    return read_export(directory / CONFIG).trial_config(), card


def _card(directory: Path) -> dict[str, Any]:
    path = directory / CARD
    if not path.is_file():
        what = "has no " + CARD if directory.is_dir() else "is not a directory"
        raise UserError(
            f"{directory} is not a bundle: it {what}.",
            "Give the directory that `automl-tf train` wrote.",
            Place(directory),
        )
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = card.get("format")
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(directory, error) from None
    if found != FORMAT:
        raise UserError(
            f"The bundle {directory} has format {found}; this program reads {FORMAT}.",
            "Use the version of automl-tf that wrote it.",
            Place(path),
        )
    return card


def _damaged(directory: Path, error: Exception) -> UserError:
    return UserError(
        f"The bundle {directory} is damaged: {error}.", "Train or copy it again.", Place(directory)
    )


def _check_weights(bundle: Bundle, directory: Path) -> None:
    try:
        bundle.model  # noqa: B018 - building it compares names and shapes
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise _damaged(
            directory, ValueError(f"its weights are not those of its configuration: {first}")
        ) from None
