"""Reading YAML so that every mistake is told with its file, its line and its dotted key.

YAML 1.2 is read (``no`` is Norwegian, ``1e-4`` is a number), and nothing in a file is executed.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from automl_tf.errors import Place, UserError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A YAML file in plain values, with the line of each key.

    Attributes:
        path: The file.
        data: Its content.
        lines: The line, counted from one, of each location.
        prefix: Dotted key of the part of the file that this is, if it is a part.
    """

    path: Path
    data: dict[str, Any]
    lines: Mapping[Location, int] = field(repr=False)
    prefix: str = ""

    def place(self, location: Sequence[str | int]) -> Place:
        """Where a location stands, or its nearest ancestor that stands in the file."""
        known = tuple(location)
        while known and known not in self.lines:
            known = known[:-1]
        key = ".".join(str(part) for part in (self.prefix, *location) if part != "") or None
        return Place(self.path, self.lines.get(known), key)

    def with_overrides(self, overrides: Mapping[Location, Any]) -> "Document":
        """The document with some values replaced or added."""
        data = _plain(self.data)
        for location, value in overrides.items():
            _assign(data, location, value)
        return Document(self.path, data, self.lines, self.prefix)


def read_yaml(path: Path) -> Document:
    """Reads a file whose top level is a mapping.

    Raises:
        UserError: If the file is missing, not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"There is no file {path.absolute()}.", "Check the path.", Place(path)
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.", place=Place(path)) from None
    try:
        tree = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        problem = str(error.problem or error).split("\n")[0]
        raise UserError(f"This is not YAML: {problem}.", place=Place(path, line)) from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"This is not YAML: {error}.", place=Place(path)) from None
    if not isinstance(tree, CommentedMap):
        raise UserError(
            f"The file holds {_kind(tree)}, not settings by name.",
            "Write one `key: value` a line.",
            Place(path),
        )
    lines: dict[Location, int] = {}
    _collect_lines(tree, (), lines)
    return Document(path, _plain(tree), lines)


def parse_value(text: str) -> Any:  # noqa: ANN401 - any YAML value
    """The YAML value of a word of the command line."""
    try:
        return _plain(YAML(typ="rt", pure=True).load(text))
    except YAMLError:
        return text


def validated(model: type[Model], document: Document) -> Model:
    """The document as settings.

    Raises:
        UserError: For the first key that is unknown, missing, mistyped or out of range.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise _user_error(error, model, document) from None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a person most likely meant."""
    names = sorted(known)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if not matches:
        tails = {full.rsplit(".", 1)[-1]: full for full in names}
        matches = [
            tails[tail] for tail in difflib.get_close_matches(name.rsplit(".", 1)[-1], tails, n=1)
        ]
    return matches[0] if matches else None


def unknown_key(name: str, known: Iterable[str], place: Place) -> UserError:
    """The error for a key that nothing reads."""
    names = sorted(known)
    match = nearest(name, names)
    remedy = f"Did you mean {match}?" if match else f"Known here: {', '.join(names)}."
    return UserError(f"There is no setting {name}.", remedy, place)


def _user_error(error: ValidationError, model: type[BaseModel], document: Document) -> UserError:
    # A misspelt key is also a missing one: name the spelling, which is what the person sees.
    first = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    location = _spoken(first["loc"], document.data)
    place = document.place(location)
    dotted = ".".join(str(part) for part in location)
    match first["type"]:
        case "extra_forbidden":
            return unknown_key(dotted, _known_paths(model), place)
        case "missing" | "union_tag_not_found":
            tag = ".kind" if first["type"] == "union_tag_not_found" else ""
            hint = first.get("ctx", {}).get("discriminator", "")
            remedy = f"Add {hint}." if hint and not tag else "Add it."
            return UserError(f"The key {dotted}{tag} is missing.", remedy, place)
        case "value_error":
            return UserError(str(first["ctx"]["error"]), place=place)
        case "union_tag_invalid":
            tag, expected = first["ctx"]["tag"], first["ctx"]["expected_tags"]
            return UserError(f"{dotted}.kind = {tag} is unknown.", f"Use one of {expected}.", place)
    given = f"{dotted} = {first['input']!r}" if location else "The file"
    return UserError(f"{given} does not fit: {_lower(first['msg'])}.", place=place)


def _spoken(location: Location, data: Any) -> Location:  # noqa: ANN401
    """The location without the tags of unions, which stand in no file."""
    spoken: list[str | int] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        is_key = isinstance(data, Mapping) and part in data
        if is_key or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
        elif not last or part == "[key]":
            continue
        spoken.append(part)
    return tuple(spoken)


def _known_paths(annotation: Any, prefix: str = "") -> list[str]:  # noqa: ANN401
    """The dotted path of every key of a settings class, of all members where it has unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        paths = []
        for name, info in annotation.model_fields.items():
            paths += [prefix + name, *_known_paths(info.annotation, f"{prefix}{name}.")]
        return paths
    members = getattr(annotation, "__args__", ())
    return [path for member in members for path in _known_paths(member, prefix)]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _kind(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"the value {value!r}"


def _collect_lines(node: Any, location: Location, lines: dict[Location, int]) -> None:  # noqa: ANN401
    if isinstance(node, CommentedMap):
        for key, value in node.items():
            lines[*location, key] = node.lc.key(key)[0] + 1
            _collect_lines(value, (*location, key), lines)
    elif isinstance(node, CommentedSeq):
        for index, value in enumerate(node):
            lines[*location, index] = node.lc.item(index)[0] + 1
            _collect_lines(value, (*location, index), lines)


def _plain(node: Any) -> Any:  # noqa: ANN401
    """The node without the reader's own types."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _assign(data: dict[str, Any], location: Location, value: Any) -> None:  # noqa: ANN401
    *parents, last = (str(part) for part in location)
    for parent in parents:
        inner = data.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UserError(
                f"--set {'.'.join(str(part) for part in location)}: {parent} is not a group.",
                "Name a setting of the file.",
            )
        data = inner
    data[last] = value
