import csv
import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from automl_tf.data.readers.columns import ColumnName, TableColumns
from automl_tf.data.readers.tables import Table
from automl_tf.errors import UserError

COLUMNS = TableColumns(ColumnName("en", is_language=True), ColumnName("de", is_language=True))
ROWS = [{"en": "one, two", "de": 'eins "zwei"'}, {"en": "NA", "de": "1"}, {"en": "", "de": "null"}]


def read(path: Path, content: str | bytes | None = None, columns: TableColumns = COLUMNS) -> Any:
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    pairs = list(Table(path, columns, "corpus.train.table"))
    return [{"en": source, "de": target} for source, target in pairs]


JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = 'id,en,de\n1,"one, two","eins ""zwei"""\n2,NA,1\n3,,null\n'
TSV = 'en\tde\none, two\teins "zwei"\nNA\t1\n\tnull\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", JSONL),
        ("t.jsonl.gz", JSONL),
        ("t.ndjson", JSONL + "\n"),
        ("t.json", json.dumps(ROWS)),
        ("t.json", json.dumps(ROWS, indent=2)),
        ("t.json", json.dumps({key: [row[key] for row in ROWS] for key in ("en", "de")})),
        ("t.json", JSONL),
        ("t.csv", CSV),
        ("t.csv.gz", "\ufeff" + CSV.replace("\n", "\r\n")),
        ("t.tsv", TSV),
        ("t.tsv.gz", TSV),
    ],
)
def test_the_same_rows_from_every_format(name: str, content: str, tmp_path: Path) -> None:
    assert read(tmp_path / name, content) == ROWS


@pytest.mark.parametrize("nested", [True, False])
def test_parquet_and_nested_columns(*, nested: bool, tmp_path: Path) -> None:
    table = Dataset.from_list([{"translation": row} for row in ROWS] if nested else ROWS)
    table.to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == ROWS


def test_columns_by_name_and_cells_of_several_lines(tmp_path: Path) -> None:
    content = json.dumps({"a.b": "x\r\ny", "c": {"d": {"e": "z"}}})
    columns = columns_of("a.b", "c.d.e")
    assert read(tmp_path / "t.jsonl", content, columns) == [{"en": "x y", "de": "z"}]


def columns_of(*names: str) -> TableColumns:
    return TableColumns(*(ColumnName(name) for name in names))


PLAIN = [{"en": "a", "de": "b"}]
LATE = "".join(f"{number},a,b,{number}\n" for number in range(10_000))
SHAPES = [
    {"translation": {"de": "b", "en": "a"}},
    {"translation": {"de": "b", "en": "a", "nl": None, "fr": {"x": []}}},
    {"id": 3, "translations": {"language": ["fr", "de", "en"], "translation": ["c", "b", "a"]}},
    {"translation": {"language": ["de", "en", "de"], "translation": ["b", "a", "other"]}},
    {"translation": [{"language": "de", "text": "b"}, {"language": "en", "text": "a"}]},
    {"translation": [{"lang": "en", "sentence": "a"}, {"lang": "de", "sentence": "b"}]},
    {"translation": {"lang": ["en", "de"], "text": ["a", "b"]}},
    {"translation": [{"en": "a"}, {"de": "b"}]},
    {"translation": '{"en": "a", "de": "b"}'},
    {"translation": "{'en': 'a', 'de': 'b'}"},
    {"text": {"en": "a", "de": "b"}, "question": {"en": "other"}},
    {"translation.en": "a", "translation.de": "b"},
    {"EN": "a", " De ": "b"},
    {"en": "a", "translation": {"de": "b"}},
    {"en": ["a"], "de": "b", "tokens": ["x", "y"]},
    {"en": "a", "de": "b", "translation": {"en": "other", "de": "other"}},
]


@pytest.mark.parametrize("row", SHAPES, ids=json.dumps)
def test_every_shape_of_translations(row: dict[str, Any], tmp_path: Path) -> None:
    assert read(tmp_path / "t.jsonl", json.dumps(row)) == PLAIN
    assert read(tmp_path / "t.json", json.dumps([row, row], indent=1)) == PLAIN * 2
    Dataset.from_list([row] * 3).to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == PLAIN * 3


def test_a_row_that_lists_other_languages_is_left_out(tmp_path: Path) -> None:
    rows = [
        {"translation": {"language": ["en", "fr"], "translation": ["x", "y"]}},
        {"translation": {"language": ["en", "de"], "translation": ["a", "b"]}},
        {"translation": {"language": [], "translation": []}},
    ]
    assert read(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows))) == PLAIN


@pytest.mark.parametrize(
    ("name", "content"),
    [
        # Columns that nobody asked for may hold, or lack, whatever they like.
        ("t.csv", f"id,en,de,year\n{LATE}x,a,b,\nx,a,b\nx,a,b,1,,\n"),
        ("t.tsv", 'en\tde\tnote\na\tb\na\tb\t\t\na\tb\t"\n'),
        ("t.jsonl", '{"en": "a", "de": "b", "s": NaN}\n{"s": [1, {}], "de": "b", "en": "a"}'),
        ("t.jsonl", '{"en": "a", "s": %s, "de": "b"}' % ("9" * 5_000)),
        ("t.jsonl", '{"en": "a", "de": "b"}\n\n  \n\ufeff{"en": "a", "de": "b"}'),
        ("t.csv", "de,de2,en,de2\nb,1,a,2\n"),
        # Other separators, line ends and forms than the name promises.
        ("t.csv", "en;de\na;b\n"),
        ("t.csv", "en\tde\r\r\na\tb\r\r\n"),
        ("t.csv", "en,de\ra,b\r"),
        ("t.tsv", '"en"\t"de"\n"a"\tb\n"a"\t"b"\n'),
        ("t.TSV.GZ", "de\ten\nb\ta\n"),
        ("t.jsonl", '[\n{"en": "a", "de": "b"}\n]'),
        ("t.jsonl", '{\n"en": "a",\n"de": "b"\n}'),
        ("t.json", '{"version": 1, "data": [{"en": "a", "de": "b"}]}'),
        ("t.json", '{"en": {"0": "a"}, "de": {"0": "b"}}'),
        ("t.json", '{"r1": {"en": "a", "de": "b"}, "r2": {"en": "a", "de": "b"}}'),
        ("t.json", '{"columns": ["de", "en"], "index": [0], "data": [["b", "a"]]}'),
        ("5fa7", '{"en": "a", "de": "b"}'),
        ("t [v2].txt", "en\tde\na\tb\n"),
        ("data?", "en,de\na,b\n"),
    ],
)
def test_tables_as_they_come(name: str, content: str, tmp_path: Path) -> None:
    found = read(tmp_path / name, gzip.compress(content.encode()) if "GZ" in name else content)
    assert found == PLAIN * len(found)
    assert found
    utf16 = tmp_path / f"wide-{name}"
    assert read(utf16, content.replace("\ufeff", "").encode("utf-16")) == found


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (pa.large_string(), ["a", "NA", ""]),
        (pa.string_view(), ["a", "NA", ""]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "NA", ""]),
        (pa.binary(), [b"a", b"NA", b""]),
    ],
    ids=str,
)
def test_every_type_of_text_in_arrow(kind: Any, cells: list[Any], tmp_path: Path) -> None:
    far = pa.array([2**62, 0, None], pa.timestamp("ms"))
    table = pa.table({"en": pa.array(cells, kind), "de": ["b", "null", "c\x00d"], "when": far})
    expected = [
        {"en": "a", "de": "b"},
        {"en": "NA", "de": "null"},
        {"en": "", "de": "c\x00d"},
    ]
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "blob").write_bytes((tmp_path / "t.parquet").read_bytes())
    pyarrow.feather.write_feather(table, tmp_path / "t.feather", compression="zstd")
    for name in ("t.parquet", "blob", "t.feather"):
        assert read(tmp_path / name) == expected


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE])
def test_tsv_with_and_without_quoting(quoting: int, tmp_path: Path) -> None:
    rows = [("en", "de"), ("no", "nein"), ('"Hi."', '"Na."'), ('say "a"', "x"), ('an "', "y")]
    with (tmp_path / "t.tsv").open("w", newline="") as file:
        mark = None if quoting == csv.QUOTE_NONE else '"'
        csv.writer(file, "excel-tab", quoting=quoting, quotechar=mark).writerows(rows)
    assert read(tmp_path / "t.tsv") == [{"en": one, "de": other} for one, other in rows[1:]]


def test_quoted_sentences_of_a_tsv_stay_as_they_are(tmp_path: Path) -> None:
    assert read(tmp_path / "t.tsv", 'en\tde\n"Hi."\t"Na."\n') == [{"en": '"Hi."', "de": '"Na."'}]


def test_maps_of_arrow(tmp_path: Path) -> None:
    cells = [[("en", "a"), ("de", "b")], [("de", "b"), ("fr", "c"), ("en", "a")]]
    table = pa.table({"translation": pa.array(cells, pa.map_(pa.string(), pa.string()))})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == PLAIN * 2


def test_nulls_are_sentences_without_text_where_they_are_filtered(tmp_path: Path) -> None:
    columns = dataclasses.replace(COLUMNS, skips_nulls=True)
    content = '{"translation": {"en": null, "de": "b"}}\n{"translation": {"en": "a", "de": NaN}}\n'
    found = read(tmp_path / "t.jsonl", f'{content}{{"translation": null}}', columns)
    assert found == [{"en": "", "de": "b"}, {"en": "a", "de": ""}, {"en": "", "de": ""}]


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    assert read(path, JSONL) == ROWS
    changed = JSONL.replace("one", "two")
    assert read(path, changed)[0]["en"] == "two, two"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xls", "en und de\n", "does not end in"),
        ("t.jsonl", "", "is empty"),
        ("t.jsonl", '{"en": "a", "de": "b"}\n{"en": "a" "de"}\n', "Line 2 .* is not JSON"),
        ("t.jsonl", '["a", "b"]\n', "Line 1 .* no object"),
        ("t.json", '[{"en": "a",', "cannot be read as json"),
        ("t.jsonl", '{"en": "a", "de": "b"}\n{"en": null, "de": "b"}', "Row 2 of column en is mis"),
        ("t.jsonl", '{"en": "a", "de": "b"}\n{"de": "b"}', "Row 2 of column en is missing"),
        ("t.jsonl", '{"en": "a", "de": "b"}\n{"en": 7, "de": "b"}', "Row 2 of column en is 7, not"),
        ("t.jsonl", '{"en": 1, "de": "b"}\n', "Row 1 of column en is 1, not text"),
        ("t.jsonl", '{"translation": null, "de": "b"}\n', "no column en or translation.en"),
        ("t.csv", "en,de\na,b\na,b,c\n", "Line 3 .* has 3 columns where the first line has 2"),
        ("t.csv", "en,de\na\n", "Line 2 .* has 1 columns"),
        ("t.csv", 'en,de\na,"b\n', "Line 2 .* is malformed"),
        ("t.csv", "en,de\na,b\n\n" + 'a,"b"c\n', "Line 4 .* is malformed"),
        ("t.csv", 'en,de\n"a\na",b\n"a,b\na,b\n', "Line 4 .* is malformed"),
        ("t.tsv", 'en\tde\n"a\nb"\tc\n', "Line 2 .* has 1 columns .* Replace tabs"),
        ("t.csv", "en,de,en\na,b,c\n", "Column en stands 2 times in the first line"),
        ("t.tsv", "A dog.\tEin Hund.\nx\ty\n", "Write the names of the columns into the first"),
        (
            "t.jsonl",
            '{"en": "a", "de": "b"}\n{"en": "a", "de": %s' % ("[" * 99_999),
            "Line 2 .* deep",
        ),
        ("t.json", '{"columns": ["en", "de"], "data": [7]}', "no column en"),
        ("t.json", '{"columns": [["en"]], "data": [["a"]]}', "no column en"),
        ("t.json", "{}", "no column en"),
        ("t.json", '[{"en": "a", "de": "b"}, 7]', "row 2 is no object"),
        ("t.tsv", "Go.\tGeh.\nHi.\tNa.\n", "Write the names of the columns into the first"),
        ("t.json", '{"en": {"0": "a", "1": "b"}, "de": {"0": "c"}}', "Row 2 .* is missing"),
        ("t.json", '{"en": ["a", "b"], "de": ["c"]}', "Row 2 of column de is missing or null"),
        (
            "t.jsonl",
            '{"en": ["a", "b"], "de": "c"}',
            r"Row 1 of column en is \['a', 'b'\], not text",
        ),
        (
            "t.jsonl",
            '{"translation": {"en": "a"}}',
            "no column de or translation.de; .* translation.en",
        ),
        (
            "t.jsonl",
            '{"en": "a", "de": "b"}\n\n{"en": "a"}',
            "Row 2 of column de is missing .*line 3",
        ),
        (
            "t.jsonl",
            '{"q": {"en": "a", "de": "b"}, "a": {"en": "c", "de": "d"}}',
            "Several columns",
        ),
        (
            "t.jsonl",
            '{"translation": [{"en": "a", "de": "b"}, {"en": "c", "de": "d"}]}',
            "no column",
        ),
        ("t.xlsx", b"PK\x03\x04", "is a spreadsheet. Export it as CSV"),
        ("t.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("t.feather", b"ARROW1", "cannot be read as arrow"),
        ("t.csv", "en,de\n", "no rows"),
        ("t.csv", "english,german\na,b\n", "no column en .* the columns are english, german"),
        ("t.csv", "en,de\nä,b\n".encode("latin-1"), "Line 2 .* is not UTF-8"),
        ("t.parquet", b"PAR1", "cannot be read as parquet"),
        ("t.parquet", None, "There is no file"),
    ],
)
def test_bad_tables_are_told_in_one_message(
    name: str, content: str | bytes | None, message: str, tmp_path: Path, capfd: Any
) -> None:
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path / name, content)
    assert error.value.place is not None
    assert error.value.place.path == tmp_path / name
    assert error.value.place.key == "corpus.train.table"
    assert capfd.readouterr() == ("", "")


def test_a_misspelt_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    columns = columns_of("translation.eng", "de")
    content = '{"translation": {"en": "a"}, "de": "b"}'
    with pytest.raises(UserError, match=r"Did you mean translation\.en\?"):
        read(tmp_path / "t.jsonl", content, columns)


def test_bytes_that_are_no_text_are_told_with_their_row(tmp_path: Path) -> None:
    broken = pa.array([b"a", b"b", b"\xff", b"d"]).cast(pa.string(), safe=False)
    for name, column in (("t.parquet", broken), ("u.parquet", broken.view(pa.binary()))):
        table = pa.table({"en": column, "de": ["x"] * 4})
        pq.write_table(table, tmp_path / name, row_group_size=2)
        with pytest.raises(UserError, match="Row 3 of column en is not UTF-8"):
            read(tmp_path / name)


def test_languages_that_come_late_in_a_corpus_of_many(tmp_path: Path) -> None:
    def row(*languages: str) -> str:
        return json.dumps({"translation": {"language": languages, "translation": languages}})

    content = "\n".join([*[row("fr", "nl")] * 300, row("en", "de"), row("fr")])
    assert read(tmp_path / "t.jsonl", content) == [{"en": "en", "de": "de"}]


def test_columns_by_their_position_in_a_list(tmp_path: Path) -> None:
    content = '{"translation": ["a", "b"]}\n'
    columns = columns_of("translation.0", "translation.1")
    assert read(tmp_path / "t.jsonl", content, columns) == PLAIN
