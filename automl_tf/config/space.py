"""Search spaces: dotted paths mapped to domains, static and proved legal as a whole."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, model_validator

from automl_tf.config.base import Settings
from automl_tf.config.legality import RULES, Rule, Violation

Scalar = bool | int | float | str

# Only bounds the work of a proof or a grid: the rules are monotone in a longer range's values.
LONGEST_ENUMERATED_RANGE = 64


class Choices(Settings):
    """A finite set of values, in the order of their size where they have one."""

    choices: Annotated[tuple[Scalar, ...], Field(min_length=1, strict=False)]
    """The values, each once."""

    @model_validator(mode="after")
    def _are_distinct(self) -> "Choices":
        if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
            raise ValueError(f"the choices {list(self.choices)} repeat a value. List each once.")
        return self

    @property
    def is_finite(self) -> bool:
        """Whether every value can be listed."""
        return True

    def corners(self) -> tuple[Scalar, ...]:
        """Every value: choices have no order that a rule could rely on."""
        return self.choices

    def contains(self, value: Scalar) -> bool:
        """Whether the value is one of the choices."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)

    def nearest(self, value: Scalar) -> Scalar:
        """The choice closest to the value; the first one where there is no distance."""
        numbers = [choice for choice in self.choices if isinstance(choice, int | float)]
        if value in self.choices or not numbers or not isinstance(value, int | float):
            return value if value in self.choices else self.choices[0]
        return min(numbers, key=lambda number: abs(number - value))

    def __str__(self) -> str:
        return f"{list(self.choices)}"


class Range(Settings):
    """All whole or real numbers between two bounds, both included."""

    low: int | float
    """Smallest value."""
    high: int | float
    """Largest value."""
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
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the range holds whole numbers only."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    @property
    def is_finite(self) -> bool:
        """Whether the values are few enough to be listed."""
        return 0 < self._count() <= LONGEST_ENUMERATED_RANGE

    def corners(self) -> tuple[int | float, ...]:
        """Every value of a short stepped range, else the two ends."""
        if not self.is_finite:
            return (self.low, self.high)
        step = self.step or 1
        return tuple(self.low + index * step for index in range(self._count()))

    def _count(self) -> int:
        """The number of values; zero if they have no even distance."""
        step = 1 if self.is_whole and self.step is None else self.step
        if step is None or self.log:
            return 0
        return int((self.high - self.low) / step + 1e-9) + 1

    def contains(self, value: Scalar) -> bool:
        """Whether the value lies in the range."""
        if isinstance(value, bool | str) or not self.low <= value <= self.high:
            return False
        return self.nearest(value) == value

    def nearest(self, value: Scalar) -> int | float:
        """The value of the range closest to a value; its lower end where there is no distance."""
        if isinstance(value, bool | str):
            return self.low
        inside = min(max(value, self.low), self.high)
        if self.is_whole and self.step is None:
            return round(inside)
        if self.step is None:
            return inside
        steps = min(round((inside - self.low) / self.step), int((self.high - self.low) / self.step))
        return self.low + steps * self.step

    def __str__(self) -> str:
        return f"from {self.low} to {self.high}" + (f" by {self.step}" if self.step else "")


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
            self.domains[name].corners() if name in self.domains else (fixed[name],)
            for name in rule.reads
        ]
        for combination in itertools.product(*values):
            yield dict(zip(rule.reads, combination, strict=True))
