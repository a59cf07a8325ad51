"""The pruner of ``pruner: {kind: auto}``: it stops trials that are unlikely to end among the best.

With several objectives, a trial extends the Pareto front only if it ends above every complete trial
that costs no more in any respect. Its costs are known when it starts, or nearly so. Its curve is
compared with the best of those trials. Of two qualities, BLEU and chrF, it has to exceed one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import DIRECTIONS, AutoPruner
from automl_tf.formatting import format_amount
from automl_tf.search.pruners.curves import (
    CurvePrior,
    LearningCurve,
    SubsetCalibration,
    shipped_curve_prior,
)
from automl_tf.search.pruners.forecast import (
    USUAL_NOISE,
    CurveForecast,
    ReferenceCurves,
    TopKTarget,
    forecast,
    noise,
    reference_curves,
)
from automl_tf.search.schema import SECONDS, StoppedForecast, num_validated, validations

MAX_STEPS = "training.max_steps"


@dataclass(frozen=True)
class PruningDecision:
    """Decision about a running trial.

    Attributes:
        reason: Why the trial ends here, with the numbers that decide; None to continue.
        expected: Forecast of the final BLEU of a stopped trial, if there is one.
    """

    reason: str | None = None
    expected: StoppedForecast | None = None

    @property
    def stop(self) -> bool:
        """Returns whether the trial ends here."""
        return self.reason is not None


CONTINUE = PruningDecision()


def _decision(found: "CurveForecast | ParetoForecast | None", chance: float) -> PruningDecision:
    """Returns the decision to stop a trial with less than this chance."""
    if found is None or found.probability >= chance:
        return CONTINUE
    bleu = found.bleu if isinstance(found, ParetoForecast) else found
    return PruningDecision(found.describe(), StoppedForecast(bleu.median, bleu.p95))


@dataclass(eq=False)
class CurveExtrapolationPruner(BasePruner):
    """Optuna pruner that stops a trial whose curve is unlikely to end among the best.

    Its state is the storage alone, so that workers and resumed trials need nothing else.

    Attributes:
        settings: What the study asks for.
        max_steps: Optimizer steps of a trial that does not search their number.
        num_trials: Trials that the study will have in the end.
        prior: How curves go on in general.
    """

    settings: AutoPruner
    max_steps: int
    num_trials: int
    prior: CurvePrior = field(default_factory=shipped_curve_prior)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Returns whether to stop a trial of a study whose BLEU is maximised."""
        return self.judge(trial, study.get_trials(deepcopy=False)).stop

    def judge(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> PruningDecision:
        """Returns whether to stop a trial among all of a study, and why."""
        return _decision(self.forecast(trial, trials), self.settings.chance)

    def forecast(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> CurveForecast | None:
        """Returns the forecast of a trial; None without a validation or others to compare with."""
        if not trial.intermediate_values:
            return None
        calibration = SubsetCalibration(trials)
        references = reference_curves(trial, trials, calibration)
        if not references.tops:
            return None
        max_steps = trial.params.get(MAX_STEPS, self.max_steps)
        target = TopKTarget(self.settings.top, self.num_trials)
        return forecast(calibration.curve(trial), references, max_steps, target, self.prior)


SECONDS_AN_HOUR = 3600
BLEU, TRAIN_HOURS = "bleu", "train_hours"
BEST_ALONE = TopKTarget(top=1, num_trials=1)
"""What exceeds all that it is compared with extends the front, whatever comes later."""


@dataclass(frozen=True)
class ParetoForecast:
    """Forecast of whether a trial will extend the Pareto front.

    Attributes:
        probability: Probability that it does.
        bleu: How its BLEU will end.
        reference: Number of the complete trial that will most likely outdo it.
        reference_bleu: That trial's BLEU.
        costs: What the judged trial costs and what the reference does, by objective.
    """

    probability: float
    bleu: CurveForecast
    reference: int
    reference_bleu: float
    costs: Mapping[str, tuple[float, float]]

    def describe(self) -> str:
        """Returns the forecast in words, with the numbers that decide."""
        cheaper = ", ".join(
            f"{name} {format_amount(name, theirs)} (here {format_amount(name, ours)})"
            for name, (ours, theirs) in self.costs.items()
        )
        return (
            f"chance of extending the Pareto front is {100 * self.probability:.1f} %: "
            f"{self.bleu.expectation}; trial {self.reference} has BLEU {self.reference_bleu:.2f}"
            + (f" at {cheaper}" if cheaper else "")
        )


@dataclass(eq=False)
class ParetoPruner:
    """Pruner of studies with several objectives.

    It is no pruner of Optuna's: those read reports, which Optuna refuses with several objectives.
    This one reads the validations that the storage keeps with each trial.

    Attributes:
        settings: What the study asks for; ``top`` says nothing here.
        objectives: The study's objectives.
        max_steps: Optimizer steps of the judged trial.
        prior: How curves go on in general.
    """

    settings: AutoPruner
    objectives: Sequence[str]
    max_steps: int
    prior: CurvePrior = field(default_factory=shipped_curve_prior)

    def judge(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> PruningDecision:
        """Returns whether to stop a trial among all of a study, and why."""
        return _decision(self.forecast(trial, trials), self.settings.chance)

    def forecast(self, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> ParetoForecast | None:
        """Returns the forecast of a trial; None without a validation or a cheaper trial."""
        if not validations(trial):
            return None
        costs = self._costs(trial)
        complete = [t for t in trials if t.state == TrialState.COMPLETE and t.values]
        cheaper = [
            reference
            for reference in complete
            if all(self._value(reference, name) <= cost for name, cost in costs.items())
        ]
        if len(self.objectives) == len(costs) + 1:
            # With BLEU alone, the best of them stands in the way.
            cheaper = sorted(cheaper, key=lambda reference: -reference.values[0])[:1]
        calibration = SubsetCalibration(complete)
        found = [
            self._against(reference, trial, complete, costs, calibration) for reference in cheaper
        ]
        return min(found, key=lambda one: (one.probability, -one.reference_bleu), default=None)

    def _against(
        self,
        reference: FrozenTrial,
        trial: FrozenTrial,
        complete: Sequence[FrozenTrial],
        costs: Mapping[str, float],
        calibration: SubsetCalibration,
    ) -> ParetoForecast:
        """Returns the probability of exceeding one cheaper trial in any quality."""
        forecasts = {}
        for name in (one for one in self.objectives if DIRECTIONS[one] == "maximize"):
            references = ReferenceCurves(
                complete=[_curve(other, name, calibration) for other in complete],
                tops=[self._value(reference, name)],
                noise=noise(trial, complete) if name == BLEU else USUAL_NOISE,
            )
            curve = _curve(trial, name, calibration)
            forecasts[name] = forecast(curve, references, self.max_steps, BEST_ALONE, self.prior)
        # At most the sum: how the two go together is not known.
        chance = min(1.0, sum(one.probability for one in forecasts.values()))
        compared = {name: (cost, self._value(reference, name)) for name, cost in costs.items()}
        mark = self._value(reference, self.objectives[0])
        return ParetoForecast(chance, forecasts[BLEU], reference.number, mark, compared)

    def _costs(self, trial: FrozenTrial) -> dict[str, float]:
        """Returns the final costs of a trial, by objective."""
        costs = {}
        for name in self.objectives:
            if name == TRAIN_HOURS:
                share = max(validations(trial)) / self.max_steps
                costs[name] = trial.user_attrs[SECONDS] / SECONDS_AN_HOUR / share
            elif DIRECTIONS[name] == "minimize":
                costs[name] = float(trial.user_attrs[name])
        return costs

    def _value(self, trial: FrozenTrial, name: str) -> float:
        return float(trial.values[self.objectives.index(name)])


def _curve(trial: FrozenTrial, name: str, calibration: SubsetCalibration) -> LearningCurve:
    scores = {step: told[name] for step, told in validations(trial).items()}
    if name == BLEU:
        return calibration.curve(trial, scores)
    # Of chrF no counts are kept; it differs less between sentences.
    return LearningCurve.of(scores, num_validated(trial))
