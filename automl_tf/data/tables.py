"""Tables with a column for each language: JSON lines, CSV, TSV and Parquet."""

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetGenerationError

from automl_tf.data.columns import TableColumns, sentences_of
from automl_tf.data.lines import read_bytes, read_text
from automl_tf.data.quiet import quietly
from automl_tf.errors import Place, UserError, first_line

SUFFIXES = {
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
# The media type text/tab-separated-values knows no quoting: a quotation mark is just text.
_TSV = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
_CSV = {"delimiter": ",", "quoting": csv.QUOTE_MINIMAL}


def read_table(path: Path, columns: TableColumns, key: str, cache_dir: Path) -> Dataset:
    """The two text columns of a table file.

    Args:
        path: The file; all but Parquet may be compressed with gzip.
        columns: Where the text stands.
        key: Dotted path of the setting that names the file.
        cache_dir: Folder for intermediate files, which are deleted at once.

    Raises:
        UserError: If the file cannot be read, is malformed, or lacks a column or a cell.
    """
    place = Place(path, key=key)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{path} is no table that can be read: its name does not end in {', '.join(SUFFIXES)}.",
            "Convert it, or name two text files as source and target.",
            place,
        )
    # A folder of its own, because a cached table could be served after its file had changed.
    with tempfile.TemporaryDirectory(dir=cache_dir) as folder, quietly():
        plain = Path(folder) / f"table{suffix}"
        if SUFFIXES[suffix] == "parquet":
            plain.write_bytes(read_bytes(path, key))
        else:
            text = read_text(path, key)
            _check(text, suffix, place)
            plain.write_text(text, encoding="utf-8", newline="")
        table = _load(plain, SUFFIXES[suffix], _reading_options(suffix, columns), place)
        return sentences_of(table, columns, place)


def _reading_options(suffix: str, columns: TableColumns) -> dict[str, Any]:
    if SUFFIXES[suffix] != "csv":
        return {}
    dialect = _TSV if suffix == ".tsv" else _CSV
    return {
        "sep": dialect["delimiter"],
        "quoting": dialect["quoting"],
        # Whatever stands in a cell is text: neither 1, nor NA, nor null.
        "na_filter": False,
        "converters": dict.fromkeys([*columns.source, *columns.target], str),
    }


def _load(path: Path, kind: str, options: dict[str, Any], place: Place) -> Dataset:
    try:
        return load_dataset(
            kind,
            data_files=str(path),
            split="train",
            cache_dir=str(path.parent / "cache"),
            **options,
        )
    except (DatasetGenerationError, pa.ArrowException, ValueError) as error:
        reason = first_line(error.__cause__ or error).rstrip(".!")
        raise UserError(
            f"{place.path} cannot be read as {kind}: {reason}.",
            "Check that the file is whole and that each row has the same columns.",
            place,
        ) from None


def _check(text: str, suffix: str, place: Place) -> None:
    """Finds a malformed line by its number, which the readers of whole tables do not tell."""
    if suffix in {".jsonl", ".ndjson"}:
        _check_json_lines(text, place)
    elif SUFFIXES[suffix] == "csv":
        _check_rows(text, _TSV if suffix == ".tsv" else _CSV, place)


def _check_json_lines(text: str, place: Place) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"Line {number} of {place.path} is not JSON: {error.msg} at column {error.colno}.",
                "Write one JSON object a line.",
                Place(place.path, number, place.key),
            ) from None
        if not isinstance(row, dict):
            raise UserError(
                f"Line {number} of {place.path} is JSON, but no object with named columns.",
                'Write one object a line, as in {"en": "…", "de": "…"}.',
                Place(place.path, number, place.key),
            )


def _check_rows(text: str, dialect: dict[str, Any], place: Place) -> None:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, **dialect)
    width = count = 0
    try:
        for row in rows:
            width, count = width or len(row), count + bool(row)
            if row and len(row) != width:
                raise UserError(
                    f"Line {rows.line_num} of {place.path} has {len(row)} columns where the "
                    f"first line has {width}.",
                    "Quote cells that hold the separator, and give each row every column.",
                    Place(place.path, rows.line_num, place.key),
                )
    except csv.Error as error:
        raise UserError(
            f"Line {rows.line_num} of {place.path} is malformed: {error}.",
            "Close every quotation mark, and double those inside a cell.",
            Place(place.path, rows.line_num, place.key),
        ) from None
    if count <= 1:
        raise UserError(
            f"{place.path} has no rows below the names of its columns.",
            "Write the text into it, with the columns' names in the first line.",
            place,
        )
