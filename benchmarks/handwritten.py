"""The model that a competent user writes by hand: the reference of the benchmarks.

``nn.Transformer`` with normalisation after each sub-layer, three separate vocabulary matrices, 128
sentences a batch in random order, fp32, and greedy decoding that reads the whole prefix again for
every token. It gets the very token ids of the project's own corpus, so that tokens are the same
for all contestants, and has an output row for every id of the vocabulary.

Shapes: B sentences, S source subwords, T target subwords, D width, V subwords.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from automl_tf.data.encoded import EncodedSplit
from automl_tf.data.subwords import BOS, EOS, PAD

SENTENCES_A_BATCH = 128
DROPOUT = 0.1
LABEL_SMOOTHING = 0.1
LONGEST = 512
EXTRA_TOKENS = 20
"""Tokens by which a translation may be longer than its source."""


@dataclass(frozen=True)
class Shape:
    """A model's size, the same on both sides.

    Attributes:
        d_model: Width of every sub-layer.
        layers: Encoder layers, and as many decoder layers.
        heads: Attention heads.
        d_ff: Inner width of the feed-forward network.
    """

    d_model: int
    layers: int
    heads: int
    d_ff: int


SHAPES = {
    "d64/2": Shape(64, 2, 4, 256),
    "d128/3": Shape(128, 3, 4, 512),
    "d256/3": Shape(256, 3, 4, 1024),
    "base": Shape(512, 6, 8, 2048),
}
"""By width and layers; base is that of Vaswani et al. 2017, Table 3."""

Pair = tuple[Tensor, Tensor]
"""Source ids S and target ids T of a sentence, or BS and BT of a batch of them."""


class Pairs(Dataset[Pair]):
    """Sentence pairs, with the symbols that start and end them."""

    def __init__(self, split: EncodedSplit) -> None:
        self._split = split

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> Pair:
        source, target = self._split.source, self._split.target
        source_ids = source.ids[source.offsets[index] : source.offsets[index + 1]].tolist()
        target_ids = target.ids[target.offsets[index] : target.offsets[index + 1]].tolist()
        return torch.tensor([*source_ids, EOS]), torch.tensor([BOS, *target_ids, EOS])


def random_batches(pairs: Dataset[Pair]) -> DataLoader[Pair]:
    """Batches of sentences as chance brings them together, padded to the longest."""
    return DataLoader(pairs, SENTENCES_A_BATCH, shuffle=True, collate_fn=padded)


def padded(pairs: Sequence[Pair]) -> Pair:
    """Sentences side by side."""
    sources, targets = zip(*pairs, strict=True)
    return _stacked(sources), _stacked(targets)


def _stacked(sentences: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(sentences), batch_first=True, padding_value=PAD)


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of each position."""

    def __init__(self, d_model: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        position = torch.arange(LONGEST).unsqueeze(1)
        rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10_000.0) / d_model))
        table_TD = torch.zeros(LONGEST, d_model)
        table_TD[:, 0::2], table_TD[:, 1::2] = (
            torch.sin(position * rate),
            torch.cos(position * rate),
        )
        self.register_buffer("table_TD", table_TD)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """The embeddings with their positions, BTD."""
        table_TD = self.get_buffer("table_TD")
        summed_BTD: Tensor = self.dropout(x_BTD + table_TD[: x_BTD.size(1)])
        return summed_BTD


class HandwrittenTransformer(nn.Module):
    """``nn.Transformer`` between embeddings and a linear layer.

    Args:
        shape: Its size.
        vocab_size: Subwords of the joint vocabulary, all of which have an output row.
        dropout: Probability of dropping a unit.
    """

    def __init__(self, shape: Shape, vocab_size: int, dropout: float = DROPOUT) -> None:
        super().__init__()
        width = shape.d_model
        self.source_embedding = nn.Embedding(vocab_size, width, padding_idx=PAD)
        self.target_embedding = nn.Embedding(vocab_size, width, padding_idx=PAD)
        self.positions = SinusoidalPositions(width, dropout)
        self.transformer = nn.Transformer(
            width, shape.heads, shape.layers, shape.layers, shape.d_ff, dropout, batch_first=True
        )
        self.generator = nn.Linear(width, vocab_size)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.scale = math.sqrt(width)
        self.loss_function = nn.CrossEntropyLoss(ignore_index=PAD, label_smoothing=LABEL_SMOOTHING)

    def encode(self, source_BS: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's output BSD, and where the source is padding BS."""
        padding_BS = source_BS == PAD
        x_BSD = self.positions(self.source_embedding(source_BS) * self.scale)
        return self.transformer.encoder(x_BSD, src_key_padding_mask=padding_BS), padding_BS

    def decode(self, target_BT: Tensor, memory_BSD: Tensor, padding_BS: Tensor) -> Tensor:
        """The decoder's output at each target position, BTD."""
        length = target_BT.size(1)
        future_TT = torch.ones(length, length, dtype=torch.bool).triu(1)
        x_BTD = self.positions(self.target_embedding(target_BT) * self.scale)
        hidden_BTD: Tensor = self.transformer.decoder(
            x_BTD,
            memory_BSD,
            tgt_mask=future_TT,
            tgt_key_padding_mask=target_BT == PAD,
            memory_key_padding_mask=padding_BS,
        )
        return hidden_BTD

    def loss(self, source_BS: Tensor, target_BT: Tensor) -> Tensor:
        """Label-smoothed cross entropy over the real tokens, a scalar."""
        hidden_BTD = self.decode(target_BT[:, :-1], *self.encode(source_BS))
        logits_BTV = self.generator(hidden_BTD)
        loss: Tensor = self.loss_function(logits_BTV.flatten(0, 1), target_BT[:, 1:].flatten())
        return loss

    @torch.no_grad()
    def greedy(self, source_BS: Tensor) -> Tensor:
        """The likeliest token after each prefix, BT, each sentence ending with EOS or cut."""
        memory_BSD, padding_BS = self.encode(source_BS)
        output_BT = torch.full((len(source_BS), 1), BOS)
        is_done_B = torch.zeros(len(source_BS), dtype=torch.bool)
        for _ in range(source_BS.size(1) + EXTRA_TOKENS):
            hidden_BTD = self.decode(output_BT, memory_BSD, padding_BS)
            next_B = self.generator(hidden_BTD[:, -1]).argmax(-1).masked_fill(is_done_B, PAD)
            output_BT = torch.cat([output_BT, next_B[:, None]], dim=1)
            is_done_B |= next_B == EOS
            if is_done_B.all():
                break
        return output_BT[:, 1:]


def new_optimizer(model: nn.Module, learning_rate: float = 1e-3) -> torch.optim.AdamW:
    """AdamW as it is written down most often."""
    return torch.optim.AdamW(
        model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=1e-2
    )


def warmed_up(step: int, warmup_steps: int = 400) -> float:
    """The share of the peak learning rate after some steps."""
    return min((step + 1) / warmup_steps, math.sqrt(warmup_steps / (step + 1)))


def translate(model: HandwrittenTransformer, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """Greedy translations as ids, without EOS, in the order of the sources.

    Args:
        model: A model in evaluation mode.
        sources: Source ids, each ending with EOS.
    """
    translations = []
    for start in range(0, len(sources), SENTENCES_A_BATCH):
        batch = [torch.tensor(source) for source in sources[start : start + SENTENCES_A_BATCH]]
        translations += [_until_end(row) for row in model.greedy(_stacked(batch)).tolist()]
    return translations


def _until_end(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(EOS)] if EOS in tokens else tokens
