"""Numbers as people read them."""

from typing import Any

from automl_tf.config.base import Settings
from automl_tf.config.space import Choices, Domain

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
_LIST_END = 2


def duration(seconds: float) -> str:
    """A time in its largest fitting unit, as in ``45 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 3 * DAY:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / DAY:.1f} days"


def setting(value: Any) -> str:  # noqa: ANN401 - any setting
    """A setting's value as a YAML file spells it, floats to three digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def domain(values: Domain) -> str:
    """What a setting may be, as in ``128, 256`` or ``0.0001 to 0.01, log scale``."""
    if isinstance(values, Choices):
        return ", ".join(setting(choice) for choice in values.choices)
    step = "" if values.step is None else f" by {setting(values.step)}"
    scale = ", log scale" if values.log else ""
    return f"{setting(values.low)} to {setting(values.high)}{step}{scale}"


def parameters(count: float | None) -> str:
    """The size of a model, as in ``2.15 M``."""
    if count is None:
        return ""
    # The unit stays on the number's line.
    return f"{count / 1e6:.2f}\u00a0M" if count >= 1e6 else f"{count / 1e3:.0f}\u00a0k"  # noqa: PLR2004


def hours(number: float) -> str:
    """A limit in hours, as in ``1 hour`` or ``2.5 hours``."""
    return f"{number:g} hour" + ("" if number == 1 else "s")


def difference(bleu: float) -> str:
    """A difference of BLEU, with a minus that is as wide as a digit."""
    return f"{bleu:.2f}".replace("-", "−")


def strategy(settings: Settings) -> str:
    """A sampler or a pruner with its settings, as in ``median (startup trials 3)``."""
    given = settings.model_dump(exclude_none=True)
    kind = given.pop("kind")
    words = [f"{name.replace('_', ' ')} {setting(value)}" for name, value in given.items()]
    return f"{kind} ({', '.join(words)})" if words else str(kind)


def objective(name: str, value: float) -> str:
    """A value of an objective with its unit."""
    match name:
        case "bleu" | "chrf":
            return f"{value:.2f}"
        case "num_parameters":
            return parameters(value)
        case "latency":
            return f"{value:.3g} ms"
        case _:
            return duration(value * HOUR)


OBJECTIVES = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "num_parameters": "parameters",
    "latency": "latency",
    "train_hours": "training time",
}
"""Objectives by the names that people read."""

AXES = {**OBJECTIVES, "latency": "latency (ms a sentence)", "train_hours": "training (hours)"}
"""Objectives by the titles of their axes."""


def count(number: int, noun: str) -> str:
    """A number of things, as in ``1 trial`` or ``12 trials``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(words: list[str]) -> str:
    """Words in a row, as in ``a, b and c``."""
    if len(words) < _LIST_END:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def so_far(number: int) -> str:
    """How many there are by now, as in ``so far there are 3``."""
    return f"so far there {is_or_are(number)} {number or 'none'}"


def is_or_are(number: int) -> str:
    """The verb for a number of things."""
    return "is" if number == 1 else "are"
