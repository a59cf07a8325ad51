"""Which combinations of settings make a model, each rule once.

The same rules check one configuration and prove a whole space: a rule names the few settings that
it reads, so that every combination of their values can be tried before any trial is. (Of a rule
that compares sizes, the ends of ranges are enough.)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """A condition on some settings.

    Attributes:
        reads: Dotted paths of the settings, in the order of the arguments below.
        holds: Whether the values are legal.
        text: What does not hold, with a ``{}`` for each value.
        remedy: What to do.
        is_comparison: Whether it holds between the ends of ranges if it holds at their ends.
    """

    reads: tuple[str, ...]
    holds: Callable[..., bool]
    text: str
    remedy: str
    is_comparison: bool = False

    def violation(self, settings: Mapping[str, Any]) -> "Violation | None":
        """The violation of this rule by the settings, if there is one."""
        values = tuple(settings[name] for name in self.reads)
        return None if self.holds(*values) else Violation(self, values)


@dataclass(frozen=True)
class Violation:
    """A rule and the values that break it."""

    rule: Rule
    values: tuple[Any, ...]

    @property
    def what(self) -> str:
        """The rule with its values."""
        return self.rule.text.format(*self.values)

    def __str__(self) -> str:
        return f"{self.what} {self.rule.remedy}"


def _heads_divide(d_model: int, num_heads: int, d_k: int | None, d_v: int | None) -> bool:
    return (d_k is not None and d_v is not None) or d_model % num_heads == 0


def _rotary_is_even(positions: str, d_model: int, num_heads: int, d_k: int | None) -> bool:
    return positions != "rotary" or (d_k or d_model // num_heads) % 2 == 0


def _engine_has_heads(
    engine: str, d_model: int, num_heads: int, d_k: int | None, d_v: int | None
) -> bool:
    width = d_model / num_heads
    return engine != "ctranslate2" or (d_k or width) == (d_v or width) == width


RULES = (
    Rule(
        ("model.d_model", "model.num_heads", "model.d_k", "model.d_v"),
        _heads_divide,
        "model.num_heads = {1} does not divide model.d_model = {0}.",
        "Use a divisor, drop one of the two from the choices, or set model.d_k and model.d_v.",
    ),
    Rule(
        ("model.positions", "model.d_model", "model.num_heads", "model.d_k"),
        _rotary_is_even,
        "model.positions = {0} turns pairs of units, but model.d_model = {1} over "
        "model.num_heads = {2} (model.d_k = {3}) leaves an odd width for a head.",
        "Choose widths and heads whose quotient is even, or other positions.",
    ),
    Rule(
        ("decoding.engine", "model.d_model", "model.num_heads", "model.d_k", "model.d_v"),
        _engine_has_heads,
        "decoding.engine = {0} has no heads of a width other than model.d_model / model.num_heads "
        "= {1} / {2}, but model.d_k = {3} and model.d_v = {4}.",
        "Use decoding.engine: torch, or leave model.d_k and model.d_v out.",
    ),
    Rule(
        ("training.warmup_steps", "training.max_steps"),
        lambda warmup_steps, max_steps: warmup_steps < max_steps,
        "training.warmup_steps = {0} is not below training.max_steps = {1}.",
        "Shorten the warm-up or train longer.",
        is_comparison=True,
    ),
    Rule(
        ("training.validate_every", "training.max_steps"),
        lambda validate_every, max_steps: validate_every <= max_steps,
        "training.validate_every = {0} is above training.max_steps = {1}.",
        "Validate more often or train longer.",
        is_comparison=True,
    ),
    Rule(
        ("training.batch_tokens", "data.max_length"),
        lambda batch_tokens, max_length: batch_tokens > max_length,
        "training.batch_tokens = {0} does not hold one sentence of data.max_length = {1} subwords "
        "and its end.",
        "Raise training.batch_tokens or lower data.max_length.",
        is_comparison=True,
    ),
)


def first_violation(settings: Mapping[str, Any]) -> Violation | None:
    """The first rule that the settings break, if any."""
    violations = (rule.violation(settings) for rule in RULES)
    return next((violation for violation in violations if violation is not None), None)
