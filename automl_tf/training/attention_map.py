"""Which source words a model looks at while it translates, for some sentences of a split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from automl_tf.data.characters import WORD_MARK, read_spelling
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import BOS, EOS, PAD, SPECIALS, Subwords
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


def chosen_sentences(data: PreparedData, longest: int = LONGEST_SOURCE) -> list[int]:
    """Positions of the first sentences of the validation split that a picture has room for.

    Args:
        data: The prepared corpus.
        longest: Most subwords of a source, its end symbol not counted.
    """
    lengths = data.validation.source.lengths
    return [int(index) for index in np.flatnonzero((lengths > 1) & (lengths <= longest))[:NUM_MAPS]]


def attention_maps(
    model: Transformer, data: PreparedData, hypotheses: Sequence[Sequence[int]]
) -> tuple[AttentionMap, ...]:
    """The maps of the sentences that ``chosen_sentences`` names.

    Args:
        model: The model, in evaluation mode.
        data: The corpus that it was validated on.
        hypotheses: Its translations of the first sentences of the validation split, ids without
            end symbols.
    """
    limit = model.length_limit or max(LONGEST_SOURCE + 1, LONGEST_TARGET)
    longest = min(LONGEST_SOURCE + 1, limit), min(LONGEST_TARGET, limit)
    chosen = [index for index in chosen_sentences(data, longest[0] - 1) if index < len(hypotheses)]
    if not chosen:
        return ()
    sources = [[*data.validation.source[index].tolist(), EOS] for index in chosen]
    targets = [[*hypotheses[index], EOS][: longest[1]] for index in chosen]
    # Always the same shape: kernels are made for each new one, which takes longer than they run.
    source_BS = _filled_up(sources, longest[0])
    target_BT = _filled_up([[BOS, *target[:-1]] for target in targets], longest[1])
    device = model.target_embedding.weight.device
    weights_BTS = model.source_weights(source_BS.to(device), target_BT.to(device)).float().cpu()
    return tuple(
        AttentionMap(
            _words(data.vocabulary.source, source),
            _words(data.vocabulary.target, target),
            tuple(tuple(row) for row in weights_TS[: len(target), : len(source)].tolist()),
        )
        for source, target, weights_TS in zip(sources, targets, weights_BTS, strict=True)
    )


def _filled_up(sentences: Sequence[Sequence[int]], length: int) -> Tensor:
    """Sentences as one matrix, padded at their end."""
    return torch.tensor([[*ids, *[PAD] * (length - len(ids))] for ids in sentences])


def _words(subwords: Subwords, ids: Sequence[int]) -> tuple[str, ...]:
    return tuple(readable(subwords.pieces[index]) for index in ids)


def readable(piece: str) -> str:
    """A subword as a person reads it by itself."""
    if piece in (*SPECIALS, WORD_MARK):
        return piece
    # A digit of a spelled character says nothing alone.
    text = read_spelling(piece) or "?"
    return text if piece.startswith(WORD_MARK) else f"{CONTINUES}{text}"
