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

from automl_tf.bundle.text_translator import TextTranslator
from automl_tf.config.files import read_export, to_yaml
from automl_tf.config.settings import Engine, TrialConfig
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.decoding.constraints import LengthBound, SearchOptions, SpecialTokens
from automl_tf.decoding.translator import Translator
from automl_tf.device import choose_attention_kernels, default_device, inference_dtype, is_gpu
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

    @property
    def length_bound(self) -> LengthBound:
        """How long a translation may become."""
        return LengthBound(**self.card.get("length_bound", {}))

    def translator(
        self,
        *,
        engine: Engine | None = None,
        device: str | None = None,
        beam_size: int | None = None,
        length_penalty: float | None = None,
    ) -> TextTranslator:
        """A translator of raw text; the model behind it is built once for an engine and a device.

        Args:
            engine: What searches, as configured when not given.
            device: Where torch computes, in torch's words; the machine's own choice when not given.
                CTranslate2 computes on the CPU.
            beam_size: Hypotheses of the beam search, as configured when not given.
            length_penalty: Its length penalty, as configured when not given.

        Raises:
            UserError: If the engine's package is missing.
        """
        decoding = self.config.decoding
        engine = engine or decoding.engine
        place = _place(engine, device)
        if (engine, place) not in self._translators:
            model = self._models.get(place) or self._build(place)
            self._translators[engine, place] = Translator.of(
                model, engine, SpecialTokens(BOS, EOS, PAD), self.length_bound
            )
        options = SearchOptions(
            decoding.beam_size if beam_size is None else beam_size,
            decoding.length_penalty if length_penalty is None else length_penalty,
        )
        longest = self.config.data.max_length
        return TextTranslator(self._translators[engine, place], self.vocabulary, longest, options)

    def translate(
        self,
        sentences: Sequence[str],
        beam_size: int | None = None,
        length_penalty: float | None = None,
    ) -> list[str]:
        """Translates sentences with the configured engine; see `TextTranslator.translate`.

        Args:
            sentences: Raw text.
            beam_size: Hypotheses of the beam search, as configured when not given.
            length_penalty: Its length penalty, as configured when not given.
        """
        translator = self.translator(beam_size=beam_size, length_penalty=length_penalty)
        return translator.translate(sentences)

    @property
    def model(self) -> Transformer:
        """The model with its weights, where and as the configured engine takes it."""
        place = _place(self.config.decoding.engine, None)
        return self._models.get(place) or self._build(place)

    @cached_property
    def _translators(self) -> dict[tuple[Engine, torch.device], Translator]:
        return {}

    @cached_property
    def _models(self) -> dict[torch.device, Transformer]:
        return {}

    def _build(self, device: torch.device) -> Transformer:
        """The model with its weights on a device, in the dtype in which it translates there."""
        model = Transformer(
            self.config.model,
            self.vocabulary.sizes,
            max_length=self.config.data.longest_sequence,
            pad_id=PAD,
        )
        model.load_state_dict(dict(self.weights))
        choose_attention_kernels()
        dtype = inference_dtype() if is_gpu(device) else torch.float32
        self._models[device] = model.to(device, dtype).eval()
        return self._models[device]

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


def _place(engine: Engine, device: str | None) -> torch.device:
    """The device that an engine takes the model from."""
    if engine == "ctranslate2":
        return torch.device("cpu")
    return default_device() if device is None else torch.device(device)


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
    _check(bundle, directory)
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


def _check(bundle: Bundle, directory: Path) -> None:
    try:
        bundle.length_bound  # noqa: B018 - reading it compares names
    except TypeError as error:
        raise _damaged(directory, ValueError(f"its length_bound is none: {error}")) from None
    try:
        bundle.model  # noqa: B018 - building it compares names and shapes
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise _damaged(
            directory, ValueError(f"its weights are not those of its configuration: {first}")
        ) from None
