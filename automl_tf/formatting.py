"""Formats of numbers and times for people, and of JSON for programs.

Digits and units are chosen here and nowhere else.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
MILLION = 1e6

_SCORES = ("bleu", "chrf")
_WHOLE = ("num_parameters", "flops_per_token")
_ROUND = ("train_hours",)
"""Amounts of any size, which are shown with three significant digits."""


def format_setting(value: Any) -> str:  # noqa: ANN401 - any setting
    """Returns a setting's value as YAML spells it, real numbers with three significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def format_score(score: float | None) -> str:
    """Returns BLEU or chrF, or a difference of two, with two decimals; nothing for None."""
    # The minus sign is as wide as a digit.
    return "" if score is None else f"{score:.2f}".replace("-", "−")


def format_amount(name: str, value: float) -> str:
    """Returns the value of an objective or of a limit, without its unit.

    Args:
        name: Name of the objective or limit, as in ``num_parameters``.
        value: The value, in the unit of the objective or limit.
    """
    if name in _WHOLE:
        return format_count(value)
    if name in _ROUND:
        return f"{value:.3g}"
    return format_score(value) if name in _SCORES else f"{value:,.2f}"


def format_objective(name: str, value: float) -> str:
    """Returns the value of an objective or of a limit with its unit, in its shortest form.

    Args:
        name: Name of the objective or limit, as in ``num_parameters``.
        value: The value, in the unit of the objective or limit.
    """
    match name:
        case "num_parameters":
            return format_size(value)
        case "latency":
            return f"{value:.3g} ms"
        case "estimated_memory_mb":
            return f"{value:,.0f} MB"
        case "flops_per_token":
            return f"{value:.3g}"
        case "train_hours":
            return format_duration(value * HOUR)
        case _:
            return format_score(value)


def format_count(number: float | None) -> str:
    """Returns a number of things, rounded to a whole one; nothing for None."""
    return "" if number is None else f"{number:,.0f}"


def format_loss(loss: float | None) -> str:
    """Returns a loss, in nats a token, with three decimals; nothing for None."""
    return "" if loss is None else f"{loss:.3f}"


def format_size(num_parameters: float) -> str:
    """Returns the size of a model, as in ``2.1M`` or ``850k``."""
    if num_parameters < MILLION:
        return f"{num_parameters / 1e3:.0f}k"
    return f"{num_parameters / MILLION:.1f}M"


def format_plural(number: int, noun: str) -> str:
    """Returns a number of things with their noun, as in ``1 trial`` or ``12 trials``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def format_list(words: Sequence[str]) -> str:
    """Returns words in a row, as in ``a, b and c``."""
    return " and ".join([part for part in (", ".join(words[:-1]), *words[-1:]) if part])


def format_counts(counts: Mapping[str, int]) -> str:
    """Returns the states that occur with their numbers, as in ``3 complete, 1 failed``."""
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def format_clock(seconds: float) -> str:
    """Returns a time as a clock shows it, as in ``2:05`` or ``1:02:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_duration(seconds: float) -> str:
    """Returns a time in its largest fitting unit, as in ``45 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 3 * DAY:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / DAY:.1f} days"


def format_json(value: Any, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Returns JSON as RFC 8259 defines it: NaN and infinity, which it lacks, become null.

    Args:
        value: Mappings, lists and plain values.
        indent: Spaces of each level; one line when not given.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {_key(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: Any) -> str:  # noqa: ANN401 - any key of a mapping
    return key if isinstance(key, str) else json.dumps(key)
