"""One attempt at a trial: its costs, its training, what is kept of each validation, its end."""

import optuna
from optuna.trial import TrialState

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.decoding.latency import median_latency_ms
from automl_tf.search.context import TrialResult, WorkerContext
from automl_tf.search.costs import Costs, beyond_limits, costs
from automl_tf.search.events import TrialProgress, TrialStarted, TrialValidated
from automl_tf.search.pruners.front import FrontPruner
from automl_tf.search.schema import (
    BEST_SENTENCES,
    BEST_STEP,
    INFEASIBLE,
    NUM_PARAMETERS,
    SAMPLES,
    SECONDS,
    SEED,
    SENTENCES,
    VALIDATIONS,
    confirms,
)
from automl_tf.search.strategy import pruning_reason
from automl_tf.search.trial_logger import TrialLogger
from automl_tf.training.checkpoints import LAST_CHECKPOINT
from automl_tf.training.fit import fit
from automl_tf.training.module import build_model
from automl_tf.training.watching import CurvePoint, Decision, FitResult, Outcome, Validation

LARGEST_SAMPLE = 2000
"""Sentences of a validation, the first, whose statistics are kept with each step."""


class Attempt:
    """The steps of a trial, in their order.

    Args:
        trial: The trial.
        config: What it trains.
        story: What MLflow is told of it.
        bench: What the worker has.
    """

    def __init__(
        self, trial: optuna.Trial, config: TrialConfig, story: TrialLogger, bench: WorkerContext
    ) -> None:
        self._trial = trial
        self._config = config
        self._story = story
        self._bench = bench
        self._reason: str | None = None
        self._latency: float | None = None

    def to_its_end(self) -> TrialResult:
        """Trains, unless a limit forbids it.

        Raises:
            UserError: If the corpus or the devices do not serve.
        """
        limit = self._exceeded_limit(beyond_limits(self._config, self._bench.config.constraints))
        if limit is not None:
            return self._refused(limit)
        data = prepare(self._config, self._bench.home / "cache")
        costs = self._measure(data)
        limit = self._exceeded_limit(costs)
        if limit is not None:
            return self._refused(limit)
        directory = self._bench.directory(self._trial.number)
        self._announce(resumed=(directory / LAST_CHECKPOINT).exists())
        self._story.begin(self._config, data, costs)
        result = fit(
            self._config, data, directory, self._observe, self._progress, self._bench.should_pause
        )
        self._trial.set_user_attr(SECONDS, result.seconds)
        self._trial.set_user_attr(BEST_STEP, result.best_step)
        if result.outcome is not Outcome.PAUSED:
            (directory / LAST_CHECKPOINT).unlink(missing_ok=True)
        return self._ending(result)

    def _refused(self, reason: str) -> TrialResult:
        self._trial.set_user_attr(INFEASIBLE, True)  # noqa: FBT003 - the attribute's value
        return TrialResult(TrialState.PRUNED, reason=reason)

    def _measure(self, data: PreparedData) -> Costs:
        """What the trial costs, by the names of the limits."""
        known = costs(self._config, data)
        for name, cost in known.items():
            self._trial.set_user_attr(name, cost)
        self._trial.set_user_attr(SEED, self._config.seed)
        self._size = int(known[NUM_PARAMETERS])
        needed = (*self._bench.config.objectives, *self._bench.config.constraints)
        if "latency" in needed:
            model = build_model(self._config, data)
            self._latency = median_latency_ms(
                model, data.validation.sources(), bos=BOS, eos=EOS, pad=PAD
            )
            self._trial.set_user_attr("latency", self._latency)
            known["latency"] = self._latency
        return known

    def _exceeded_limit(self, costs: Costs) -> str | None:
        """The first of the constraints on these costs that is broken, in words."""
        for name, limit in self._bench.config.constraints.items():
            if name not in costs:
                continue
            cost = costs[name]
            self._trial.set_constraint(name, cost - limit)
            if cost > limit:
                return (
                    f"not trained: {name} = {_amount(cost)} is above the limit of {_amount(limit)}"
                )
        return None

    def _announce(self, *, resumed: bool) -> None:
        self._bench.tell(
            TrialStarted(
                trial=self._trial.number,
                params=dict(self._trial.params),
                num_parameters=self._size,
                max_steps=self._config.training.max_steps,
                resumed=resumed,
                confirms=confirms(self._trial),
            )
        )

    def _progress(self, point: CurvePoint) -> None:
        self._bench.tell(
            TrialProgress(self._trial.number, point.step, point.loss, point.tokens_per_second)
        )

    def _observe(self, validation: Validation) -> Decision:
        trial, scores, step = self._trial, validation.scores, validation.step
        told = trial.user_attrs.get(VALIDATIONS, {})
        now = {"bleu": scores.bleu, "chrf": scores.chrf, "loss": validation.loss}
        now["sentences"] = len(validation.sentences)
        if validation.curve:
            last = validation.curve[-1]
            now.update(train_loss=last.loss, tokens_per_second=last.tokens_per_second)
        trial.set_user_attr(VALIDATIONS, {**told, str(step): now})
        self._keep_sentences(validation)
        trial.set_user_attr(SECONDS, validation.seconds)
        self._bench.tell(
            TrialValidated(trial.number, step, scores.bleu, scores.chrf, len(validation.sentences))
        )
        samples = self._story.validated(validation)
        if validation.is_best:
            trial.set_user_attr(SAMPLES, samples)
        # Others are not compared with a trial that confirms one, which always runs to its end.
        if confirms(trial) is not None:
            return Decision.CONTINUE
        if len(self._bench.config.objectives) > 1:
            return self._judged_by_front(step)
        trial.report(scores.bleu, step)
        if step >= self._config.training.max_steps or not trial.should_prune():
            return Decision.CONTINUE
        trials = self._bench.study.get_trials(deepcopy=False)
        self._reason = pruning_reason(self._bench.config.pruner, trials, trial.number, step)
        return Decision.STOP

    def _judged_by_front(self, step: int) -> Decision:
        """Several objectives: whether the trial can still extend the Pareto front."""
        config, max_steps = self._bench.config, self._config.training.max_steps
        if config.pruner.kind != "auto" or step >= max_steps:
            return Decision.CONTINUE
        pruner = FrontPruner(config.pruner, config.objectives, max_steps)
        self._reason = pruner.reason_to_stop(self._bench.study, self._trial.number)
        return Decision.CONTINUE if self._reason is None else Decision.STOP

    def _keep_sentences(self, validation: Validation) -> None:
        kept = self._trial.user_attrs.get(SENTENCES, {})
        text = validation.sentences.first(LARGEST_SAMPLE).to_text()
        self._trial.set_user_attr(SENTENCES, {**kept, str(validation.step): text})

    def _ending(self, result: FitResult) -> TrialResult:
        match result.outcome:
            case Outcome.STOPPED:
                return TrialResult(TrialState.PRUNED, reason=self._reason)
            case Outcome.PAUSED:
                return TrialResult(TrialState.WAITING, reason=f"paused at step {result.step}")
            case Outcome.DIVERGED:
                return TrialResult(
                    TrialState.FAIL,
                    reason=f"diverged: loss or gradient is not finite by step {result.step}",
                    is_worth_smaller_batches=True,
                )
        if result.best is None:
            return TrialResult(TrialState.FAIL, reason="no validation BLEU")
        reached = {
            "bleu": result.best.bleu,
            "chrf": result.best.chrf,
            "num_parameters": float(self._size),
            "latency": self._latency,
            "train_hours": result.seconds / 3600,
        }
        assert result.best_sentences is not None, "they are kept with the best scores"
        self._trial.set_user_attr(BEST_SENTENCES, result.best_sentences.to_text())
        values = tuple(reached[name] for name in self._bench.config.objectives)
        return TrialResult(TrialState.COMPLETE, values=values)  # type: ignore[arg-type]


def _amount(cost: float) -> str:
    """A number of parameters in full, milliseconds with their decimals."""
    return f"{cost:,.0f}" if float(cost).is_integer() else f"{cost:,.2f}"
