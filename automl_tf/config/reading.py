"""Reading YAML so that every mistake is told with its file, its line and its dotted key.

YAML 1.2 is read (``no`` is Norwegian, ``1e-4`` is a number), and nothing in a file is executed.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from automl_tf.errors import Place, UserError

Location = tuple[str | int, ...]
"""Keys and list indices, from the top of a document down."""


@dataclass(frozen=True)
class Document:
    """A YAML file in plain values, with the line of each key.

    Attributes:
        path: The file.
        data: Its content.
        lines: The line, counted from one, of each location.
        prefix: Dotted key of the part of the file that this is, if it is a part.
        overrides: What the command line says instead of the file, by location.
    """

    path: Path
    data: dict[str, Any]
    lines: Mapping[Location, int] = field(repr=False)
    prefix: str = ""
    overrides: Mapping[Location, str] = field(default_factory=dict)

    def dotted(self, location: Sequence[str | int]) -> str:
        """The key of a location as a person writes it."""
        return ".".join(str(part) for part in (self.prefix, *location) if part != "")

    def place(self, location: Sequence[str | int]) -> Place:
        """Where a location stands, or its nearest ancestor that stands in the file."""
        ancestors = [tuple(location[:length]) for length in range(len(location), -1, -1)]
        for ancestor in ancestors:
            if ancestor in self.overrides:
                return Place(key=f"--set {self.overrides[ancestor]}")
        line = next((self.lines[known] for known in ancestors if known in self.lines), None)
        return Place(self.path, line, self.dotted(location) or None)

    def place_of_any(self, locations: Sequence[Location]) -> Place:
        """Where the last of some values stands; what the command line says comes before all."""
        given = [location for location in locations if location in self.overrides]
        written = [location for location in locations if location in self.lines]
        written.sort(key=lambda location: self.lines[location])
        return self.place((given or written or locations)[-1])

    def part(self, key: str) -> "Document":
        """The part of the file under a top-level key."""
        lines = {location[1:]: line for location, line in self.lines.items() if location[0] == key}
        return Document(self.path, self.data[key], lines, prefix=key)

    def with_data(self, data: dict[str, Any]) -> "Document":
        """Another content in the same places."""
        return replace(self, data=data)

    def with_override(self, location: Location, word: str) -> "Document":
        """The document with one value replaced or added.

        Args:
            location: Where the value goes.
            word: ``KEY=VALUE`` as the person wrote it.

        Raises:
            UserError: If the location lies inside a single value.
        """
        data = _plain(self.data)
        inner = data
        for depth, part in enumerate(location[:-1]):
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UserError(
                    f"--set {word}: {self.dotted(location[: depth + 1])} is not a group of "
                    "settings.",
                    "Give it a whole value in YAML, as in --set 'objectives=[bleu, latency]'.",
                )
        inner[location[-1]] = parse_value(word.partition("=")[2])
        overrides = {**self.overrides, location: word}
        return replace(self, data=data, overrides=overrides)


def read_yaml(path: Path) -> Document:
    """Reads a file whose top level is a mapping.

    Raises:
        UserError: If the file is missing, not UTF-8, not YAML, or not a mapping.
    """
    text = _text(path)
    try:
        tree = YAML(typ="rt", pure=True).load(text)
        data, lines = _plain(tree), _lines(tree)
    except MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        problem = str(error.problem or error).split("\n")[0]
        raise UserError(f"This is not YAML: {problem}.", place=Place(path, line)) from None
    except (YAMLError, ValueError) as error:
        problem = str(error).split("\n")[0]
        raise UserError(f"This is not YAML: {problem}.", place=Place(path)) from None
    except RecursionError:
        raise UserError("The file holds itself by an alias.", place=Place(path)) from None
    if not isinstance(data, dict):
        raise UserError(
            f"The file holds {_kind(data)}, not settings by name.",
            "Write one `key: value` a line.",
            Place(path),
        )
    return Document(path, data, lines)


def parse_value(text: str) -> Any:  # noqa: ANN401 - any YAML value
    """The YAML value of a word of the command line; the word itself if it is not YAML."""
    try:
        return _plain(YAML(typ="rt", pure=True).load(text))
    except (YAMLError, ValueError, RecursionError):
        return text


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"There is no file {path.absolute()}.", "Check the path.", Place(path)
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path} cannot be read: {reason}.", place=Place(path)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"The file is not UTF-8: byte {raw[error.start]:#04x} begins no character.",
            "Save it as UTF-8.",
            Place(path, raw.count(b"\n", 0, error.start) + 1),
        ) from None


def _kind(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"the value {value!r}"


def _lines(node: Any, location: Location = ()) -> dict[Location, int]:  # noqa: ANN401
    """The line of each key and item below a node of the reader's own types."""
    lines: dict[Location, int] = {}
    children: list[tuple[str | int, Any, Any]]
    if isinstance(node, CommentedMap):
        # Keys that come from elsewhere by `<<` have no line here.
        own = node.lc.data or {}
        children = [(str(key), value, own.get(key)) for key, value in node.items()]
    elif isinstance(node, CommentedSeq):
        children = [(index, value, node.lc.item(index)) for index, value in enumerate(node)]
    else:
        return lines
    for key, value, position in children:
        if position is not None:
            lines[*location, key] = position[0] + 1
        lines |= _lines(value, (*location, key))
    return lines


def _plain(node: Any) -> Any:  # noqa: ANN401
    """The node without the reader's own types."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    # YAML 1.2 has no dates; the reader has, and they are text to us.
    return node.isoformat() if isinstance(node, dt.date) else node
