"""Documents as settings, and what is wrong with them in the words of those who wrote them."""

import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automl_tf.config.base import MisfitError
from automl_tf.config.reading import Document, Location
from automl_tf.errors import Place, UserError

Model = TypeVar("Model", bound=BaseModel)

LEAST_LIKENESS = 0.55
"""Share of common letters from which a name may be a slip for another."""
OTHER_GROUP = 0.25
"""How much more alike a name of another group has to be."""

_GROUP = "it is not a group of `key: value` lines"
_WORDS = {
    "bool_type": "it is neither true nor false",
    "int_type": "it is not a whole number",
    "int_from_float": "it is not a whole number",
    "float_type": "it is not a number",
    "string_type": "it is not text; quotes make it so",
    "tuple_type": "it is not a list",
    "too_short": "the list is empty",
    "dict_type": _GROUP,
    "model_type": _GROUP,
    "model_attributes_type": _GROUP,
}
"""Plain words for pydantic's kinds of errors, where its own are about Python."""


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
    ranked = sorted((_likeness(name, full), full) for full in known)
    return ranked[-1][1] if ranked and ranked[-1][0] >= LEAST_LIKENESS else None


def _likeness(name: str, known: str) -> float:
    """How alike the last parts are: a group's own name makes all of its settings look alike."""
    group, _, last = name.rpartition(".")
    known_group, _, known_last = known.rpartition(".")
    likeness = difflib.SequenceMatcher(None, last, known_last).ratio()
    return likeness if group == known_group else likeness - OTHER_GROUP


def unknown_key(name: str, known: Iterable[str], place: Place) -> UserError:
    """The error for a key that nothing reads."""
    # Nobody who wrote `budget.x` meant `budget`.
    names = sorted({full for full in known if not name.startswith(f"{full}.")})
    inside = [full for full in names if full.startswith(f"{name}.")]
    match = nearest(name, names)
    if inside:
        remedy = f"Write the whole path, as in {inside[0]}."
    elif match:
        remedy = f"Did you mean {match}?"
    else:
        remedy = f"Known here: {', '.join(_siblings(name, names))}."
    return UserError(f"There is no setting {name}.", remedy, place)


def does_not_fit(name: str, details: ErrorDetails, place: Place) -> UserError:
    """The error for a value of another type or out of its range."""
    if details["input"] is None:
        return UserError(f"{name} is empty.", "Give it a value, or leave it out.", place)
    words = _WORDS.get(details["type"]) or details["msg"].replace("Input should", "it should")
    words = words[:1].lower() + words[1:]
    return UserError(f"{name} = {details['input']!r} does not fit: {words}.", place=place)


def _user_error(error: ValidationError, model: type[BaseModel], document: Document) -> UserError:
    every = error.errors()
    # A misspelt key is also a missing one: name the spelling, which is what the person sees.
    first = min(every, key=lambda details: details["type"] != "extra_forbidden")
    location = _spoken(first, document.data)
    place, dotted = document.place(location), document.dotted(location)
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = _known_paths(model, document.data)
            return unknown_key(dotted, [document.dotted((path,)) for path in known], place)
        case "missing":
            return UserError(f"The key {dotted} is missing.", "Add it.", place)
        case "union_tag_not_found":
            return UserError(f"The key {dotted}.kind is missing.", "Add it.", place)
        case "union_tag_invalid":
            given, kinds = context["tag"], context["expected_tags"].replace("'", "")
            return UserError(f"{dotted}.kind = {given} is unknown.", f"Use one of {kinds}.", place)
        case "value_error":
            return _misfit(context["error"], location, document)
    alternatives = {
        str(details["loc"][-1])
        for details in every
        if details["loc"] != first["loc"] and _spoken(details, document.data) == location
    }
    if alternatives and first["input"] is not None:
        words = "a single value" if "str" in alternatives else "a number"
        given = f"{dotted} = {first['input']!r}"
        return UserError(f"{given} does not fit: it is not {words}.", place=place)
    return does_not_fit(dotted, first, place)


def _misfit(cause: ValueError, location: Location, document: Document) -> UserError:
    if isinstance(cause, MisfitError):
        values = [(*location, *key.split(".")) for key in cause.keys]
        return UserError(str(cause), place=document.place_of_any(values))
    return UserError(f"{document.dotted(location)}: {cause}", place=document.place(location))


def _spoken(details: ErrorDetails, data: Any) -> Location:  # noqa: ANN401
    """The location without the tags of unions, which stand in no file."""
    spoken: list[str | int] = []
    for index, part in enumerate(details["loc"]):
        is_key = isinstance(data, Mapping) and part in data
        is_item = isinstance(data, list) and isinstance(part, int) and part < len(data)
        is_absent = details["type"] == "missing" and index == len(details["loc"]) - 1
        if is_key or is_item:
            data = data[part]
        if is_key or is_item or is_absent:
            spoken.append(part)
    return tuple(spoken)


def _known_paths(annotation: Any, data: Any, prefix: str = "") -> list[str]:  # noqa: ANN401
    """The dotted path of every key of a settings class, in unions of the kind that is given."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        given = data.get("kind") if isinstance(data, Mapping) else None
        if kind is not None and given not in (None, *typing.get_args(kind.annotation)):
            return []
        paths = []
        for name, info in annotation.model_fields.items():
            inner = data.get(name) if isinstance(data, Mapping) else None
            paths += [prefix + name, *_known_paths(info.annotation, inner, f"{prefix}{name}.")]
        return paths
    members = typing.get_args(annotation)
    return [path for member in members for path in _known_paths(member, data, prefix)]


def _siblings(name: str, known: Sequence[str]) -> list[str]:
    """The known names of the same group, or the groups."""
    parent = name.rpartition(".")[0]
    siblings = [full for full in known if full.rpartition(".")[0] == parent]
    return siblings or sorted({full.partition(".")[0] for full in known})
