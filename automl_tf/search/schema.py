"""What the storage knows of a study and its trials beside Optuna's own fields.

One owner for the names of attributes, so that writers and readers agree.
"""

import dataclasses
import enum
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from pydantic import TypeAdapter

from automl_tf.config.space import Domain, Space
from automl_tf.config.study import Study, StudyConfig
from automl_tf.errors import Place, UserError
from automl_tf.scoring.scores import Merit
from automl_tf.scoring.sentences import SentenceStatistics

DEFINITION = "definition"
TRACKING = "mlflow"
NUM_PAIRS = "num_pairs"
LANGUAGES = "languages"

REASON = "reason"
VALIDATIONS = "validations"
NUM_PARAMETERS = "num_parameters"
FLOPS_PER_TOKEN = "flops_per_token"  # noqa: S105 - a token of text
ESTIMATED_MEMORY = "estimated_memory_mb"
SEED = "seed"
SECONDS = "seconds"
RUN_ID = "mlflow_run_id"
WORKER = "worker"
INFEASIBLE = "infeasible"
BEST_STEP = "best_step"
LOST = "lost"
SAMPLES = "samples"
SMALLER_BATCHES = "smaller_batches"
HOPELESS = "hopeless"
SENTENCES = "sentences"
BEST_SENTENCES = "best_sentences"
OUTLOOK = "outlook"
CONFIRMS = "confirms"
FAILURE = "failure"


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


REFUSED = ("corpus", "fingerprint", "space", "objectives", "constraints", "fixed", "seed")
"""Parts of a definition that cannot change while a study lives: trials would not compare."""


@dataclass(frozen=True)
class StudyRecord:
    """What a study is, as the storage keeps it.

    Attributes:
        config: The study file.
        space: The space file.
        fingerprint: Content hash of the corpus.
    """

    config: StudyConfig
    space: Space
    fingerprint: str

    @property
    def study(self) -> Study:
        """The study and its space."""
        return Study(self.config, self.space)

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
        settings = {**data, "space": data["space_file"]}
        config = StudyConfig.model_validate(
            {name: settings[name] for name in StudyConfig.model_fields if name in settings}
        )
        adapter: TypeAdapter[Domain] = TypeAdapter(Domain)
        domains = {name: adapter.validate_python(body) for name, body in data["space"].items()}
        return cls(config, Space(domains), data["fingerprint"])


def read_record(study: optuna.Study) -> StudyRecord:
    """The definition of a study in the storage."""
    return StudyRecord.from_json(study.user_attrs[DEFINITION])


def check_compatible(study: optuna.Study, definition: StudyRecord) -> None:
    """Refuses to go on with a study under another definition.

    Raises:
        UserError: With the first difference between what was and what is asked for.
    """
    before = _comparable(study.user_attrs[DEFINITION])
    now = _comparable(json.loads(json.dumps(definition.to_json())))
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
    fixed = {
        name: value
        for name, value in definition["fixed"].items()
        if not name.startswith("trainer.")
    }
    return {**definition, "corpus": corpus, "fixed": fixed}


def validations(trial: optuna.Trial | FrozenTrial) -> dict[int, dict[str, float]]:
    """The scores of each validation of a trial by optimizer step."""
    return {int(step): scores for step, scores in trial.user_attrs.get(VALIDATIONS, {}).items()}


def num_validated(trial: optuna.Trial | FrozenTrial) -> dict[int, int]:
    """The sentences of each validation of a trial by optimizer step; 0 where it is not known."""
    return {step: int(scores.get("sentences", 0)) for step, scores in validations(trial).items()}


def best_merit(trial: optuna.Trial | FrozenTrial) -> Merit | None:
    """The best of a trial's validations so far."""
    sizes = num_validated(trial)
    return max(
        (Merit(sizes[step], scores["bleu"]) for step, scores in validations(trial).items()),
        default=None,
    )


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
class StoppedFor:
    """What the pruner expected of a trial that it stopped.

    Attributes:
        words: The outlook in words.
        likely: The BLEU that the trial was expected to end with.
        hopeful: The BLEU that it was expected to exceed in one of twenty cases.
    """

    words: str
    likely: float
    hopeful: float


def note_outlook(study: optuna.Study, trial: FrozenTrial, stopped_for: StoppedFor) -> None:
    """Keeps with a trial what the pruner stops it for, as Optuna's pruners keep their notes."""
    note = dataclasses.asdict(stopped_for)
    study._storage.set_trial_system_attr(trial._trial_id, OUTLOOK, note)  # noqa: SLF001


def outlook_at_stop(trial: FrozenTrial) -> StoppedFor | None:
    """What the pruner expected of a trial that it stopped, if it noted anything."""
    note = trial.system_attrs.get(OUTLOOK)
    return None if note is None else StoppedFor(**{"hopeful": note["likely"], **note})


def failure_kind(trial: optuna.Trial | FrozenTrial) -> FailureKind | None:
    """The cause of a failed trial, or None if it did not fail."""
    kind = trial.user_attrs.get(FAILURE)
    return None if kind is None else FailureKind(kind)


def settings_of(trial: optuna.Trial | FrozenTrial) -> dict[str, Any]:
    """What a trial is trained with, by dotted path: its parameters, or smaller batches."""
    return {**trial.params, **trial.user_attrs.get(SMALLER_BATCHES, {})}


def confirms(trial: optuna.Trial | FrozenTrial) -> int | None:
    """The number of the trial that this one repeats with another seed, or None."""
    number: int | None = trial.user_attrs.get(CONFIRMS)
    return number


def confirming_words(trial: optuna.Trial | FrozenTrial) -> str | None:
    """What a trial that repeats another one is for, or None."""
    number = confirms(trial)
    return None if number is None else f"confirms trial {number} with another seed"


def searched(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that belong to the search itself, without those that confirm others."""
    return [trial for trial in trials if confirms(trial) is None]


def hopeless(trials: Sequence[FrozenTrial]) -> dict[int, dict[str, Any]]:
    """The parameters of the trials that would fail again whoever tries them, by number."""
    return {trial.number: trial.params for trial in trials if trial.user_attrs.get(HOPELESS, False)}


def _first_difference(name: str, old: Any, new: Any) -> tuple[str, Any, Any]:  # noqa: ANN401
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if old.get(key) != new.get(key):
                return _first_difference(f"{name}.{key}", old.get(key), new.get(key))
    return name, old, new


def _short(value: Any) -> str:  # noqa: ANN401
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - one line of a terminal
