import gc
from pathlib import Path

import numpy as np
import pytest

from automl_tf.data import pairs as pairs_file
from automl_tf.data.pairs import PairTable, write_pairs


@pytest.fixture(params=["named", "open"])
def table_of(request, tmp_path: Path):
    def make(made) -> PairTable:
        path = tmp_path / "pairs.arrow"
        file = path if request.param == "named" else path.open("w+b")
        write_pairs(file, made)
        return PairTable(file)

    return make


@pytest.mark.parametrize("count", [0, 1, 7, 8, 100])
def test_what_is_written_is_read_in_chunks(count, table_of, pairs, monkeypatch) -> None:
    monkeypatch.setattr(pairs_file, "CHUNK_PAIRS", 8)
    made = [*pairs(count)[1:], ("ü\u2028", "")] if count else []
    table = table_of(made)
    gc.collect()
    assert len(table) == count
    for _ in range(2):
        chunks = list(table.chunks())
        assert [pair for chunk in chunks for pair in zip(*chunk, strict=True)] == made
        assert all(len(chunk.sources) <= 8 for chunk in chunks)
    assert list(zip(table.sources(), table.targets(), strict=True)) == made
    chosen = np.arange(count) % 3 == 1
    left = [pair for chunk in table.chunks(chosen) for pair in zip(*chunk, strict=True)]
    assert left == made[1::3]


def test_two_readings_at_once(table_of, pairs, monkeypatch) -> None:
    monkeypatch.setattr(pairs_file, "CHUNK_PAIRS", 2)
    table = table_of(pairs(10))
    for one, other in zip(table.chunks(), table.chunks(), strict=True):
        assert one == other


def test_half_a_character_becomes_a_replacement_character(table_of, pairs, monkeypatch) -> None:
    monkeypatch.setattr(pairs_file, "CHUNK_PAIRS", 2)
    made = pairs(4)
    table = table_of([*made, ("a\ud83d b", "\udcb2"), ("\ud83d\ude00", "ü"), *made])
    repaired = [*made, ("a\ufffd b", "\ufffd"), ("😀", "ü"), *made]
    assert list(zip(table.sources(), table.targets(), strict=True)) == repaired


def test_an_open_file_needs_no_name(tmp_path: Path, pairs) -> None:
    path = tmp_path / "pairs.arrow"
    file = path.open("w+b")
    path.unlink()
    write_pairs(file, pairs(5))
    assert len(PairTable(file).sources()) == 5
