"""What a live search has told, by the clock: its trials and the best BLEU so far."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Point:
    """A validation that was better than all before.

    Attributes:
        minutes: Wall time since the start of the search's process.
        bleu: Validation BLEU.
        trial: Number of the trial.
        step: Optimizer steps of that trial.
    """

    minutes: float
    bleu: float
    trial: int
    step: int


@dataclass
class Account:
    """What one search has told.

    Attributes:
        incumbent: How the best validation BLEU rose.
        trials: What is known of each trial, by its number.
        validations: How many there were.
    """

    incumbent: list[Point] = field(default_factory=list)
    trials: dict[int, dict[str, Any]] = field(default_factory=dict)
    validations: int = 0

    def note(self, minutes: float, line: str) -> str | None:
        """Takes in one line of ``search --json``; what a person should know of it, if anything.

        Args:
            minutes: When it came.
            line: The line; what is no event of a trial counts for nothing.
        """
        event = _event(line)
        match event.get("event"):
            case "TrialStarted":
                known = {name: event[name] for name in ("params", "num_parameters")}
                self.trials[event["trial"]] = {"began": minutes, "state": "running", **known}
            case "TrialValidated":
                return self._validated(Point(minutes, event["bleu"], event["trial"], event["step"]))
            case "TrialEnded":
                known = {name: event[name] for name in ("state", "bleu", "reason")}
                self.trials.setdefault(event["trial"], {}).update(ended=minutes, **known)
                bleu = event["bleu"] or 0.0
                return f"trial {event['trial']} {event['state']}, best BLEU {bleu:.2f}"
        return None

    def _validated(self, point: Point) -> str | None:
        self.validations += 1
        if self.incumbent and point.bleu <= self.incumbent[-1].bleu:
            return None
        self.incumbent.append(point)
        return f"BLEU {point.bleu:.2f}, trial {point.trial}, step {point.step}"

    def best_at(self, minutes: float) -> float | None:
        """The best BLEU after so many minutes, if there was any."""
        return max((p.bleu for p in self.incumbent if p.minutes <= minutes), default=None)

    def minutes_to(self, bleu: float) -> float | None:
        """When BLEU was first as high as this, if it ever was."""
        return next((p.minutes for p in self.incumbent if p.bleu >= bleu), None)

    def count(self, state: str) -> int:
        """How many trials are in a state, as ``show --json`` spells it."""
        return sum(trial.get("state") == state for trial in self.trials.values())

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return dataclasses.asdict(self)


def _event(line: str) -> Mapping[str, Any]:
    """The fields of a line; none if it is something else, such as a library's print."""
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
