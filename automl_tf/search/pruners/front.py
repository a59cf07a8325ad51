"""The chance that a trial of a study with several objectives extends the Pareto front.

What a trial costs is known when it starts, or nearly so. It extends the front only if it ends above
every complete trial that costs no more in any respect; so its curve is judged, by the same outlook
as with one objective, against the best of those. Of two qualities, BLEU and chrF, it is enough to
exceed in one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import DIRECTIONS, AutoPruner
from automl_tf.search.pruners.curve import Curve
from automl_tf.search.pruners.levels import Levels
from automl_tf.search.pruners.outlook import USUAL_NOISE, Aim, Outlook, Rivals, outlook
from automl_tf.search.pruners.rivals import noise
from automl_tf.search.pruners.shapes import Shapes, shipped_shapes
from automl_tf.search.schema import (
    SECONDS,
    StoppedFor,
    note_outlook,
    num_validated,
    validations,
)

SECONDS_AN_HOUR = 3600
BLEU, TRAIN_HOURS = "bleu", "train_hours"
BEST_ONE = Aim(top=1, num_trials=1)
"""What exceeds all that it is compared with extends the front, whatever comes later."""
DIGITS = {"num_parameters": 0, "latency": 2, TRAIN_HOURS: 3}


@dataclass(frozen=True)
class FrontOutlook:
    """Whether a trial will extend the front, as far as can be told.

    Attributes:
        chance: Probability that it does.
        bleu: How its BLEU will end.
        rival: Number of the complete trial that will most likely outdo it.
        mark: That trial's BLEU.
        costs: What the judged trial costs and what the rival does, by objective.
    """

    chance: float
    bleu: Outlook
    rival: int
    mark: float
    costs: Mapping[str, tuple[float, float]]

    def words(self) -> str:
        """The outlook with the numbers that decide."""
        cheaper = ", ".join(
            f"{name} {theirs:,.{DIGITS[name]}f} (here {ours:,.{DIGITS[name]}f})"
            for name, (ours, theirs) in self.costs.items()
        )
        return (
            f"chance of extending the Pareto front is {100 * self.chance:.1f} %: "
            f"best BLEU {self.bleu.bleu:.2f} by step {self.bleu.step} is expected to end at "
            f"{self.bleu.likely:.2f} (above {self.bleu.hopeful:.2f} in 1 of 20 cases); "
            f"trial {self.rival} has BLEU {self.mark:.2f}" + (f" at {cheaper}" if cheaper else "")
        )


class FrontPruner:
    """Stops a trial once no BLEU that it can still plausibly reach extends the Pareto front.

    Optuna's pruners are asked through reports, which it refuses with several objectives; this one
    reads the validations that the storage keeps with each trial.

    Args:
        settings: What the study asks for; ``top`` says nothing here.
        objectives: The study's objectives.
        max_steps: Optimizer steps of the judged trial.
        shapes: How curves go on in general; the shipped ones if None.
    """

    def __init__(
        self,
        settings: AutoPruner,
        objectives: Sequence[str],
        max_steps: int,
        shapes: Shapes | None = None,
    ) -> None:
        self._settings = settings
        self._objectives = objectives
        self._max_steps = max_steps
        self._shapes = shipped_shapes() if shapes is None else shapes

    def reason_to_stop(self, study: optuna.Study, number: int) -> str | None:
        """Why a trial is to be stopped, in words with the numbers that decide; None to go on.

        What was expected of it is noted with the trial, for the sampler.

        Args:
            study: The study.
            number: The trial's number.
        """
        trials = study.get_trials(deepcopy=False)
        found = self.outlook(trials[number], trials)
        if found is None or found.chance >= self._settings.chance:
            return None
        stopped_for = StoppedFor(found.words(), found.bleu.likely, found.bleu.hopeful)
        note_outlook(study, trials[number], stopped_for)
        return found.words()

    def outlook(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> FrontOutlook | None:
        """How a trial will end; None if it has no validation, or nothing stands in its way.

        Args:
            trial: The trial.
            trials: All trials of the study.
        """
        if not validations(trial):
            return None
        costs = self._costs(trial)
        complete = [t for t in trials if t.state == TrialState.COMPLETE and t.values]
        cheaper = [
            rival
            for rival in complete
            if all(self._value(rival, name) <= cost for name, cost in costs.items())
        ]
        if len(self._objectives) == len(costs) + 1:
            # With BLEU alone, the best of them stands in the way.
            cheaper = sorted(cheaper, key=lambda rival: -rival.values[0])[:1]
        levels = Levels(complete)
        found = [self._against(rival, trial, complete, costs, levels) for rival in cheaper]
        return min(found, key=lambda one: (one.chance, -one.mark), default=None)

    def _against(
        self,
        rival: FrozenTrial,
        trial: FrozenTrial,
        complete: Sequence[FrozenTrial],
        costs: Mapping[str, float],
        levels: Levels,
    ) -> FrontOutlook:
        """The chance of exceeding one cheaper trial in any quality."""
        outlooks = {}
        for name in self._objectives:
            if DIRECTIONS[name] == "maximize":
                rivals = Rivals(
                    complete=[_curve(other, name, levels) for other in complete],
                    tops=[self._value(rival, name)],
                    noise=noise(trial, complete) if name == BLEU else USUAL_NOISE,
                )
                curve = _curve(trial, name, levels)
                outlooks[name] = outlook(curve, rivals, self._max_steps, BEST_ONE, self._shapes)
        # At most the sum: how the two go together is not known.
        chance = min(1.0, sum(one.chance for one in outlooks.values()))
        compared = {name: (cost, self._value(rival, name)) for name, cost in costs.items()}
        mark = self._value(rival, self._objectives[0])
        return FrontOutlook(chance, outlooks["bleu"], rival.number, mark, compared)

    def _costs(self, trial: FrozenTrial) -> dict[str, float]:
        """What a trial will have cost in the end, by objective."""
        costs = {}
        for name in self._objectives:
            if name == TRAIN_HOURS:
                share = max(validations(trial)) / self._max_steps
                costs[name] = trial.user_attrs[SECONDS] / SECONDS_AN_HOUR / share
            elif DIRECTIONS[name] == "minimize":
                costs[name] = float(trial.user_attrs[name])
        return costs

    def _value(self, trial: FrozenTrial, name: str) -> float:
        return float(trial.values[self._objectives.index(name)])


def _curve(trial: FrozenTrial, name: str, levels: Levels) -> Curve:
    scores = {step: told[name] for step, told in validations(trial).items()}
    if name == BLEU:
        return levels.curve_of(trial, scores)
    # Of chrF no counts are kept; it differs less between sentences.
    return Curve.of(scores, num_validated(trial))
