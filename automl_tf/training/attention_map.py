"""Which source words a model looks at while it translates, for some sentences of a split."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from automl_tf.data.characters import WORD_MARK, read_spelling
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import BOS, EOS, SPECIALS, Subwords
from automl_tf.model.transformer import Transformer

NUM_MAPS = 3
LONGEST_SOURCE = 24
LONGEST_TARGET = 32
"""Subwords that a picture has room for; an untrained model repeats itself without end."""

CONTINUES = "·"
"""Stands before a subword that goes on with the word before it."""


@dataclass(frozen=True)
class AttentionMap:
    """The attention of the last decoder layer over the encoder's output, a mean over its heads.

    Attributes:
        source: The source's subwords as a person reads them, its end symbol last.
        target: Those of the model's own translation, likewise unless it is too long to be shown.
        weights: A row for each subword of the target with its weight on each of the source.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]


def chosen_sentences(data: PreparedData) -> list[int]:
    """Positions of the first sentences of the validation split that a picture has room for."""
    lengths = data.validation.source.lengths
    fitting = (index for index, length in enumerate(lengths) if 1 < length <= LONGEST_SOURCE)
    return list(islice(fitting, NUM_MAPS))


def attention_maps(
    model: Transformer, data: PreparedData, hypotheses: Sequence[Sequence[int]]
) -> tuple[AttentionMap, ...]:
    """The maps of the sentences that ``chosen_sentences`` names.

    Args:
        model: The model, in evaluation mode.
        data: The corpus that it was validated on.
        hypotheses: Its translations of the whole validation split, ids without end symbols.
    """
    sources = data.validation.sources()
    device = model.target_embedding.weight.device
    return tuple(
        _map(model, data, sources[index], [*hypotheses[index], EOS][:LONGEST_TARGET], device)
        for index in chosen_sentences(data)
    )


def _map(
    model: Transformer,
    data: PreparedData,
    source: list[int],
    target: list[int],
    device: torch.device,
) -> AttentionMap:
    # One sentence at a time: there is no padding to be left out again.
    source_1S = torch.tensor([source], device=device)
    target_1T = torch.tensor([[BOS, *target[:-1]]], device=device)
    weights_TS: Tensor = model.source_weights(source_1S, target_1T)[0].float().cpu()
    return AttentionMap(
        _words(data.vocabulary.source, source),
        _words(data.vocabulary.target, target),
        tuple(tuple(row) for row in weights_TS.tolist()),
    )


def _words(subwords: Subwords, ids: Sequence[int]) -> tuple[str, ...]:
    return tuple(readable(subwords.pieces[index]) for index in ids)


def readable(piece: str) -> str:
    """A subword as a person reads it by itself."""
    if piece in (*SPECIALS, WORD_MARK):
        return piece
    # A digit of a spelled character says nothing alone.
    text = read_spelling(piece) or "?"
    return text if piece.startswith(WORD_MARK) else f"{CONTINUES}{text}"
