"""Search spaces: dotted paths mapped to domains, static and proved legal as a whole."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeGuard, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from automl_tf.config.base import Settings
from automl_tf.config.rules import (
    RULES,
    Rule,
    Violation,
    closest_name,
    invalid_value,
    unknown_key,
    validate_document,
)
from automl_tf.config.settings import setting_types
from automl_tf.config.yaml_io import Document, read_yaml
from automl_tf.errors import Place, UserError

Scalar = bool | int | float | str

MAX_COMBINATIONS = 100_000
"""Combinations of values up to which a rule is proved by trying them; takes about a second."""


class Choices(Settings):
    """A finite set of values."""

    choices: Annotated[tuple[Scalar, ...], Field(min_length=1, strict=False)]
    """The values, each once."""

    @model_validator(mode="after")
    def _are_distinct(self) -> "Choices":
        if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"{self} repeats a value. List each once.")
        return self

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.choices)

    def values(self) -> tuple[Scalar, ...]:
        """Returns every value."""
        return self.choices

    def ends(self) -> tuple[Scalar, ...]:
        """Returns every value: choices have no order that a rule could rely on."""
        return self.choices

    def contains(self, value: Scalar) -> bool:
        """Returns True if the value is one of the choices."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)

    def nearest(self, value: Any) -> Scalar:  # noqa: ANN401 - any setting
        """Returns the choice closest to a number; the first choice for anything else."""
        if self.contains(value) or not _is_number(value):
            return value if self.contains(value) else self.choices[0]
        numbers = [choice for choice in self.choices if _is_number(choice)]
        return min(numbers, key=lambda number: abs(number - value), default=self.choices[0])

    def __str__(self) -> str:
        return f"{list(self.choices)}"


class Range(Settings):
    """All whole or real numbers between two bounds, both included."""

    low: int | float
    """Smallest value."""
    high: int | float
    """Upper bound; the largest value where the steps from ``low`` reach it."""
    step: Annotated[int | float, Field(gt=0)] | None = None
    """Distance between neighbouring values; whole numbers have a step of one by default."""
    log: bool = False
    """Whether equal ratios, not equal differences, are equally likely."""

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(
                f"low = {self.low} is not below high = {self.high}. Swap them, or fix the value "
                "in the study instead."
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a log range cannot start at low = {self.low}. Start above zero.")
        if self.log and self.step is not None:
            raise ValueError("a range has either log or step. Drop one of the two.")
        if self.count == 1:
            raise ValueError(
                f"no step = {self.step} leads from low = {self.low} to high = {self.high}. "
                "Shorten the step."
            )
        return self

    @property
    def is_whole(self) -> bool:
        """True if the range has whole numbers only."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    @property
    def count(self) -> int | None:
        """Number of values; None if they are continuous."""
        if self._distance is None:
            return None
        # A little more than the quotient: 0.3 / 0.1 falls short of three.
        return math.floor((self.high - self.low) / self._distance + 1e-9) + 1

    def values(self) -> tuple[int | float, ...]:
        """Returns every value of a range that is not continuous, in ascending order."""
        assert self.count is not None
        return tuple(self._at(index) for index in range(self.count))

    def ends(self) -> tuple[int | float, int | float]:
        """Returns the smallest and the largest value."""
        return self.low, self.high if self.count is None else self._at(self.count - 1)

    def contains(self, value: Scalar) -> bool:
        """Returns True if the value lies in the range, up to rounding of the steps."""
        if not _is_number(value) or (self.is_whole and not isinstance(value, int)):
            return False
        if self.count is None:
            return self.low <= value <= self.high
        return math.isclose(self.nearest(value), value, rel_tol=1e-9, abs_tol=1e-12)

    def nearest(self, value: Any) -> int | float:  # noqa: ANN401 - any setting
        """Returns the value of the range closest to a number; the lower end for anything else."""
        if not _is_number(value):
            return self.low
        low, high = self.ends()
        inside: int | float = min(max(value, low), high)
        if self._distance is None:
            return float(inside)
        return self._at(round((inside - low) / self._distance))

    @property
    def _distance(self) -> int | float | None:
        return 1 if self.step is None and self.is_whole else self.step

    def _at(self, index: int) -> int | float:
        """Returns the value so many steps above the lower end, rounded to 12 decimals."""
        assert self._distance is not None
        return round(self.low + index * self._distance, 12)

    def __str__(self) -> str:
        steps = f" by {self.step}" if self.step else ""
        return f"from {self.low} to {self.high}{steps}{' (log)' if self.log else ''}"


Domain = Choices | Range


@dataclass(frozen=True)
class Space:
    """Settings that a study searches, by dotted path, with their domains."""

    domains: Mapping[str, Domain]

    def unproved_rule(self) -> Rule | None:
        """Returns the first rule with more combinations of values than can be tried."""
        return next((rule for rule in RULES if self._count(rule) > MAX_COMBINATIONS), None)

    def illegal_combination(self, fixed: Mapping[str, Any]) -> Violation | None:
        """Returns the first combination of values that breaks a rule.

        Settings outside the space have their fixed values, given by dotted path.
        """
        for rule in RULES:
            tried = [self._tried(rule, name, fixed) for name in rule.reads]
            for values in itertools.product(*tried):
                if not rule.holds(*values):
                    return Violation(rule, values)
        return None

    def _tried(self, rule: Rule, name: str, fixed: Mapping[str, Any]) -> tuple[Any, ...]:
        """Returns the values of a setting that prove a rule for its whole domain."""
        if name not in self.domains:
            return (fixed[name],)
        domain = self.domains[name]
        return domain.ends() if rule.is_comparison else domain.values()

    def _count(self, rule: Rule) -> int:
        searched = [self.domains[name] for name in rule.reads if name in self.domains]
        if rule.is_comparison:
            return math.prod(len(domain.ends()) for domain in searched)
        return math.prod(domain.count or 1 for domain in searched)


def _is_number(value: Any) -> TypeGuard[int | float]:  # noqa: ANN401 - any setting
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_space(path: Path) -> tuple[Space, Document]:
    """Reads a space, and where each of its keys stands.

    Raises:
        UserError: For any mistake in the file.
    """
    document = read_yaml(path)
    if not document.data:
        raise UserError(
            "The space is empty.", "Give at least one setting a domain.", document.place(())
        )
    return Space({name: _domain(name, document) for name in document.data}), document


def check_setting(name: str, value: Any, place: Place) -> None:  # noqa: ANN401 - any YAML value
    """Refuses a value that a setting, named by its dotted path, does not take.

    Raises:
        UserError: With what the setting takes, or if there is no such setting.
    """
    known = setting_types()
    if name not in known:
        raise unknown_key(name, known, place)
    field = known[name]
    annotation: Any = field.annotation
    for bound in field.metadata:
        annotation = Annotated[annotation, bound]
    settings = ConfigDict(strict=True, allow_inf_nan=False)
    try:
        TypeAdapter(annotation, config=settings).validate_python(value)
    except ValidationError as error:
        raise invalid_value(name, error.errors()[0], place) from None


def _domain(name: str, document: Document) -> Domain:
    place, known = document.place((name,)), setting_types()
    if name not in known:
        raise unknown_key(name, known, place)
    body = document.data[name]
    if not isinstance(body, dict) or not body:
        raise UserError(
            f"{name} has no domain.", "Write {choices: [...]} or {low: ..., high: ...}.", place
        )
    numbers = _numbers(known[name].annotation)
    if closest_name("choices", body):
        return _choices(name, document.part(name), numbers)
    return _range(name, document.part(name), numbers)


def _choices(name: str, part: Document, numbers: set[type]) -> Choices:
    domain = validate_document(Choices, part)
    for index, choice in enumerate(domain.choices):
        check_setting(name, choice, part.place(("choices", index)))
    if float not in numbers:
        return domain
    # 0 and 0.0 are one value of a real setting, and Optuna is to see it as such.
    return validate_document(
        Choices, replace(part, data={"choices": [float(choice) for choice in domain.choices]})
    )


def _range(name: str, part: Document, numbers: set[type]) -> Range:
    domain = validate_document(Range, part)
    place = part.place(())
    if not numbers:
        raise UserError(f"{name} is not a number and has no range.", "List its choices.", place)
    if float in numbers:
        # Whole bounds do not make a setting whole.
        given = domain.model_dump(include={"low", "high", "step"}, exclude_none=True)
        domain = domain.model_copy(update={key: float(number) for key, number in given.items()})
    elif not domain.is_whole:
        raise UserError(
            f"{name} is a whole number, but its range is not.", "Use whole bounds and step.", place
        )
    for key, value in zip(("low", "high"), domain.ends(), strict=True):
        check_setting(name, value, part.place((key,)))
    if domain.count is not None:
        # Where the second value is a multiple of what the setting wants as the first is, all are.
        check_setting(name, domain.nearest(domain.low + (domain.step or 1)), place)
    return domain


def _numbers(annotation: Any) -> set[type]:  # noqa: ANN401
    """Returns the number types that an annotation admits, through ``Annotated`` and unions."""
    if annotation in (int, float):
        return {annotation}
    return {number for member in get_args(annotation) for number in _numbers(member)}
