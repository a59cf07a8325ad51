"""Subwords: byte-pair encoding (Sennrich et al. 2016) and unigram models (Kudo 2018).

Text is cut into words, numbers and punctuation first, and no subword crosses such a cut. A subword
keeps the mark of the space before it, so that text is put together again without loss.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE, Unigram
from tokenizers.pre_tokenizers import Split
from tokenizers.trainers import BpeTrainer, UnigramTrainer

from automl_tf.data.text import (
    HEX_DIGITS,
    WORD_MARK,
    Alphabet,
    frequent_characters,
    normalize,
    read_spelling,
)
from automl_tf.errors import Place, UserError

PAD, BOS, EOS, UNK = 0, 1, 2, 3
# Names that mix letters and punctuation: no cut lets a subword do so, hence no text can spell one.
SPECIALS = ("<pad>", "<s>", "</s>", "<unk>")
FORMAT = 1

# Words (with their combining marks and joiners), single digits, runs of anything else.
_CUTS = (
    rf"{WORD_MARK}?[\p{{L}}\p{{M}}\x{{200C}}\x{{200D}}]+"
    rf"|{WORD_MARK}?\p{{N}}"
    rf"|{WORD_MARK}?[^\p{{L}}\p{{M}}\p{{N}}{WORD_MARK}]+"
    rf"|{WORD_MARK}"
)
# Scripts without spaces would otherwise grow subwords of whole clauses.
_LONGEST_PIECE = 16
# Single characters take at most this share of a vocabulary; the rarer ones are spelled.
_ALPHABET_SHARE = 0.75
# Sentences that are enough to find subwords in.
_TRAINING_SENTENCES = {"bpe": 1_000_000, "unigram": 200_000}
# The unigram trainer adds in the order of its threads: later digits differ from run to run.
_SCORE_DECIMALS = 6
# It ranks characters without a score of their own by this step above the lowest, in random order.
_RANK_STEP = 1e-4


class Subwords:
    """A vocabulary of subwords with numbers, and the way from text to numbers and back.

    Encoding normalises its input. No character of any script is lost on the way:
    ``decode(encode(text)) == normalize(text)``.

    Args:
        tokenizer: The model of subwords.
        num_outputs: How many ids, counted from 0, can stand on the target side.
    """

    def __init__(self, tokenizer: Tokenizer, num_outputs: int | None = None) -> None:
        self._tokenizer = tokenizer
        by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        self.pieces = tuple(piece for piece, _ in by_id)
        """The subword of each id."""
        self.num_outputs = len(self.pieces) if num_outputs is None else num_outputs
        """How many ids, counted from 0, can stand on the target side."""
        own = {*HEX_DIGITS, WORD_MARK}
        self._alphabet = Alphabet(p for p in self.pieces if len(p) == 1 and p not in own)

    def __len__(self) -> int:
        return len(self.pieces)

    @classmethod
    def train(
        cls, texts: Sequence[str], vocab_size: int, kind: Literal["bpe", "unigram"]
    ) -> "Subwords":
        """Subwords learnt from text, the same ones for the same text.

        Args:
            texts: Sentences of the training split.
            vocab_size: Upper bound of the number of subwords, special symbols counted; a small
                text gives fewer.
            kind: Byte-pair encoding or a unigram language model.
        """
        room = vocab_size - len(SPECIALS)
        assert room > len(HEX_DIGITS) + 1, "the smallest vocabulary holds specials and digits"
        sample = [normalize(texts[index]) for index in training_sample(len(texts), kind)]
        most = int((room - len(HEX_DIGITS) - 1) * _ALPHABET_SHARE)
        alphabet = Alphabet(frequent_characters(sample, most))
        first = sorted([*HEX_DIGITS, WORD_MARK, *alphabet.characters])
        spelled = (alphabet.spell(text) for text in sample)
        train = {"bpe": _train_bpe, "unigram": _train_unigram}[kind]
        return cls(train(spelled, room, first))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of sentences, without special symbols."""
        spelled = [self._alphabet.spell(normalize(text)) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(spelled)]

    def decode_batch(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """Sentences of ids; special symbols are left out."""
        pieces = ("",) * len(SPECIALS) + self.pieces[len(SPECIALS) :]
        return [read_spelling("".join([pieces[i] for i in sentence])) for sentence in ids]

    def with_outputs_first(
        self, used: npt.NDArray[np.integer]
    ) -> tuple["Subwords", npt.NDArray[np.int32]]:
        """The same subwords renumbered: special symbols, those in use, then the rest.

        The output layer of a model needs rows for the first :attr:`num_outputs` ids alone.

        Args:
            used: Ids that occur on the target side of the training split.

        Returns:
            The renumbered subwords, and the new id of each old one.
        """
        is_output = np.zeros(len(self), dtype=bool)
        is_output[: len(SPECIALS)] = True
        is_output[used] = True
        order = np.argsort(~is_output, kind="stable")
        new_ids = np.empty(len(self), dtype=np.int32)
        new_ids[order] = np.arange(len(self), dtype=np.int32)
        model = json.loads(self._tokenizer.to_str())["model"]
        if model["type"] == "BPE":
            tokenizer = _bpe([self.pieces[old] for old in order], model["merges"])
        else:
            tokenizer = _unigram([(self.pieces[old], model["vocab"][old][1]) for old in order])
        return Subwords(tokenizer, int(is_output.sum())), new_ids

    def save(self, path: Path) -> None:
        """Writes the subwords to a JSON file."""
        content = {
            "format": FORMAT,
            "num_outputs": self.num_outputs,
            "tokenizer": json.loads(self._tokenizer.to_str()),
        }
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Subwords":
        """Reads what :meth:`save` wrote.

        Raises:
            UserError: If the file is missing or is no such file.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = content["format"] == FORMAT
            tokenizer = Tokenizer.from_str(json.dumps(content["tokenizer"]))
            subwords = cls(tokenizer, int(content["num_outputs"]))
        except Exception as error:  # noqa: BLE001 - the tokenizers library raises Exception itself
            raise UserError(
                f"{path} is no file of subwords: {str(error).splitlines()[0]}.",
                "Restore the file, or build it again.",
                Place(path),
            ) from None
        if not known:
            raise UserError(
                f"{path} has format {content['format']}, and this version reads {FORMAT}.",
                "Build it again with this version.",
                Place(path),
            )
        return subwords


def training_sample(sentences: int, kind: Literal["bpe", "unigram"]) -> npt.NDArray[np.int64]:
    """The sentences that subwords are learnt from, evenly spread over a text.

    Args:
        sentences: Sentences of the text.
        kind: What is learnt.
    """
    step = max(1, -(-sentences // _TRAINING_SENTENCES[kind]))
    return np.arange(0, sentences, step)


def _train_bpe(spelled: Iterable[str], room: int, first: list[str]) -> Tokenizer:
    trainer = BpeTrainer(
        vocab_size=room,
        min_frequency=2,
        initial_alphabet=first,
        max_token_length=_LONGEST_PIECE,
        show_progress=False,
    )
    trained = _trained(Tokenizer(BPE()), spelled, trainer)
    by_id = sorted(trained["vocab"].items(), key=lambda item: item[1])
    return _bpe([*SPECIALS, *(piece for piece, _ in by_id)], trained["merges"])


def _train_unigram(spelled: Iterable[str], room: int, first: list[str]) -> Tokenizer:
    trainer = UnigramTrainer(
        vocab_size=room,
        initial_alphabet=first,
        max_piece_length=_LONGEST_PIECE,
        show_progress=False,
    )
    trained = _trained(Tokenizer(Unigram()), spelled, trainer)
    scores = {piece: round(score, _SCORE_DECIMALS) for piece, score in trained["vocab"]}
    lowest = min(scores.values())
    scores |= {
        character: lowest
        for character in first
        if scores.get(character, lowest) < lowest + _RANK_STEP * (len(first) + 1)
    }
    ranked = sorted(scores, key=lambda piece: (len(piece) > 1, -scores[piece], piece))[:room]
    return _unigram([*((name, 0.0) for name in SPECIALS), *((p, scores[p]) for p in ranked)])


def _trained(
    tokenizer: Tokenizer, spelled: Iterable[str], trainer: BpeTrainer | UnigramTrainer
) -> dict[str, Any]:
    tokenizer.pre_tokenizer = Split(Regex(_CUTS), "isolated")
    tokenizer.train_from_iterator(spelled, trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _bpe(pieces: list[str], merges: list[list[str]]) -> Tokenizer:
    vocab = {piece: index for index, piece in enumerate(pieces)}
    assert len(vocab) == len(pieces), "every subword stands once"
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=[(left, right) for left, right in merges]))
    tokenizer.pre_tokenizer = Split(Regex(_CUTS), "isolated")
    return tokenizer


def _unigram(scored: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(Unigram(scored, unk_id=UNK))
    tokenizer.pre_tokenizer = Split(Regex(_CUTS), "isolated")
    return tokenizer
