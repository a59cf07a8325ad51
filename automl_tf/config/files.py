"""The project's own kinds of files: studies with their spaces, and exports."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml.comments import CommentedMap
from typing_extensions import TypedDict

from automl_tf.config.base import Seed, StoredName
from automl_tf.config.presets import expand_preset
from automl_tf.config.rules import unknown_key, validate_document
from automl_tf.config.settings import GROUPS, TrialConfig, default_settings, setting_types
from automl_tf.config.space import Space, check_setting, read_space
from automl_tf.config.study import Study, StudyConfig
from automl_tf.config.yaml_io import Document, Location, dump_yaml, read_yaml
from automl_tf.errors import UserError

StudyId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
"""UUID of a study."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{4,64}$")]
"""Digest in hexadecimal digits."""
Number = Annotated[int, Field(ge=0)]


class Provenance(TypedDict, total=False):
    """Origin of an export, for people and for checks; the training does not depend on it.

    Parts of it name directories and MLflow runs. An export may come from anybody, so that these
    parts have types as strict as those of a study. Further keys are kept as they are.
    """

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")  # type: ignore[misc]

    study: StoredName
    study_id: StudyId
    trial: Number
    state: str
    objectives: dict[str, float]
    best_step: Number
    validation: dict[str, dict[str, float]]
    confirmed: dict[str, Any]
    num_parameters: Number
    study_seed: Seed
    corpus_fingerprint: Digest
    mlflow_run_id: str
    mlflow_tracking_uri: str
    versions: dict[str, str]
    git_commit: Digest


class Export(TrialConfig):
    """A training configuration with its origin."""

    provenance: Provenance = Field(default=Provenance())
    """Study, trial, scores and versions."""

    def trial_config(self) -> TrialConfig:
        """Returns the configuration without its provenance."""
        return TrialConfig.model_construct(
            **{name: getattr(self, name) for name in TrialConfig.model_fields}
        )


def read_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Reads a study and its space and proves that every proposal will be legal.

    Overrides are ``KEY=VALUE`` words; a key of a setting's group is meant for ``fixed``. What the
    preset of the study sets is fixed as well, but for what is searched.

    Raises:
        UserError: For any mistake in one of the two files.
    """
    document = _overridden(read_yaml(path), overrides, fixes_settings=True)
    config = validate_document(StudyConfig, expand_preset(document, "fixed"))
    space, space_document = read_space(config.space)
    document = expand_preset(document, "fixed", searched=space.domains)
    study = Study(validate_document(StudyConfig, document), space)
    _check_fixed(study, document)
    _check_start_with(study, document)
    _check_pruner(study, document)
    _check_scheduler(study, document)
    _prove(study, space_document, document)
    _check_full_training(study, document)
    return study


def read_export(path: Path, overrides: Sequence[str] = (), text: str | None = None) -> Export:
    """Reads an export, with overrides in the form ``KEY=VALUE``.

    Args:
        path: The file.
        overrides: Values that replace those of the file.
        text: What the file would hold, if it has not been written.

    Raises:
        UserError: For any mistake in the file.
    """
    return validate_document(Export, expand_preset(_overridden(read_yaml(path, text), overrides)))


def to_yaml(
    config: TrialConfig,
    notes: Mapping[str, str] | None = None,
    header: str = "",
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Returns a configuration as YAML, every setting with its value.

    Args:
        config: The configuration.
        notes: Comments by dotted path, put behind the value.
        header: Comment above everything.
        extra: Further top-level keys, after the settings.
    """
    notes = notes or {}
    tree = CommentedMap()
    tree["corpus"] = _mapping(config.corpus, "corpus", notes)
    for group in GROUPS:
        tree[group] = _mapping(getattr(config, group), group, notes)
    tree["scoring"] = _mapping(config.scoring, "scoring", notes)
    tree["seed"] = config.seed
    if "seed" in notes:
        tree.yaml_add_eol_comment(notes["seed"], "seed")
    tree.update(extra or {})
    if header:
        tree.yaml_set_start_comment(header)
    return dump_yaml(tree)


def _mapping(settings: BaseModel, prefix: str, notes: Mapping[str, str]) -> CommentedMap:
    given = settings.model_dump(mode="json", exclude_none=True)
    tree = CommentedMap()
    for name, field in type(settings).model_fields.items():
        # Reading puts the default where nothing is written: a null is left out only if it is one.
        if name in given or field.default is not None:
            tree[name] = given.get(name)
            if note := notes.get(f"{prefix}.{name}"):
                tree.yaml_add_eol_comment(note, name)
    return tree


def _overridden(
    document: Document, overrides: Sequence[str], *, fixes_settings: bool = False
) -> Document:
    for word in overrides:
        key, equals, _ = word.partition("=")
        path: Location = tuple(key.strip().split("."))
        if not equals or not all(path):
            raise UserError(
                f"--set {word} is not a key with a value.",
                "Write --set KEY=VALUE, as in --set training.max_steps=1000.",
            )
        if fixes_settings and path[0] in GROUPS:
            path = ("fixed", *path)
        if fixes_settings and len(path) > 1 and path[0] in ("fixed", "full_training"):
            # Dotted paths are the keys of these two, not groups inside them.
            path = (path[0], ".".join(str(part) for part in path[1:]))
        document = document.with_override(path, word)
    return document


def _check_fixed(study: Study, document: Document) -> None:
    for name, value in study.config.fixed.items():
        place = document.place(("fixed", name))
        check_setting(name, value, place)
        if name in study.space.domains:
            raise UserError(
                f"{name} is both fixed and searched.",
                f"Drop it from fixed, or from the space {study.config.space}.",
                place,
            )


def _check_full_training(study: Study, document: Document) -> None:
    full = study.config.full_training
    for name, value in full.items():
        check_setting(name, value, document.place(("full_training", name)))
    searched = {name: domain for name, domain in study.space.domains.items() if name not in full}
    violation = Space(searched).illegal_combination(
        {**default_settings(), **study.config.fixed, **full}
    )
    if violation is not None:
        place = document.place_of_any([("full_training", name) for name in violation.rule.reads])
        raise UserError(violation.what, violation.rule.remedy, place)


def _check_start_with(study: Study, document: Document) -> None:
    domains = study.space.domains
    for index, start in enumerate(study.config.start_with):
        for name, value in start.items():
            place = document.place(("start_with", index, name))
            if name not in setting_types():
                raise unknown_key(name, domains, place)
            if name not in domains:
                raise UserError(
                    f"{name} is not searched, so no trial can start with a value of its own.",
                    f"Drop it, or give it a domain in the space {study.config.space}.",
                    place,
                )
            if not domains[name].contains(value):
                raise UserError(
                    f"{name} = {value!r} is outside its domain, {domains[name]}.",
                    "Start with a value of the space, or widen the space.",
                    place,
                )


def _check_pruner(study: Study, document: Document) -> None:
    least = getattr(study.config.pruner, "min_steps", None)
    longest = max(study.values("training.max_steps"))
    if least is not None and least > longest:
        raise UserError(
            f"pruner.min_steps = {least} is above training.max_steps = {longest}.",
            "Lower it, or leave it out for the first validation.",
            document.place(("pruner", "min_steps")),
        )


def _check_scheduler(study: Study, document: Document) -> None:
    """Refuses what leaves a training no beginning that fits several lengths."""
    if study.config.scheduler.kind == "fifo":
        return
    place = document.place(("scheduler", "kind"))
    if "training.max_steps" in study.space.domains:
        raise UserError(
            "scheduler.kind = freeze_thaw finds the length of each training, and the space has "
            "training.max_steps.",
            "Fix training.max_steps at the length of the full training.",
            place,
        )
    fixed_horizons = [
        kind for kind in study.values("training.schedule") if kind in ("cosine", "linear")
    ]
    if fixed_horizons:
        raise UserError(
            f"scheduler.kind = freeze_thaw needs a schedule whose beginning fits every length, and "
            f"training.schedule = {fixed_horizons[0]} does not.",
            "Use training.schedule: constant or inverse_sqrt.",
            place,
        )


def _prove(study: Study, space_document: Document, study_document: Document) -> None:
    unproved = study.space.unproved_rule()
    if unproved is not None:
        names = [name for name in unproved.reads if name in study.space.domains]
        raise UserError(
            f"The space has too many combinations of {' and '.join(names)} to try each.",
            "Give ranges a larger step, or list choices.",
            space_document.place_of_any([(name,) for name in names]),
        )
    violation = study.space.illegal_combination({**default_settings(), **study.config.fixed})
    if violation is None:
        return
    reads = violation.rule.reads
    searched = [(name,) for name in reads if name in study.space.domains]
    if searched:
        place = space_document.place_of_any(searched)
    else:
        place = study_document.place_of_any([("fixed", name) for name in reads])
    raise UserError(violation.what, violation.rule.remedy, place)
