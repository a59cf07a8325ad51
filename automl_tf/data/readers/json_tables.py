"""Rows of JSON lines, and of JSON documents in the forms in which tables are written to them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_tf.data.readers.columns import NumberedRow
from automl_tf.data.readers.text_files import read_raw_lines
from automl_tf.errors import Place, UserError

_BYTE_ORDER_MARK = "\ufeff"
_EXTRA_DATA = "Extra data"
_DECODER = json.JSONDecoder(strict=False)


def json_lines_rows(path: Path, key: str | None) -> Iterator[NumberedRow]:
    """The objects of a file, one a line; the rows of a JSON document in spite of the name.

    Raises:
        UserError: If the file cannot be read, or for the first line that is no JSON object.
    """
    is_first = True
    for number, line in enumerate(read_raw_lines(path, key), start=1):
        # Files that were joined have marks inside.
        text = line.strip().lstrip(_BYTE_ORDER_MARK)
        if not text:
            continue
        row = _decoded(text)
        if not isinstance(row, dict):
            document = _decoded(_whole(path, key)) if is_first else None
            if isinstance(document, dict) or _is_list_of(document, dict):
                yield from _rows_of(document, path, key)
                return
            raise _bad_line(row, Place(path, number, key))
        is_first = False
        yield number, row


def json_rows(path: Path, key: str | None) -> Iterator[NumberedRow]:
    """The rows of a JSON document; those of JSON lines in spite of the name.

    Raises:
        UserError: If the file cannot be read, or is no table in JSON.
    """
    document = _decoded(_whole(path, key))
    if not isinstance(document, json.JSONDecodeError):
        yield from _rows_of(document, path, key)
    elif document.msg == _EXTRA_DATA:
        yield from json_lines_rows(path, key)
    else:
        reason = (
            f"{document.msg.removesuffix(' at')} in line {document.lineno}, column {document.colno}"
        )
        raise UserError(
            f"{path} cannot be read as json: {reason}.",
            "Check that the file is whole.",
            Place(path, document.lineno, key),
        )


def _rows_of(document: Any, path: Path, key: str | None) -> Iterator[NumberedRow]:  # noqa: ANN401
    for number, row in enumerate(_objects(document), start=1):
        if not isinstance(row, Mapping):
            raise UserError(
                f"{path} cannot be read as json: row {number} is no object with named columns.",
                'Write a list of objects, as in [{"en": "…", "de": "…"}].',
                Place(path, key=key),
            )
        yield None, row


def _objects(document: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON value
    """The rows of a list of them, and of the forms that pandas writes."""
    if not isinstance(document, dict):
        return document if isinstance(document, list) else [document]
    names, data = (document.get(part, ()) for part in ("columns", "data"))
    cells = list(document.values())
    if _is_list_of(names, str) and _is_list_of(data, list):
        return [dict(zip(names, row, strict=False)) for row in data]
    if _is_list_of(cells, list):
        return (
            {name: column[row] for name, column in document.items() if row < len(column)}
            for row in range(max(map(len, cells)))
        )
    if _is_list_of(cells, dict) and len(cells) > 1:
        return cells if _are_rows(cells) else _rows_by_column(document)
    lists = [name for name, column in document.items() if _is_list_of(column, dict)]
    return [{lists[0]: row} for row in document[lists[0]]] if len(lists) == 1 else [document]


def _are_rows(cells: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these are rows by their names, not columns whose cells have the names of rows."""
    first, last = cells[0], cells[-1]
    return (
        list(first) == list(last)
        and not any(name.isdecimal() for name in first)
        and all(isinstance(cell, str) for cell in first.values())
    )


def _rows_by_column(columns: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in next(iter(columns.values())):
        yield {name: column[row] for name, column in columns.items() if row in column}


def _is_list_of(value: Any, kind: type) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, list) and bool(value) and all(isinstance(one, kind) for one in value)


def _bad_line(row: Any, place: Place) -> UserError:  # noqa: ANN401 - any JSON value
    if isinstance(row, json.JSONDecodeError):
        return UserError(
            f"Line {place.line} of {place.path} is not JSON: {row.msg.removesuffix(' at')} at "
            f"column {row.colno}.",
            "Write one JSON object a line.",
            place,
        )
    return UserError(
        f"Line {place.line} of {place.path} is JSON, but no object with named columns.",
        'Write one object a line, as in {"en": "…", "de": "…"}.',
        place,
    )


def _whole(path: Path, key: str | None) -> str:
    return "".join(read_raw_lines(path, key))


def _decoded(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """The value of JSON, in which text may hold control characters; the error if it is not JSON."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return error
    except RecursionError:
        return json.JSONDecodeError("Nested too deeply", text, 0)
    except ValueError:
        # Python converts no whole number of thousands of digits.
        return json.loads(text, strict=False, parse_int=float)
