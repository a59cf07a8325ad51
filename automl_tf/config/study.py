"""A study: what is searched, on what text, by which strategy and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from automl_tf.config.base import FilePath, MisfitError, Seed, Settings, StudyName
from automl_tf.config.settings import (
    Corpus,
    ScoringConfig,
    TrialConfig,
    default_settings,
    unflatten,
)
from automl_tf.config.space import Scalar, Space

Objective = Literal["bleu", "chrf", "num_parameters", "latency", "train_hours"]
Limit = Literal["flops_per_token", "estimated_memory_mb", "num_parameters", "latency"]

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "bleu": "maximize",
    "chrf": "maximize",
    "num_parameters": "minimize",
    "latency": "minimize",
    "train_hours": "minimize",
}
"""Which way each objective is better."""


class RandomSampler(Settings):
    """Independent uniform draws (Bergstra and Bengio 2012)."""

    kind: Literal["random"]


class GridSampler(Settings):
    """Every combination of a space of choices and stepped ranges, each once."""

    kind: Literal["grid"]


class TPESampler(Settings):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), multivariate."""

    kind: Literal["tpe"]
    startup_trials: Annotated[int, Field(ge=0)] = 10
    """Random trials before the model of the space takes over."""


class GPSampler(Settings):
    """Gaussian process with expected improvement."""

    kind: Literal["gp"]
    startup_trials: Annotated[int, Field(ge=0)] = 10
    """Random trials before the model of the space takes over."""


class CMAESSampler(Settings):
    """Covariance matrix adaptation (Hansen 2016); choices are drawn at random."""

    kind: Literal["cmaes"]
    startup_trials: Annotated[int, Field(ge=0)] = 1
    """Random trials before the model of the space takes over."""


class QMCSampler(Settings):
    """A scrambled Sobol sequence, more even than random draws."""

    kind: Literal["qmc"]


class NSGAIISampler(Settings):
    """A genetic algorithm for several objectives (Deb et al. 2002)."""

    kind: Literal["nsgaii"]
    population: Annotated[int, Field(ge=2)] = 20
    """Trials of one generation."""


class AutoSampler(Settings):
    """A Gaussian process that starts from what is known of Transformers, and from earlier studies.

    Its prior comes from tables and from the literature; a study's own trials overrule it.
    """

    kind: Literal["auto"]
    learn_from: Annotated[tuple[StudyName, ...], Field(strict=False)] | None = None
    """Studies of the same storage to learn from; all of them when not given, none if empty."""


Sampler = Annotated[
    AutoSampler
    | RandomSampler
    | GridSampler
    | TPESampler
    | GPSampler
    | CMAESSampler
    | QMCSampler
    | NSGAIISampler,
    Field(discriminator="kind"),
]


class NoPruner(Settings):
    """Every trial runs to its end."""

    kind: Literal["none"]


class MedianPruner(Settings):
    """Stops a trial whose best BLEU is below the median of the others at the same step."""

    kind: Literal["median"]
    startup_trials: Annotated[int, Field(ge=0)] = 4
    """Finished trials before any is pruned."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps of a trial before it can be pruned."""


class PercentilePruner(Settings):
    """Stops a trial whose best BLEU is outside the best percentile at the same step."""

    kind: Literal["percentile"]
    percentile: Annotated[float, Field(gt=0, lt=100)] = 50.0
    """Share of the trials, in percent, that goes on."""
    startup_trials: Annotated[int, Field(ge=0)] = 4
    """Finished trials before any is pruned."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps of a trial before it can be pruned."""


class SuccessiveHalvingPruner(Settings):
    """Asynchronous successive halving (Li et al. 2018)."""

    kind: Literal["successive_halving"]
    min_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps of the first rung; the first validation when not given."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One trial in this many goes on from each rung."""


class HyperbandPruner(Settings):
    """Several successive halvings that start at different rungs (Li et al. 2017)."""

    kind: Literal["hyperband"]
    min_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps of the first rung; the first validation when not given."""
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    """One trial in this many goes on from each rung."""


class PatientPruner(Settings):
    """The median rule, but only once a trial's own BLEU has stopped rising."""

    kind: Literal["patient"]
    patience: Annotated[int, Field(ge=0)] = 2
    """Validations without improvement before the median rule is asked."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """BLEU that counts as an improvement."""
    startup_trials: Annotated[int, Field(ge=0)] = 4
    """Finished trials before any is pruned."""


class ThresholdPruner(Settings):
    """Stops a trial whose BLEU is below a fixed level."""

    kind: Literal["threshold"]
    lower: Annotated[float, Field(ge=0, le=100)]
    """BLEU below which a trial is stopped."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps of a trial before it can be pruned."""


class AutoPruner(Settings):
    """Stops a trial that will hardly end among the best.

    Its curve goes on as earlier curves did: those of the study, and those of the tables that a
    shipped prior was derived from. What sentences drawn anew would change, by paired bootstrap
    against the best trials at the same step, counts as noise. With several objectives it stops a
    trial that will hardly extend the Pareto front.
    """

    kind: Literal["auto"]
    top: Annotated[int, Field(ge=1)] = 3
    """Number of trials, the best of the whole study, that are to be trained to their end; with
    several objectives those that extend the front are."""
    chance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Probability of ending among them, or as the best so far, or on the front, below which a trial
    is stopped."""


Pruner = Annotated[
    AutoPruner
    | NoPruner
    | MedianPruner
    | PercentilePruner
    | SuccessiveHalvingPruner
    | HyperbandPruner
    | PatientPruner
    | ThresholdPruner,
    Field(discriminator="kind"),
]


class FIFOScheduler(Settings):
    """A trial is trained to its end at once, unless the pruner stops it."""

    kind: Literal["fifo"]


class FreezeThawScheduler(Settings):
    """A trial is the beginning of a full training, which is paused and resumed as it pays.

    After each validation, a worker continues the training that promises the most for the best
    final BLEU in its time, or starts a new one (Swersky et al. 2014). `training.max_steps` is the
    length of the full training. Nothing is pruned: a trial that promises little stays paused.
    """

    kind: Literal["freeze_thaw"]
    finish: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4
    """Share of `budget.hours` that is kept to train the best to an end: its cool-down is then
    brought forward so that it fits."""


Scheduler = Annotated[FIFOScheduler | FreezeThawScheduler, Field(discriminator="kind")]


class Budget(Settings):
    """When a study is over."""

    trials: Annotated[int, Field(ge=1)] = 20
    """Trials of the whole study: trained to their end, pruned or failed."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Hours of wall time of one call of ``search``; the trials that then run are paused. The
    sampler `auto` then prefers short trainings that promise as much."""
    until: Literal["spent", "worthwhile"] = "spent"
    """`spent` uses all of it. `worthwhile` ends the search before, once the scheduler `freeze_thaw`
    expects less than 0.05 BLEU of what it would do for the cost of another full training."""


class Confirm(Settings):
    """The last round of a study: its best configurations are trained again with fresh seeds.

    The best of many trials is flattered by having been chosen; what fresh seeds say of it is not.
    These trainings are not pruned, and neither the budget of trials nor the sampler counts them.
    """

    top: Annotated[int, Field(ge=1)] = 3
    """Configurations that are trained again, the best by BLEU."""
    seeds: Annotated[int, Field(ge=2)] = 3
    """Trainings of each, each with a seed of its own."""


class StudyConfig(Settings):
    """A study file."""

    name: StudyName
    """Name of the study in Optuna and of its experiment in MLflow: 1 to 100 of the characters A-Z,
    a-z, 0-9, `.`, `_` and `-`, the first a letter or a digit, and not `.confirm` at the end."""
    space: FilePath
    """File of the search space; a relative path starts at the folder of the study file."""
    corpus: Corpus
    """The parallel text."""
    scoring: ScoringConfig = ScoringConfig()
    """How translations are scored."""
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, strict=False)] = ("bleu",)
    """What is optimised; the first decides which checkpoint of a trial is kept."""
    constraints: dict[Limit, Annotated[float, Field(gt=0)]] = Field(default={})
    """Upper limits that are checked before a trial trains: floating-point operations of training
    for each target token, estimated peak memory in MB, parameters, latency in milliseconds."""
    fixed: dict[str, Any] = Field(default={})
    """Settings by dotted path that differ from their defaults and are not searched."""
    full_training: dict[str, Any] = Field(default={})
    """Settings by dotted path that an export takes in place of its trial's: trials are short so
    that there can be many, and the final training is as long as it pays."""
    start_with: tuple[dict[str, Scalar], ...] = Field(default=(), strict=False)
    """Configurations by dotted path that are tried first; what they leave out is sampled."""
    start_with_base: bool = True
    """Whether the paper's base model, brought into the space, is the very first trial."""
    sampler: Sampler = AutoSampler(kind="auto")
    """How the next configuration is proposed."""
    pruner: Pruner = AutoPruner(kind="auto")
    """Which trials are stopped early; with several objectives `auto` alone can tell."""
    scheduler: Scheduler = FIFOScheduler(kind="fifo")
    """Which trial a free worker trains, and for how long."""
    budget: Budget = Budget()
    """When the study is over."""
    confirm: Confirm | None = None
    """How the winner is confirmed once the trials of the budget have ended; not at all if none."""
    seed: Seed = 1
    """Seed of the sampler; the seed of a trial comes from it and from the trial's number."""

    @field_validator("objectives")
    @classmethod
    def _objectives_fit(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(objectives)) < len(objectives):
            raise ValueError(f"{list(objectives)} repeats an objective. List each once.")
        if objectives[0] != "bleu":
            raise ValueError(
                f"the first is {objectives[0]}, which no checkpoint can be chosen by. "
                "Put bleu first."
            )
        return objectives

    @model_validator(mode="after")
    def _fits_several_objectives(self) -> "StudyConfig":
        number = len(self.objectives)
        if number == 1:
            return self
        if self.confirm is not None:
            raise MisfitError(
                f"confirm finds one winner by BLEU, but there are {number} "
                "objectives. Leave confirm out, or search for bleu alone.",
                "confirm",
            )
        if self.sampler.kind == "cmaes":
            raise MisfitError(
                f"sampler.kind = cmaes serves one objective, not {number}. Use tpe, gp or nsgaii.",
                "sampler.kind",
            )
        if self.pruner.kind not in ("auto", "none"):
            raise MisfitError(
                f"pruner.kind = {self.pruner.kind} compares trials by one number, but there are "
                f"{number} objectives. Use pruner: {{kind: auto}} or {{kind: none}}.",
                "pruner.kind",
            )
        return self

    @model_validator(mode="after")
    def _fits_the_scheduler(self) -> "StudyConfig":
        if self.scheduler.kind == "fifo":
            if self.budget.until == "worthwhile":
                raise MisfitError(
                    "budget.until = worthwhile needs what the scheduler freeze_thaw expects, and "
                    "scheduler.kind = fifo. Use scheduler: {kind: freeze_thaw}, or until: spent.",
                    "budget.until",
                )
            return self
        if len(self.objectives) > 1:
            raise MisfitError(
                f"scheduler.kind = freeze_thaw serves one objective, not {len(self.objectives)}. "
                "Use scheduler: {kind: fifo}, or search for bleu alone.",
                "scheduler.kind",
            )
        if self.sampler.kind != "auto":
            raise MisfitError(
                f"scheduler.kind = freeze_thaw needs what the sampler auto predicts, and "
                f"sampler.kind = {self.sampler.kind}. Use sampler: {{kind: auto}}, or scheduler: "
                "{kind: fifo}.",
                "sampler.kind",
            )
        return self


@dataclass(frozen=True)
class Study:
    """The two files of a study, proved legal."""

    config: StudyConfig
    space: Space

    def values(self, name: str) -> tuple[Any, ...]:
        """Returns the values that a setting takes in the study; of a range, the ends."""
        if name in self.space.domains:
            return self.space.domains[name].ends()
        return (self.config.fixed.get(name, default_settings()[name]),)

    def trial_config(self, params: Mapping[str, Any], seed: int) -> TrialConfig:
        """Returns the configuration of one trial: defaults, then fixed settings, then parameters.

        Parameters are the searched settings by dotted path.
        """
        settings = unflatten({**self.config.fixed, **params})
        given = self.config.model_dump(include={"corpus", "scoring"})
        return TrialConfig.model_validate({**given, "seed": seed, **settings})

    def full_config(self, params: Mapping[str, Any], seed: int) -> TrialConfig:
        """Returns the configuration of the final training with parameters and seed of a trial."""
        return self.trial_config({**params, **self.config.full_training}, seed)
