"""Attributes of studies and trials in the Optuna storage: one owner of their names and types.

Everything that happened in a study is in its storage. Attributes of a trial describe its present
attempt; `ATTEMPTS` keeps a summary of the earlier ones.
"""

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter

from automl_tf.config.space import Domain, Space
from automl_tf.config.study import Study, StudyConfig
from automl_tf.errors import Place, UserError
from automl_tf.scoring.sentences import Merit, SentenceStatistics
from automl_tf.scoring.tokenizers import former_tokenizer, with_tokenizer
from automl_tf.versions import versions

SCHEMA = 2
"""Version of the attributes below. Version 1 had studies without an identifier."""

# Attributes of a study.
STUDY_ID = "study_id"
SCHEMA_VERSION = "schema_version"
WRITTEN_BY = "automl_tf_version"
DEFINITION = "definition"
TRACKING = "mlflow"
NUM_PAIRS = "num_pairs"
LANGUAGES = "languages"
PRECISION = "precision"
"""Arithmetic of the trials whose ``training.precision`` is ``auto``, resolved once for all."""
CONFIRMED_STUDY = "confirmed_study"
"""Of a study of confirmations: identifier of the study whose best configurations it repeats."""

# Attributes of a trial.
ORIGIN = "origin"
OWNER = "owner"
WORKER = "worker"
LOSSES = "losses"
IO_ERRORS = "io_errors"
ATTEMPT = "attempt"
ATTEMPTS = "attempts"
PROGRESS = "progress"
REASON = "reason"
FAILURE = "failure"
VALIDATIONS = "validations"
NUM_PARAMETERS = "num_parameters"
FLOPS_PER_TOKEN = "flops_per_token"  # noqa: S105 - a token of text
ESTIMATED_MEMORY = "estimated_memory_mb"
SEED = "seed"
SECONDS = "seconds"
RUN_ID = "mlflow_run_id"
INFEASIBLE = "infeasible"
BEST_STEP = "best_step"
SAMPLES = "samples"
ENVIRONMENT = "environment"
"""Of a trial: versions and git commit of the program, the device, and its arithmetic."""
LATENCY = "latency"
SMALLER_BATCHES = "smaller_batches"
MAX_STEPS = "max_steps"
"""Length to which the scheduler has shortened a training, instead of `training.max_steps`."""
SENTENCES = "sentences"
BEST_SENTENCES = "best_sentences"
FORECAST = "forecast"
STOP = "stop"
"""Of a trial: a person has asked to stop it."""
CONFIRMS = "confirms"
"""Of a trial of a study of confirmations: number of the trial that it repeats."""
OF_ATTEMPT = (VALIDATIONS, SENTENCES, BEST_SENTENCES, SAMPLES, PROGRESS)
"""Attributes that a new attempt begins without."""

REFUSED = (
    *("corpus", "fingerprint", "space", "scoring", "objectives", "constraints", "fixed", "seed"),
)
"""Parts of a definition that cannot change while a study lives: trials would not compare."""

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
"""States as ``show --json`` spells them."""


class Origin(enum.StrEnum):
    """Sources of a configuration."""

    BASE = "base"
    """The paper's base model, brought into the space."""
    GIVEN = "given"
    """``start_with`` of the study file."""
    SAMPLER = "sampler"
    CONFIRMATION = "confirmation"


class FailureKind(enum.StrEnum):
    """Causes of a failed trial."""

    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    INVALID = "invalid"
    """The settings cannot be trained on this corpus: a vocabulary that is too large for it."""
    WORKER_LOST = "worker_lost"
    IO_ERROR = "io_error"
    ERROR = "error"
    """An unexpected exception."""

    @property
    def is_of_settings(self) -> bool:
        """Whether the settings are to blame: the same settings would fail again."""
        return self in (FailureKind.DIVERGED, FailureKind.OUT_OF_MEMORY, FailureKind.INVALID)

    @property
    def costs_budget(self) -> bool:
        """Whether the trial counts against the budget: not where machines or disks failed."""
        return self not in (FailureKind.WORKER_LOST, FailureKind.IO_ERROR)


@dataclass(frozen=True)
class StudyRecord:
    """A study as the storage keeps it.

    Attributes:
        config: The study file.
        space: The space file.
        fingerprint: Content hash of the corpus.
        precision: Arithmetic of the trials whose setting is ``auto``; None until a machine that
            trains has resolved it. It is no part of the definition.
    """

    config: StudyConfig
    space: Space
    fingerprint: str
    precision: Literal["fp32", "bf16"] | None = None

    @property
    def study(self) -> Study:
        """The study and its space."""
        return Study(self.config, self.space)

    def settled(self, study: optuna.Study | None = None) -> "StudyRecord":
        """The same with a named tokenizer for BLEU, so that all trials are scored alike.

        If the file names none, it is that of the study, or of the target language in a new one.
        """
        own = None if study is None else read_record(study).config.scoring.tokenize
        return dataclasses.replace(self, config=with_tokenizer(self.config, own))

    def to_json(self) -> dict[str, Any]:
        """The definition in plain values."""
        domains = {
            name: domain.model_dump(mode="json") for name, domain in self.space.domains.items()
        }
        return {
            **self.config.model_dump(mode="json", exclude={"space"}),
            "space": domains,
            "space_file": str(self.config.space),
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StudyRecord":
        """The definition that ``to_json`` wrote."""
        settings = {**data, "space": data["space_file"], "scoring": _scoring(data)}
        config = StudyConfig.model_validate(
            {name: settings[name] for name in StudyConfig.model_fields if name in settings}
        )
        adapter: TypeAdapter[Domain] = TypeAdapter(Domain)
        domains = {name: adapter.validate_python(body) for name, body in data["space"].items()}
        return cls(config, Space(domains), data["fingerprint"])


def describe_unreadable(name: str, attributes: Mapping[str, Any]) -> str | None:
    """Returns why this version cannot read a study of such user attributes; None if it can."""
    definition, found = attributes.get(DEFINITION), attributes.get(SCHEMA_VERSION, 1)
    if not isinstance(definition, dict) or not isinstance(found, int):
        return f"{name} is an Optuna study of another program."
    if found == SCHEMA:
        return (
            None
            if STUDY_ID in attributes and _is_definition(definition)
            else (f"{name} is an Optuna study of another program, or its attributes are damaged.")
        )
    writer = attributes.get(WRITTEN_BY, "0.1.0")  # the one that wrote no versions
    return (
        f"The study {name} was written by automl-tf {writer} (schema {found}); this version "
        f"reads schema {SCHEMA}."
    )


def _is_definition(data: Mapping[str, Any]) -> bool:
    try:
        StudyRecord.from_json(data)
    except (UserError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def check_readable(study: optuna.Study) -> None:
    """Refuses a study that this version cannot read. Nothing of it is changed.

    Raises:
        UserError: If another program or another version wrote it.
    """
    problem = describe_unreadable(study.study_name, study.user_attrs)
    if problem is not None:
        raise UserError(
            problem,
            "Use the version that wrote it, or give your study another name or another --storage.",
            Place(key="name"),
        )


def read_record(study: optuna.Study) -> StudyRecord:
    """Returns the definition of a study.

    Raises:
        UserError: If another program or another version wrote it.
    """
    check_readable(study)
    attributes = study.user_attrs
    record = StudyRecord.from_json(attributes[DEFINITION])
    return dataclasses.replace(record, precision=attributes.get(PRECISION))


def write_identity(study: optuna.Study, study_id: str) -> None:
    """Marks a new study as one of ours."""
    study.set_user_attr(STUDY_ID, study_id)
    study.set_user_attr(SCHEMA_VERSION, SCHEMA)
    study.set_user_attr(WRITTEN_BY, versions()["automl-tf"])


def trial_seed(study_seed: int, number: int) -> int:
    """Returns the seed of a trial, from its study's seed and its number."""
    return (study_seed * 100_003 + number) % 2**32


def study_id_of(study: optuna.Study) -> str:
    """Returns the UUID of a study."""
    return str(study.user_attrs[STUDY_ID])


def check_compatible(study: optuna.Study, definition: StudyRecord) -> None:
    """Refuses to resume a study under another definition.

    Raises:
        UserError: With the first setting that differs.
    """
    check_readable(study)
    before = _comparable(study.user_attrs[DEFINITION])
    now = _comparable(json.loads(json.dumps(definition.settled(study).to_json())))
    for part in REFUSED:
        if before[part] != now[part]:
            name, old, new = _first_difference(part, before[part], now[part])
            raise UserError(
                f"The study {study.study_name} exists with another {part}: {name} was "
                f"{_short(old)} and is now {_short(new)}.",
                "Undo the change, or give the study another name.",
                Place(key=part),
            )


def _comparable(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition without what trials compare across: files' places and the devices.

    The content of the files is what the fingerprint knows.
    """
    places = ("train", "validation", "test") if definition["corpus"]["kind"] == "files" else ()
    corpus = {key: value for key, value in definition["corpus"].items() if key not in places}
    settings = definition["fixed"].items()
    fixed = {name: value for name, value in settings if not name.startswith("trainer.")}
    return {**definition, "corpus": corpus, "fixed": fixed, "scoring": _scoring(definition)}


def _scoring(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of scoring; earlier versions recorded none."""
    former = {"tokenize": former_tokenizer(definition["corpus"]["target_lang"])}
    return dict(definition.get("scoring", former))


def validations(trial: optuna.Trial | FrozenTrial) -> dict[int, dict[str, float]]:
    """The scores of each validation of a trial by optimizer step."""
    return {int(step): scores for step, scores in trial.user_attrs.get(VALIDATIONS, {}).items()}


def num_validated(trial: optuna.Trial | FrozenTrial) -> dict[int, int]:
    """The sentences of each validation of a trial by optimizer step; 0 where it is not known."""
    return {step: int(scores.get("sentences", 0)) for step, scores in validations(trial).items()}


def best_merit(trial: optuna.Trial | FrozenTrial) -> Merit | None:
    """The best of a trial's validations so far."""
    sizes = num_validated(trial)
    found = [Merit(sizes[step], scores["bleu"]) for step, scores in validations(trial).items()]
    return max(found, default=None)


def best_bleu(trial: optuna.Trial | FrozenTrial) -> float | None:
    """The BLEU of the best of a trial's validations so far."""
    merit = best_merit(trial)
    return None if merit is None else merit.bleu


def comparable(trial: FrozenTrial) -> dict[int, float]:
    """What a trial has reported of validations over as many sentences as the last one."""
    sizes = num_validated(trial)
    last = max(trial.intermediate_values, default=0)
    return {
        step: bleu
        for step, bleu in trial.intermediate_values.items()
        if sizes.get(step, 0) == sizes.get(last, 0)
    }


def sentences_at(trial: FrozenTrial, step: int) -> SentenceStatistics | None:
    """What the BLEU of a validation was made of, or None where it was not kept."""
    text = trial.user_attrs.get(SENTENCES, {}).get(str(step))
    return None if text is None else SentenceStatistics.from_text(text)


def best_sentences(trial: FrozenTrial) -> SentenceStatistics | None:
    """What the BLEU of a trial's kept weights is made of, or None if it was not trained whole."""
    text = trial.user_attrs.get(BEST_SENTENCES)
    return None if text is None else SentenceStatistics.from_text(text)


@dataclass(frozen=True)
class StoppedForecast:
    """Median and 95th percentile of the final BLEU forecast for a trial that the pruner stopped."""

    median: float
    p95: float


def note_forecast(trial: optuna.Trial, expected: StoppedForecast) -> None:
    """Records the forecast of a trial that is stopped, for the sampler."""
    trial.set_user_attr(FORECAST, dataclasses.asdict(expected))


def forecast_at_stop(trial: FrozenTrial) -> StoppedForecast | None:
    """Returns the forecast of a trial that the pruner stopped, or None if there is none."""
    note = trial.user_attrs.get(FORECAST)
    return None if note is None else StoppedForecast(**note)


def failure_kind(trial: optuna.Trial | FrozenTrial) -> FailureKind | None:
    """The cause of a failed trial, or None if it did not fail."""
    kind = trial.user_attrs.get(FAILURE)
    return None if kind is None else FailureKind(kind)


def settings_of(trial: optuna.Trial | FrozenTrial) -> dict[str, Any]:
    """What a trial is trained with, by dotted path: its parameters, or smaller batches.

    A training that the scheduler has shortened has its length, too.
    """
    length = trial.user_attrs.get(MAX_STEPS)
    shortened = {} if length is None else {"training.max_steps": length}
    return {**trial.params, **trial.user_attrs.get(SMALLER_BATCHES, {}), **shortened}


def known_failures(trials: Sequence[FrozenTrial]) -> dict[int, dict[str, Any]]:
    """Returns the parameters of the trials that would fail again, by number."""
    return {
        trial.number: trial.params
        for trial in trials
        if (kind := failure_kind(trial)) is not None and kind.is_of_settings
    }


def is_feasible(trial: optuna.Trial | FrozenTrial) -> bool:
    """Returns False for a trial that was not trained because it broke a constraint."""
    return not trial.user_attrs.get(INFEASIBLE, False)


def is_paused(trial: FrozenTrial) -> bool:
    """Returns True for a waiting trial that has been trained and will resume."""
    return trial.state == TrialState.WAITING and bool(trial.user_attrs.get(ATTEMPT))


def _first_difference(name: str, old: Any, new: Any) -> tuple[str, Any, Any]:  # noqa: ANN401
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key):
                return _first_difference(f"{name}.{key}", old.get(key), new.get(key))
    return name, old, new


def _short(value: Any) -> str:  # noqa: ANN401
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - one line of a terminal
