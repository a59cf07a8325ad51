"""Domains as axes: their own order for choices, their own scale for ranges."""

import math
from collections.abc import Sequence
from typing import Any

from automl_tf.config.space import Choices, Domain, Range
from automl_tf.search.report.words import setting

_ROOM = 0.04
"""Share of a range that an axis is longer at either end, so that no point is cut."""
_MOST_DECADES_IN_STEPS = 2.0
_MOST_WHOLE_TICKS = 10


def own_axis(domain: Domain) -> dict[str, Any]:
    """The axis of a domain; the values of choices stand side by side, spelled out."""
    if isinstance(domain, Range):
        return number_axis(domain)
    order = [setting(choice) for choice in domain.choices]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": order,
        "range": [-0.5, len(order) - 0.5],
    }


def number_axis(domain: Domain) -> dict[str, Any]:
    """The axis of a domain of numbers, whose distances are those of the numbers."""
    if isinstance(domain, Choices):
        return {"type": "linear", "tickvals": list(domain.choices)}
    if domain.log:
        return log_axis(_with_room(math.log10(domain.low), math.log10(domain.high)))
    few = domain.is_whole and domain.high - domain.low <= _MOST_WHOLE_TICKS
    return {
        "type": "linear",
        "range": _with_room(domain.low, domain.high),
        **({"dtick": 1} if few else {}),
    }


def log_axis(powers: Sequence[float]) -> dict[str, Any]:
    """An axis of ratios between two powers of ten."""
    ticks = _log_ticks(10 ** powers[0], 10 ** powers[1])
    labels = [setting(tick) for tick in ticks]
    return {"type": "log", "range": list(powers), "tickvals": ticks, "ticktext": labels}


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers on a scale of ratios: powers of ten, and 2 and 5 between few of them."""
    are_few = math.log10(high / low) <= _MOST_DECADES_IN_STEPS
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    rounds = [
        float(f"{digit}e{power}") for power in powers for digit in ((1, 2, 5) if are_few else (1,))
    ]
    return [tick for tick in rounds if low <= tick <= high] or [float(low), float(high)]


def height(domain: Domain, value: Any) -> float:  # noqa: ANN401 - any setting
    """Where a value stands between the ends of its domain, from 0 to 1."""
    if isinstance(domain, Choices):
        last = len(domain.choices) - 1
        return domain.choices.index(value) / last if last else 0.5
    scale = math.log if domain.log else float
    return (scale(value) - scale(domain.low)) / (scale(domain.high) - scale(domain.low))


def marked_values(domain: Domain) -> list[Any]:
    """The values that are written beside an upright axis: all choices, or ends and middle."""
    if isinstance(domain, Choices):
        return list(domain.choices)
    low, high = domain.low, domain.high
    middle = math.sqrt(low * high) if domain.log else (low + high) / 2
    if domain.is_whole:
        return [low, high] if middle != int(middle) else [low, int(middle), high]
    return [float(low), middle, float(high)]


def _with_room(low: float, high: float) -> list[float]:
    room = _ROOM * (high - low)
    return [low - room, high + room]
