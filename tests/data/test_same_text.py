"""The same odd text gives the same corpus, whichever way it comes in."""

import bz2
import csv
import gzip
import json
import lzma
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from automl_tf.data.corpora import load_corpus
from automl_tf.data.pairs import write_pairs
from automl_tf.data.readers.columns import ColumnName, TableColumns
from automl_tf.data.readers.tables import Table
from automl_tf.data.readers.text_files import read_lines
from automl_tf.errors import UserError

PIECES = [
    *["a", "Ein Mann", "schläft.", " ", "  ", "", "7", "-0.5", "1e9", "12:30", "2024-01-01"],
    *["NA", "null", "None", "nan", "NaN", "N/A", "true", "#N/A", "-", "inf", "\\N"],
    *['"', '""', "'", ",", ";", "|", "\\", '\\"', "\\n", "#", "%", "{", "[1]", '{"en": 1}', "//"],
    *["\r", "\r\r", "\0", "\x01", "\x1a", "\x1c", "\v", "\f", "\x7f", "\x85", "\u2028"],
    *[
        "\ufeff",
        "\u200b",
        "\u00ad",
        "\ufffd",
        "\ufdd0",
        "\uffff",
        "😀",
        "👩‍💻",
        "e\u0301",
        "私は。",
    ],
    *["&amp;", "<b>", "=1+1", "</s>", "▁", "x" * 150_000],
]


def odd_text(rng: random.Random) -> str:
    text = "".join(rng.choices(PIECES, k=rng.randrange(6)))
    return text.rstrip("\r").removeprefix("\ufeff")


def odd_pairs(rng: random.Random, count: int) -> list[tuple[str, str]]:
    return [("id", "Nummer"), *((odd_text(rng), odd_text(rng)) for _ in range(count))]


def write_json(path: Path, rows: list[Any], indent: int | None = None) -> None:
    path.write_text(json.dumps(rows, ensure_ascii=bool(indent), indent=indent), encoding="utf-8")


def write_json_lines(path: Path, rows: Sequence[Any]) -> None:
    lines = (json.dumps(row, ensure_ascii=index % 2 == 0) for index, row in enumerate(rows))
    path.write_text("\n".join(lines), encoding="utf-8", newline="")


def write_csv(
    path: Path, pairs: list[tuple[str, str]], end: str, quoting: int, delimiter: str = ","
) -> None:
    with path.open("w", encoding="utf-8-sig" if end == "\r\n" else "utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=end, quoting=quoting, delimiter=delimiter)
        writer.writerow(["id", "de", "en", "score"])
        for number, (source, target) in enumerate(pairs):
            writer.writerow(
                [number if number < 15 else "x", target, source, "" if number % 2 else 1]
            )


def as_lists(pair: tuple[str, str]) -> dict[str, Any]:
    source, target = pair
    languages, texts = ["de", "en", "fr"], [target, source, "oui"]
    return {"translation": {"language": languages, "translation": texts}}


def as_objects(pair: tuple[str, str]) -> dict[str, Any]:
    source, target = pair
    return {"translations": [{"lang": "en", "text": source}, {"lang": "de", "text": target}]}


def flat(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    late: dict[int, Any] = {3: {"a": 1}, 5: [1, [2]], 8: float("nan"), 9: 10**30}
    return [
        {"id": late.get(number, number), "en": source, "de": target}
        for number, (source, target) in enumerate(pairs)
    ]


def nested(pairs: list[tuple[str, str]]) -> list[dict[str, Any]]:
    more = [{}, {"nl": "ja"}, {"fr": None}]
    return [
        {"translation": {"en": source, "de": target, **more[number % 3]}}
        for number, (source, target) in enumerate(pairs)
    ]


def arrow(pairs: list[tuple[str, str]]) -> pa.Table:
    columns = list(zip(*pairs, strict=True))
    return pa.table({"en": columns[0], "de": columns[1], "number": range(len(pairs))})


def arrow_stream(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, 7)


Writer = Callable[[Path, list[tuple[str, str]]], None]
TABLES: dict[str, Writer] = {
    "flat.jsonl": lambda path, pairs: write_json_lines(path, flat(pairs)),
    "nested.ndjson": lambda path, pairs: write_json_lines(path, nested(pairs)),
    "lists.jsonl": lambda path, pairs: write_json_lines(path, list(map(as_lists, pairs))),
    "objects.jsonl": lambda path, pairs: write_json_lines(path, list(map(as_objects, pairs))),
    "records.json": lambda path, pairs: write_json(path, nested(pairs)),
    "indented.json": lambda path, pairs: write_json(path, flat(pairs), indent=1),
    "wrapped.jsonl": lambda path, pairs: write_json(path, {"v": 1, "data": nested(pairs)}, 2),
    "columns.json": lambda path, pairs: write_json(
        path, {"en": [one for one, _ in pairs], "de": [other for _, other in pairs]}
    ),
    "pandas.json": lambda path, pairs: path.write_text(
        json.dumps(
            {
                name: {str(number): pair[side] for number, pair in enumerate(pairs)}
                for side, name in enumerate(("en", "de"))
            }
        )
    ),
    "lf.csv": lambda path, pairs: write_csv(path, pairs, "\n", csv.QUOTE_MINIMAL),
    "crlf.csv": lambda path, pairs: write_csv(path, pairs, "\r\n", csv.QUOTE_ALL),
    "quoted.tsv": lambda path, pairs: write_csv(path, pairs, "\n", csv.QUOTE_MINIMAL, "\t"),
    "json-in.csv": lambda path, pairs: write_cells(path, nested(pairs)),
    "plain.tsv": lambda path, pairs: path.write_bytes(
        "".join(f"{one}\t{other}\n" for one, other in [("en", "de"), *pairs]).encode()
    ),
    "flat.parquet": lambda path, pairs: pq.write_table(arrow(pairs), path),
    "nested.parquet": lambda path, pairs: pq.write_table(
        pa.Table.from_pylist(nested(pairs)), path, row_group_size=7
    ),
    "lists.parquet": lambda path, pairs: pq.write_table(
        pa.Table.from_pylist(list(map(as_lists, pairs))), path
    ),
    "stream.arrow": lambda path, pairs: arrow_stream(path, arrow(pairs)),
    "file.feather": lambda path, pairs: pyarrow.feather.write_feather(arrow(pairs), path),
}


def write_cells(path: Path, rows: list[dict[str, Any]]) -> None:
    """The column translation in JSON, as dictionaries are exported to CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["translation"])
        writer.writerows([json.dumps(row["translation"])] for row in rows)


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".GZ": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    ".unknown": bz2.compress,
}


class Ways:
    """The three splits of a corpus, and its fingerprint by one way in or another."""

    def __init__(self, folder: Path, configured: Callable[..., Any], seed: int) -> None:
        rng = random.Random(seed)
        self.splits = {name: odd_pairs(rng, 30) for name in ("train", "validation", "test")}
        self.folder = folder
        self._configured = configured

    def fingerprint(self, **settings: Any) -> str:
        return load_corpus(self._configured(**settings), self.folder / "cache").fingerprint

    def by_lines(self, ending: str = "", end: str = "\n", encoding: str = "utf-8") -> str:
        names = {}
        for split, pairs in self.splits.items():
            names[split] = {}
            for side, name in enumerate(("source", "target")):
                path = self.folder / f"{split}.{side}{ending}"
                data = "".join(pair[side] + end for pair in pairs).encode(encoding)
                path.write_bytes(COMPRESSED[ending](data))
                names[split][name] = path
        return self.fingerprint(kind="files", **names)

    def by_table(self, name: str, ending: str = "") -> str:
        names = {}
        for split, pairs in self.splits.items():
            path = self.folder / f"{split}-{name}"
            TABLES[name](path, pairs)
            packed = path.with_name(path.name + ending)
            packed.write_bytes(COMPRESSED[ending](path.read_bytes()))
            names[split] = {"table": packed}
        return self.fingerprint(kind="files", **names)

    def by_folder(self, name: str) -> str:
        folder = self.folder / f"[v2] data? #1 {name}"
        (folder / "data").mkdir(parents=True)
        for split, pairs in self.splits.items():
            TABLES[name](folder / "data" / f"{split}-{name}", pairs)
        return self.fingerprint(kind="hub", name=str(folder))


@pytest.fixture(scope="module")
def ways(tmp_path_factory) -> Callable[[Callable[..., Any], int], Ways]:
    def make(configured: Callable[..., Any], seed: int = 0) -> Ways:
        return Ways(tmp_path_factory.mktemp("ways"), configured, seed)

    return make


@pytest.mark.parametrize("seed", range(3))
def test_by_files_tables_and_folders(seed: int, ways, configured) -> None:
    made = ways(configured, seed)
    expected = made.by_lines()
    assert {name: made.by_table(name) for name in TABLES} == dict.fromkeys(TABLES, expected)
    in_folders = sorted(name for name in TABLES if not name.endswith(".feather"))[seed::3]
    found = {name: made.by_folder(name) for name in in_folders}
    assert found == dict.fromkeys(in_folders, expected)


def test_by_compression_and_encoding(ways, configured) -> None:
    made = ways(configured)
    expected = made.by_lines()
    assert {made.by_lines(ending) for ending in COMPRESSED} == {expected}
    assert made.by_lines(end="\r\n", encoding="utf-8-sig") == expected
    assert made.by_lines(encoding="utf-16") == expected
    for name in ("flat.jsonl", "lf.csv", "nested.parquet", "stream.arrow"):
        assert {made.by_table(name, ending) for ending in COMPRESSED} == {expected}


JUNK = [
    b'"',
    b",",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"{",
    b"}",
    b"[",
    b"\\",
    b"\xff",
    b"\xed\xa0\x80",
    b":",
]
JUNK += [b"null", b"NaN", b"1e999", b"\\ud800", b"\xef\xbb\xbf", b"\xff\xfe", b'"en"', b"\x1f\x8b"]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A file with bytes changed, inserted or lost."""
    for _ in range(rng.choice([1, 2, 5, 20])):
        at = rng.randrange(len(data) + 1)
        lost = rng.choice([0, 0, 1, 30])
        junk = rng.choice([*JUNK, b"", bytes([rng.randrange(256)]), data[at : at + 100]])
        data = data[:at] + junk + data[at + lost :]
    return data[: rng.choice([None, None, None, len(data) // 2])]


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_read_or_refused_in_one_message(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    columns = TableColumns(ColumnName("en", is_language=True), ColumnName("de", is_language=True))
    path = tmp_path / name
    TABLES[name](path, [(one[:99], other[:99]) for one, other in odd_pairs(rng, 12)])
    whole = path.read_bytes()
    for _ in range(30):
        path.write_bytes(damaged(whole, rng))
        with suppress(UserError):
            write_pairs(tmp_path / "pairs.arrow", Table(path, columns, "corpus.train.table"))
        with suppress(UserError):
            list(read_lines(path, None))
