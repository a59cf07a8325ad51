"""Search spaces: dotted paths mapped to domains, static and proved legal as a whole."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

from pydantic import Field, model_validator

from automl_tf.config.base import Settings
from automl_tf.config.legality import RULES, Rule, Violation

Scalar = bool | int | float | str

LONGEST_LISTED_RANGE = 64
"""Values of a range up to which a grid lists them."""
MOST_COMBINATIONS = 100_000
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
    def is_listable(self) -> bool:
        """Whether the values are few enough for a grid."""
        return True

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def values(self) -> tuple[Scalar, ...]:
        """Every value."""
        return self.choices

    def ends(self) -> tuple[Scalar, ...]:
        """Every value: choices have no order that a rule could rely on."""
        return self.choices

    def contains(self, value: Scalar) -> bool:
        """Whether the value is one of the choices."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)

    def nearest(self, value: Any) -> Scalar:  # noqa: ANN401 - any setting
        """The choice closest to a value; the first one where there is no distance."""
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
        """Whether the range holds whole numbers only."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    @property
    def is_listable(self) -> bool:
        """Whether the values are few enough for a grid."""
        return self.count is not None and self.count <= LONGEST_LISTED_RANGE

    @property
    def count(self) -> int | None:
        """How many values there are; None if they are continuous."""
        if self._distance is None:
            return None
        # A little more than the quotient: 0.3 / 0.1 falls short of three.
        return math.floor((self.high - self.low) / self._distance + 1e-9) + 1

    def values(self) -> tuple[int | float, ...]:
        """Every value of a range that is not continuous, in ascending order."""
        assert self.count is not None
        return tuple(self._at(index) for index in range(self.count))

    def ends(self) -> tuple[int | float, int | float]:
        """The smallest and the largest value."""
        return self.low, self.high if self.count is None else self._at(self.count - 1)

    def contains(self, value: Scalar) -> bool:
        """Whether the value lies in the range; steps are as exact as their arithmetic."""
        if not _is_number(value) or (self.is_whole and not isinstance(value, int)):
            return False
        if self.count is None:
            return self.low <= value <= self.high
        return math.isclose(self.nearest(value), value, rel_tol=1e-9, abs_tol=1e-12)

    def nearest(self, value: Any) -> int | float:  # noqa: ANN401 - any setting
        """The value of the range closest to a value; its lower end where there is no distance."""
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
        """The value that many steps above the lower end, as a person would write it."""
        assert self._distance is not None
        return round(self.low + index * self._distance, 12)

    def __str__(self) -> str:
        steps = f" by {self.step}" if self.step else ""
        return f"from {self.low} to {self.high}{steps}{' (log)' if self.log else ''}"


Domain = Choices | Range


@dataclass(frozen=True)
class Space:
    """What a study searches.

    Attributes:
        domains: A domain for each searched setting, by dotted path.
    """

    domains: Mapping[str, Domain]

    def contains(self, name: str, value: Any) -> bool:  # noqa: ANN401 - any YAML scalar
        """Whether a setting's domain holds the value."""
        return self.domains[name].contains(value)

    def unproved_rule(self) -> Rule | None:
        """The first rule that reads more combinations of values than can be tried."""
        return next((rule for rule in RULES if self._count(rule) > MOST_COMBINATIONS), None)

    def illegal_combination(self, fixed: Mapping[str, Any]) -> Violation | None:
        """The first combination of values in the space that makes no model.

        Args:
            fixed: The value of every setting, by dotted path; the space's own win.
        """
        violations = (
            rule.violation(settings)
            for rule in RULES
            for settings in self._combinations(rule, fixed)
        )
        return next((violation for violation in violations if violation is not None), None)

    def _combinations(self, rule: Rule, fixed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        values = [
            _tried(rule, self.domains[name]) if name in self.domains else (fixed[name],)
            for name in rule.reads
        ]
        for combination in itertools.product(*values):
            yield dict(zip(rule.reads, combination, strict=True))

    def _count(self, rule: Rule) -> int:
        searched = [self.domains[name] for name in rule.reads if name in self.domains]
        if rule.is_comparison:
            return math.prod(len(domain.ends()) for domain in searched)
        return math.prod(domain.count or 1 for domain in searched)


def _tried(rule: Rule, domain: Domain) -> tuple[Scalar, ...]:
    """The values that a rule has to hold for, so that it holds for all of a domain."""
    return domain.ends() if rule.is_comparison else domain.values()


def _is_number(value: Any) -> TypeGuard[int | float]:  # noqa: ANN401 - any setting
    return isinstance(value, int | float) and not isinstance(value, bool)
