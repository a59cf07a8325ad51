import gzip
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from automl_tf.config.settings import Corpus as CorpusConfig
from automl_tf.config.settings import TrialConfig
from automl_tf.data.encoded import Ragged

GERMAN = {"dog": "Hund", "cat": "Katze", "house": "Haus", "tree": "Baum", "child": "Kind"}
SCRIPTS = [
    "Ein Mann, der schläft.",
    "我昨天买了三本书。",
    "كتبَ الولدُ رسالةً طويلة",
    "मैं कल बाज़ार गया था।",
    "ผมไปตลาดเมื่อวานนี้",
    "👩‍💻🇩🇪 ok 😀",
    "<s> <pad> </s> <unk> <0x41>",
    "a▁b ▁",
    "e\u0301 \u1e9b\u0323",
    "\U0010fffd\U000e0001",
]
VERBS = {"sees": "sieht", "likes": "mag", "finds": "findet", "paints": "malt"}


def made_pairs(count: int, start: int = 0) -> list[tuple[str, str]]:
    """Distinct sentences of different lengths."""
    nouns, verbs = list(GERMAN), list(VERBS)
    made = []
    for number in range(start, start + count):
        subject, verb = nouns[number % 5], verbs[number // 5 % 4]
        tail = [nouns[(number + k) % 5] for k in range(number % 7)]
        made.append(
            (
                " ".join([f"the {subject} {verb} house {number}", *tail]) + ".",
                " ".join(
                    [f"das {GERMAN[subject]} {VERBS[verb]} Haus {number}", *map(GERMAN.get, tail)]
                )
                + ".",
            )
        )
    return made


class Corpus:
    """Line files in a folder, and the configuration that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.write("train", made_pairs(300))
        self.write("validation", made_pairs(20, 1000))
        self.write("test", made_pairs(10, 2000))

    def write(self, split: str, lines: list[tuple[str, str]]) -> None:
        for side, language in enumerate(("en", "de")):
            text = "".join(pair[side] + "\n" for pair in lines)
            (self.folder / f"{split}.{language}.gz").write_bytes(gzip.compress(text.encode()))

    def files(self, split: str) -> dict[str, Path]:
        return {
            "source": self.folder / f"{split}.en.gz",
            "target": self.folder / f"{split}.de.gz",
        }

    def config(self, *, test: bool = True, **data: Any) -> TrialConfig:
        corpus: dict[str, Any] = {
            "kind": "files",
            "source_lang": "en",
            "target_lang": "de",
            "train": self.files("train"),
            "validation": self.files("validation"),
        }
        if test:
            corpus["test"] = self.files("test")
        return TrialConfig.model_validate({"corpus": corpus, "data": {"vocab_size": 300} | data})


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


@pytest.fixture
def pairs():
    return made_pairs


@pytest.fixture
def strange_texts() -> list[str]:
    """Sentences of several scripts, and characters from all over Unicode."""
    rng = random.Random(0)
    bounds = (0x80, 0x800, 0x3000, 0x10000, sys.maxunicode + 1)
    return SCRIPTS + [
        "".join(chr(rng.randrange(rng.choice(bounds))) for _ in range(rng.randrange(12)))
        for _ in range(1000)
    ]


@pytest.fixture
def mixed() -> list[str]:
    """Text to learn subwords from: one language, and others in between."""
    return [source for source, _ in made_pairs(300)] + SCRIPTS * 5


@pytest.fixture
def configured():
    """Makes the configuration of an English-German corpus."""

    def make(**settings: Any) -> CorpusConfig:
        languages = {"source_lang": "en", "target_lang": "de"}
        return TypeAdapter(CorpusConfig).validate_python(languages | settings)

    return make


@pytest.fixture
def rows():
    """The pairs of each split of a loaded corpus."""

    def read(corpus):
        splits = [corpus.train, corpus.validation, corpus.test]
        return [
            list(zip(split.sources(), split.targets(), strict=True)) for split in splits if split
        ]

    return read


@pytest.fixture
def ragged():
    """Makes one array of lists."""

    def make(sentences: list[list[int]]) -> Ragged:
        flat = [i for sentence in sentences for i in sentence]
        lengths = [len(sentence) for sentence in sentences]
        return Ragged(np.array(flat, dtype=np.int32), np.cumsum([0, *lengths]))

    return make


@pytest.fixture
def lists():
    """The lists in one array."""

    def make(sentences: Ragged) -> list[list[int]]:
        bounds = zip(sentences.offsets[:-1], sentences.offsets[1:], strict=True)
        return [sentences.ids[start:end].tolist() for start, end in bounds]

    return make
