"""A trained model in one directory, saved, loaded and translating.

Loading executes nothing from the directory: weights are safetensors, the rest is YAML and JSON.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from automl_tf.config.files import read_export
from automl_tf.config.settings import TrialConfig
from automl_tf.config.writing import to_yaml
from automl_tf.data.characters import normalize
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.decoding.engines import decoder
from automl_tf.errors import Place, UserError
from automl_tf.model.transformer import Transformer

FORMAT = 1

CARD = "bundle.json"
CONFIG = "config.yaml"
WEIGHTS = "model.safetensors"


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
        decoding = self.config.decoding
        kept = [index for index, text in enumerate(sentences) if normalize(text)]
        encoded = self.vocabulary.source.encode_batch([sentences[index] for index in kept])
        best = decoder(decoding.engine)(
            self.model,
            [[*ids[: self.config.data.max_length], EOS] for ids in encoded],
            bos=BOS,
            eos=EOS,
            pad=PAD,
            beam_size=beam_size or decoding.beam_size,
            length_penalty=decoding.length_penalty if length_penalty is None else length_penalty,
        )
        texts = self.vocabulary.target.decode_batch([list(found.tokens) for found in best])
        translations = [""] * len(sentences)
        for index, text in zip(kept, texts, strict=True):
            translations[index] = text
        return translations

    def save(self, directory: Path) -> None:
        """Writes the bundle; its card comes last and makes it one."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CARD).unlink(missing_ok=True)
        self.vocabulary.save(directory)
        save_file(dict(self.weights), directory / WEIGHTS)
        (directory / CONFIG).write_text(to_yaml(self.config), encoding="utf-8")
        card = json.dumps({"format": FORMAT, **self.card}, indent=2, ensure_ascii=False)
        (directory / CARD).write_text(card + "\n", encoding="utf-8")


def load(directory: Path) -> Bundle:
    """Reads a bundle.

    Raises:
        UserError: If the directory is none, or is damaged.
    """
    card_path = directory / CARD
    if not card_path.is_file():
        what = "has no " + CARD if directory.is_dir() else "is not a directory"
        raise UserError(
            f"{directory} is not a bundle: it {what}.",
            "Give the directory that `automl-tf train` wrote.",
            Place(directory),
        )
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        weights = load_file(directory / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"The bundle {directory} is damaged: {error}.",
            "Train or copy it again.",
            Place(directory),
        ) from None
    if card.get("format") != FORMAT:
        raise UserError(
            f"The bundle {directory} has format {card.get('format')}; this program reads {FORMAT}.",
            "Use the version of automl-tf that wrote it.",
            Place(card_path),
        )
    config = read_export(directory / CONFIG).trial_config()
    bundle = Bundle(config, Vocabulary.load(directory), weights, card)
    _check_weights(bundle, directory)
    return bundle


def _check_weights(bundle: Bundle, directory: Path) -> None:
    try:
        bundle.model  # noqa: B018 - building it compares names and shapes
    except RuntimeError as error:
        raise UserError(
            f"The bundle {directory} is damaged: its weights are not those of its configuration: "
            f"{str(error).splitlines()[0]}",
            "Train or copy it again.",
            Place(directory / WEIGHTS),
        ) from None
