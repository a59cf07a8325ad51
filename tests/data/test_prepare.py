import itertools
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from automl_tf.data import fingerprints
from automl_tf.data.encoded import EncodedSplit
from automl_tf.data.filters import FilterReport
from automl_tf.data.prepare import (
    PreparationPausedError,
    PreparedData,
    fixed_order,
    prepare,
)
from automl_tf.data.subwords import UNK
from automl_tf.data.text import normalize
from automl_tf.errors import UserError


def texts(prepared: PreparedData, split: EncodedSplit) -> list[tuple[str, str]]:
    sides = (
        (prepared.vocabulary.source, split.source),
        (prepared.vocabulary.target, split.target),
    )
    decoded = [
        subwords.decode_batch([side.take(np.array([i])).ids for i in range(len(side))])
        for subwords, side in sides
    ]
    return list(zip(*decoded, strict=True))


def raw_texts(prepared: PreparedData) -> list[tuple[str, str]]:
    """The text of the validation split, pair by pair."""
    split = prepared.validation
    return list(zip(split.source_text, split.target_text, strict=True))


def in_order(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of a validation split in the order in which they are prepared."""
    return [lines[index] for index in fixed_order(len(lines))]


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("subword", ["bpe", "unigram"])
def test_splits_hold_the_corpus(*, joint: bool, subword: str, corpus, pairs) -> None:
    prepared = prepare(corpus.config(joint_vocab=joint, subword=subword), corpus.cache)
    assert texts(prepared, prepared.train) == pairs(300)
    assert texts(prepared, prepared.validation) == in_order(pairs(20, 1000))
    assert prepared.report == FilterReport(kept=300)
    test = prepared.load_test()
    assert test is not None
    assert list(zip(test.source_text, test.target_text, strict=True)) == pairs(10, 2000)
    assert np.unique(prepared.train.target.ids).max() == prepared.sizes.outputs - 1
    assert len(np.unique(prepared.train.target.ids)) == prepared.sizes.outputs - 4
    assert prepared.sizes.source <= 300
    assert prepared.sizes.joint == joint


def test_filters_touch_the_training_split_alone(corpus, pairs) -> None:
    extra = [*pairs(1), ("", "leer"), pairs(1, 1000)[0], (pairs(1, 2000)[0][0], "anders")]
    long = [("word " * 200, "Wort " * 200), ("house house " * 5, "Haus")]
    corpus.write("train", [*pairs(300), *extra, *long])
    validation = [*pairs(5, 1000), *pairs(2, 1000), ("", "leer"), *long]
    corpus.write("validation", validation)
    prepared = prepare(corpus.config(max_length=50, max_ratio=4.0), corpus.cache)
    assert prepared.report == FilterReport(
        kept=300, empty=1, duplicate=1, in_validation_or_test=4, too_long=0, ratio=0
    )
    assert len(prepared.validation) == 10
    assert raw_texts(prepared) == in_order(validation)
    assert prepared.validation.source.lengths.max() == 50
    assert prepared.validation.target.lengths.max() == 50
    corpus.write("validation", pairs(5, 1000))
    prepared = prepare(corpus.config(max_length=50, max_ratio=4.0), corpus.cache)
    assert (prepared.report.too_long, prepared.report.ratio) == (1, 1)
    assert len(prepared.train) == prepared.report.kept == 300


def test_models_read_normalised_text_and_references_stay_raw(corpus, pairs) -> None:
    raw = ("e\u0301  \x07a", "o\u0308\u00a0 b")
    corpus.write("train", [*pairs(50), raw])
    validation = [raw, *pairs(3, 1000)]
    corpus.write("validation", validation)
    prepared = prepare(corpus.config(deduplicate=False), corpus.cache)
    assert texts(prepared, prepared.train)[-1] == (normalize(raw[0]), normalize(raw[1]))
    assert raw_texts(prepared) == in_order(validation)


def test_unseen_outputs_are_unknown_in_targets_alone(corpus) -> None:
    corpus.write("validation", [("a 新", "b 新")])
    prepared = prepare(corpus.config(), corpus.cache)
    assert UNK in prepared.validation.target.ids
    assert prepared.validation.target.ids.max() < prepared.sizes.outputs
    assert texts(prepared, prepared.validation)[0][0] == "a 新"
    assert prepared.validation.target_text == ["b 新"]


def test_other_scripts(corpus) -> None:
    made = [(f"第{i}只狗看见了房子。", f"الكلب رقم {i} يرى البيت 😀 मैं {i}") for i in range(200)]
    corpus.write("train", made)
    corpus.write("validation", [("新しい犬", "कुत्ता")])
    prepared = prepare(corpus.config(max_length=100), corpus.cache)
    assert texts(prepared, prepared.train) == made


@pytest.mark.parametrize(
    ("data", "key"),
    [({"max_length": 2}, "data.max_length"), ({"vocab_size": 32}, "data.max_length")],
)
def test_no_pair_left(data: dict[str, int], key: str, corpus) -> None:
    config = corpus.config(**{"max_length": 20} | data)
    with pytest.raises(UserError, match="All 300 training pairs were filtered away") as error:
        prepare(config, corpus.cache)
    assert error.value.place is not None
    assert error.value.place.key == key


def test_a_training_split_that_is_the_validation_split(corpus, pairs) -> None:
    corpus.write("validation", pairs(300))
    with pytest.raises(UserError, match="in validation or test: 300") as error:
        prepare(corpus.config(), corpus.cache)
    assert "data.deduplicate" in str(error.value)


def test_only_corpus_and_data_settings_name_the_entry(
    corpus, monkeypatch: pytest.MonkeyPatch, pairs
) -> None:
    monkeypatch.setattr(fingerprints, "RACY_SECONDS", -1.0)
    config = corpus.config()
    first = prepare(config, corpus.cache)
    assert prepare(config.model_copy(update={"seed": 9}), corpus.cache) is first
    assert prepare(corpus.config(vocab_size=200), corpus.cache).folder != first.folder
    corpus.write("train", pairs(200))
    changed = prepare(config, corpus.cache)
    assert changed.folder != first.folder
    assert changed.fingerprint != first.fingerprint
    assert len(changed.train) == 200
    corpus.write("train", pairs(300))
    assert prepare(config, corpus.cache) is first


def test_no_test_split(corpus) -> None:
    assert prepare(corpus.config(test=False), corpus.cache).load_test() is None


def test_a_deleted_cache_is_built_again(corpus) -> None:
    first = prepare(corpus.config(), corpus.cache)
    expected = texts(first, first.train)
    shutil.rmtree(corpus.cache)
    again = prepare(corpus.config(), corpus.cache)
    assert texts(again, again.train) == expected
    assert again.load_test() is not None


PROGRAM = """
import json, sys
from pathlib import Path
from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import prepare

prepared = prepare(TrialConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps([prepared.folder.name, prepared.train.target.ids.tolist()]))
"""


@pytest.mark.slow
def test_several_processes_at_once(corpus) -> None:
    configs = [corpus.config(vocab_size=size) for size in (200, 300, 200, 200)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, config.model_dump_json(), str(corpus.cache)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for config in configs
    ]
    outputs = [process.communicate() for process in running]
    for config, (stdout, stderr) in zip(configs, outputs, strict=True):
        assert stderr == b""
        prepared = prepare(config, corpus.cache)
        assert json.loads(stdout) == [prepared.folder.name, prepared.train.target.ids.tolist()]
    entries = [path for path in (corpus.cache / "prepared").iterdir() if path.is_dir()]
    assert len(entries) == 2


@pytest.mark.parametrize("size", [1, 2, 40, 3000])
def test_the_fixed_order_holds_every_sentence_once(size: int) -> None:
    order = fixed_order(size)
    assert sorted(order) == list(range(size))
    assert order == fixed_order(size)


def test_the_first_sentences_of_the_fixed_order_come_from_everywhere() -> None:
    """Quarters of a file, as of four documents, each give about a quarter of a prefix."""
    size, prefix = 3000, 500
    first = fixed_order(size)[:prefix]
    parts = [sum(4 * index // size == quarter for index in first) for quarter in range(4)]
    # The standard deviation of such a share of a random sample, without replacement.
    spread = (prefix * (1 / 4) * (3 / 4) * (1 - prefix / size)) ** 0.5
    assert all(abs(part - prefix / 4) < 3 * spread for part in parts)
    neighbours = [abs(here - there) for here, there in itertools.pairwise(first)]
    assert statistics.mean(neighbours) == pytest.approx(size / 3, rel=0.1)


def test_the_order_is_the_same_for_all_trials(corpus) -> None:
    few, many = (prepare(corpus.config(vocab_size=size), corpus.cache) for size in (200, 300))
    assert few.folder != many.folder
    assert raw_texts(few) == raw_texts(many)


def test_first_sentences_are_those_of_the_whole(corpus) -> None:
    prepared = prepare(corpus.config(), corpus.cache)
    whole, first = prepared.validation, prepared.validation.first(7)
    assert len(first) == 7
    assert first.sources() == whole.sources()[:7]
    assert texts(prepared, first) == texts(prepared, whole)[:7]
    assert len(whole.first(len(whole))) == len(whole)


def test_a_preparation_pauses_between_its_stages_and_leaves_nothing(corpus, tmp_path) -> None:
    config = corpus.config()
    for question in range(1, 20):
        asked = iter(range(1, 100))
        try:
            prepared = prepare(config, tmp_path, lambda: next(asked) == question)  # noqa: B023
        except PreparationPausedError:
            assert not [path for path in (tmp_path / "prepared").iterdir() if path.is_dir()]
        else:
            break
    assert question > 5
    assert len(prepared.train) == len(prepare(config, corpus.cache).train)


def test_a_preparation_that_waits_for_another_one_can_pause(corpus, tmp_path) -> None:
    config = corpus.config()
    prepared = prepare(config, tmp_path / "cache")
    shutil.rmtree(prepared.folder)
    lock = FileLock(prepared.folder.with_name(f"{prepared.folder.name}.lock"))
    with lock, pytest.raises(PreparationPausedError):
        prepare(config, tmp_path / "cache", lambda: True)
    assert len(prepare(config, tmp_path / "cache").train) == len(prepared.train)
