"""Shapes in which a cell holds the same text in several languages, read as texts by language.

The Hugging Face Hub and what is exported from it know, besides ``{"en": …, "de": …}``:

- two lists, ``{"language": ["en", "de"], "translation": [… , …]}``, as the features
  ``TranslationVariableLanguages`` and ``Sequence`` store them,
- a list of objects, ``[{"language": "en", "text": …}, …]`` or ``[{"en": …}, {"de": …}]``,
- any of these written out as JSON, or as Python does it, inside a column of text.
"""

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

_LANGUAGE_KEYS = ("language", "lang", "locale", "code", "lang_code", "language_code")
_PYTHON = re.compile(r"\[?\s*\{\s*['\"]")
_MOST_POSITIONS = 10
_ENTRY = 2
"""Key and value: so does Arrow give the entries of a map."""
_TEXT_KEYS = ("translation", "text", "sentence", "value", "string", "content")


def parts_of(cell: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - any cell
    """The named parts of a nested cell; None if it has none.

    Parts of a short list of texts are named by their position, from ``0`` on.
    """
    if isinstance(cell, str):
        cell = _unpacked(cell)
    if isinstance(cell, Mapping):
        return _by_language(cell) or cell
    if isinstance(cell, list) and cell:
        if all(isinstance(item, Mapping) for item in cell):
            return _joined(cell)
        if all(isinstance(item, tuple) and len(item) == _ENTRY for item in cell):
            return dict(cell)
        if len(cell) <= _MOST_POSITIONS and all(isinstance(item, str) for item in cell):
            return {str(position): item for position, item in enumerate(cell)}
    return None


def varies(cell: Any) -> bool:  # noqa: ANN401 - any cell
    """Whether a cell lists the languages it has, so that one that lacks is no mistake."""
    if isinstance(cell, str):
        cell = _unpacked(cell)
    if isinstance(cell, Mapping):
        return _by_language(cell) is not None
    return isinstance(cell, list) and all(isinstance(item, Mapping) for item in cell)


def _by_language(cell: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The texts by language of a cell with a list of languages and one of texts."""
    languages, texts = (_first_of(cell, keys) for keys in (_LANGUAGE_KEYS, _TEXT_KEYS))
    if not isinstance(languages, list) or not isinstance(texts, list):
        return None
    if len(languages) != len(texts) or not all(isinstance(one, str) for one in languages):
        return None
    # Of several translations into one language the first counts.
    return dict(zip(reversed(languages), reversed(texts), strict=True))


def _joined(cells: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The parts of all objects of a list; None if they are several translations, not one."""
    joined: dict[str, Any] = {}
    for cell in cells:
        language, text = (_first_of(cell, keys) for keys in (_LANGUAGE_KEYS, _TEXT_KEYS))
        if isinstance(language, str):
            # Of several translations into one language the first counts.
            joined.setdefault(language, text)
            continue
        # Where objects have a type, each has every key, and null for what it lacks.
        parts = {name: part for name, part in cell.items() if part is not None}
        if not joined.keys().isdisjoint(parts):
            return None
        joined.update(parts)
    return joined


def _first_of(cell: Mapping[str, Any], keys: Sequence[str]) -> Any:  # noqa: ANN401
    return next((cell[key] for key in keys if cell.get(key) is not None), None)


def _unpacked(text: str) -> Any:  # noqa: ANN401
    """What a text spells in JSON or as a literal of Python; None if it does not."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    if not _PYTHON.match(text):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
