import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from automl_tf.data.readers.columns import TableColumns
from automl_tf.data.readers.tables import Table
from automl_tf.errors import UserError

COLUMNS = TableColumns(("en", "translation.en"), ("de", "translation.de"))
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
    columns = TableColumns(("a.b",), ("c.d.e",))
    assert read(tmp_path / "t.jsonl", content, columns) == [{"en": "x y", "de": "z"}]


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    assert read(path, JSONL) == ROWS
    changed = JSONL.replace("one", "two")
    assert read(path, changed)[0]["en"] == "two, two"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xls", "", "does not end in"),
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
    columns = TableColumns(("translation.eng",), ("de",))
    content = '{"translation": {"en": "a"}, "de": "b"}'
    with pytest.raises(UserError, match=r"Did you mean translation\.en\?"):
        read(tmp_path / "t.jsonl", content, columns)
