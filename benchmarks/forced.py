"""Peers with fresh weights, held to output lengths that are given.

Fresh weights end nowhere in particular, and how long a search takes depends on where sentences
end. So a sentence's end symbol is kept from coming before its length and made to come then; what
the tokens are costs nothing.

Shapes: B sentences, S source subwords, T target subwords, R rows (sentences times beams), V
subwords.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LogitsProcessor, LogitsProcessorList

from automl_tf.data.subwords import BOS, EOS, PAD
from handwritten import EXTRA_TOKENS, SENTENCES_A_BATCH, HandwrittenTransformer, Shape
from marian import new_marian

Sentences = Sequence[Sequence[int]]


def batches(sources: Sentences, lengths: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Sources BS and output lengths B, end symbols counted, in the order of the corpus.

    No output is longer than the hand-written model's own limit.
    """
    pairs = []
    for start in range(0, len(sources), SENTENCES_A_BATCH):
        chosen = slice(start, start + SENTENCES_A_BATCH)
        source_BS = pad_sequence(
            [torch.tensor(source) for source in sources[chosen]],
            batch_first=True,
            padding_value=PAD,
        )
        limit = source_BS.shape[1] + EXTRA_TOKENS
        pairs.append((source_BS, torch.tensor(lengths[chosen]).clamp(max=limit)))
    return pairs


@torch.no_grad()
def handwritten_greedy(shape: Shape, vocab_size: int, pairs: list[tuple[Tensor, Tensor]]) -> None:
    """The loop of `HandwrittenTransformer.greedy`, its sentences ending where they are told."""
    model = HandwrittenTransformer(shape, vocab_size).eval()
    for source_BS, lengths_B in pairs:
        memory = model.encode(source_BS)
        output_BT = torch.full((len(source_BS), 1), BOS)
        for length in range(1, int(lengths_B.max()) + 1):
            hidden_BTD = model.decode(output_BT, *memory)
            next_B = model.generator(hidden_BTD[:, -1]).argmax(-1)
            next_B = next_B.masked_fill(length > lengths_B, PAD)
            output_BT = torch.cat([output_BT, next_B[:, None]], dim=1)


def marian_generate(
    shape: Shape, vocab_size: int, pairs: list[tuple[Tensor, Tensor]], beam_size: int
) -> None:
    """What the transformers library offers for it."""
    model = new_marian(shape, vocab_size).eval()
    for source_BS, lengths_B in pairs:
        model.generate(
            input_ids=source_BS,
            attention_mask=source_BS != PAD,
            num_beams=beam_size,
            do_sample=False,
            max_new_tokens=int(lengths_B.max()),
            logits_processor=LogitsProcessorList([_EndsWhenTold(lengths_B, beam_size)]),
        )


class _EndsWhenTold(LogitsProcessor):  # type: ignore[misc]
    """Lets the end symbol come at one place only."""

    def __init__(self, lengths_B: Tensor, beam_size: int) -> None:
        self._lengths_R = lengths_B.repeat_interleave(beam_size)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores RV of the next token after ids RT, which begin with one symbol."""
        ends_R = self._lengths_R <= input_ids.shape[1]
        scores_RV = scores.clone()
        scores_RV[:, EOS] = -torch.inf
        scores_RV[ends_R] = -torch.inf
        scores_RV[ends_R, EOS] = 0.0
        return scores_RV
