from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from automl_tf.config.corpus import Corpus, FilesCorpus, HubCorpus, SplitFiles, SyntheticCorpus

ADAPTER: TypeAdapter = TypeAdapter(Corpus)
FILES = {
    "kind": "files",
    "source_lang": "en",
    "target_lang": "de",
    "train": {"source": "a.en", "target": "a.de.gz"},
    "validation": {"table": "b.jsonl"},
}
HUB = {"kind": "hub", "name": "some/corpus", "source_lang": "en", "target_lang": "de"}


def test_the_kind_decides_what_a_corpus_is() -> None:
    assert isinstance(ADAPTER.validate_python({"kind": "synthetic"}), SyntheticCorpus)
    files = ADAPTER.validate_python(FILES)
    assert isinstance(files, FilesCorpus)
    assert files.train.source == Path("a.en")
    assert files.test is None
    assert isinstance(ADAPTER.validate_python(HUB), HubCorpus)


@pytest.mark.parametrize("corpus", [{"kind": "synthetic", "seed": 3}, FILES, HUB])
def test_a_corpus_comes_back_from_its_json(corpus: dict) -> None:
    made = ADAPTER.validate_python(corpus)
    assert ADAPTER.validate_python(ADAPTER.dump_python(made, mode="json")) == made


@pytest.mark.parametrize("code", ["en", "no", "deu", "pt_BR", "zh-Hans", "sr-Latn-RS", "zho_Hans"])
def test_language_codes_of_two_or_three_letters_are_taken(code: str) -> None:
    assert ADAPTER.validate_python({**FILES, "source_lang": code}).source_lang == code


@pytest.mark.parametrize("code", ["", "e", "english", "en de", "../en", "1e", "en_", False])
def test_what_is_no_language_code_is_refused(code: object) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**FILES, "source_lang": code})


@pytest.mark.parametrize(
    "split",
    [
        {},
        {"source": "a"},
        {"target": "a"},
        {"source": "a", "table": "b"},
        {"source": "a", "target": "b", "table": "c"},
    ],
)
def test_a_split_is_two_texts_or_one_table(split: dict) -> None:
    with pytest.raises(ValidationError, match="either source and target, or table"):
        SplitFiles.model_validate(split)
