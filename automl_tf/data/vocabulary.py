"""The subwords of both languages, shared or apart."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl_tf.config.settings import DataConfig
from automl_tf.data.subwords import Subwords, training_sample
from automl_tf.errors import Place, UserError
from automl_tf.model.size import VocabSizes

_FILES = {True: ("subwords.json",), False: ("source.json", "target.json")}


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The subwords of the source and of the target.

    Attributes:
        source: Subwords of the source.
        target: Subwords of the target; the very same object if the vocabulary is joint.
        joint: Whether both languages share one vocabulary.
    """

    source: Subwords
    target: Subwords
    joint: bool

    @property
    def sizes(self) -> VocabSizes:
        """What a model has to know of the vocabulary."""
        return VocabSizes(len(self.source), len(self.target), self.joint, self.target.num_outputs)

    @staticmethod
    def training_sample(
        pairs: int, data: DataConfig
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The sentences of a training split that :meth:`train` learns from.

        Args:
            pairs: Pairs of the split.
            data: Kind and size of the vocabulary.

        Returns:
            Indices of sources and of targets.
        """
        if not data.joint_vocab:
            chosen = training_sample(pairs, data.subword)
            return chosen, chosen
        both = training_sample(2 * pairs, data.subword)
        return both[both < pairs], both[both >= pairs] - pairs

    @classmethod
    def train(
        cls, sources: Sequence[str], targets: Sequence[str], data: DataConfig
    ) -> "Vocabulary":
        """The vocabulary of a training split.

        Args:
            sources: Source sentences of the training split, or the sample of them.
            targets: Their translations, or the sample of them.
            data: Kind and size of the vocabulary.
        """
        if data.joint_vocab:
            both = Subwords.train([*sources, *targets], data.vocab_size, data.subword)
            return cls(both, both, joint=True)
        return cls(
            Subwords.train(sources, data.vocab_size, data.subword),
            Subwords.train(targets, data.vocab_size, data.subword),
            joint=False,
        )

    def with_outputs_first(
        self, used: npt.NDArray[np.integer]
    ) -> tuple["Vocabulary", npt.NDArray[np.int32]]:
        """The same vocabulary with the target renumbered, as :meth:`Subwords.with_outputs_first`.

        Args:
            used: Ids that occur on the target side of the training split.

        Returns:
            The vocabulary, and the new id of each old id of the target.
        """
        target, new_ids = self.target.with_outputs_first(used)
        return Vocabulary(target if self.joint else self.source, target, self.joint), new_ids

    def save(self, folder: Path) -> None:
        """Writes the vocabulary into an existing folder."""
        (folder / "vocabulary.json").write_text(json.dumps({"joint": self.joint}))
        for name, subwords in zip(_FILES[self.joint], (self.source, self.target), strict=False):
            subwords.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> "Vocabulary":
        """Reads what :meth:`save` wrote.

        Raises:
            UserError: If a file is missing or is none of those.
        """
        path = folder / "vocabulary.json"
        try:
            joint = bool(json.loads(path.read_text(encoding="utf-8"))["joint"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} describes no vocabulary: {error}.", "", Place(path)) from None
        sides = [Subwords.load(folder / name) for name in _FILES[joint]]
        return cls(sides[0], sides[-1], joint)
