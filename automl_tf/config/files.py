"""The project's own kinds of files: studies with their spaces, and exports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from automl_tf.config.checking import unknown_key, validated
from automl_tf.config.corpus import Corpus, FilesCorpus, HubCorpus, SplitFiles
from automl_tf.config.reading import Document, Location, read_yaml
from automl_tf.config.settings import GROUPS, TrialConfig, setting_types
from automl_tf.config.space import Space
from automl_tf.config.space_file import check_setting, read_space
from automl_tf.config.study import Study, StudyConfig, default_settings
from automl_tf.errors import UserError


class Export(TrialConfig):
    """A training configuration with where it came from."""

    provenance: dict[str, Any] = Field(default={})
    """Study, trial, scores, versions: for people and for checks, not for the training."""

    def trial_config(self) -> TrialConfig:
        """The configuration alone."""
        return TrialConfig.model_construct(
            **{name: getattr(self, name) for name in TrialConfig.model_fields}
        )


def read_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Reads a study and its space and proves that every proposal will be legal.

    Args:
        path: The study file.
        overrides: ``KEY=VALUE`` words; a key of a setting's group is meant for ``fixed``.

    Raises:
        UserError: For any mistake in one of the two files.
    """
    document = _overridden(read_yaml(path), overrides, fixes_settings=True)
    config = validated(StudyConfig, document)
    config = config.model_copy(
        update={
            "space": _absolute(config.space, path),
            "corpus": _absolute_corpus(config.corpus, path),
        }
    )
    space, space_document = read_space(config.space)
    study = Study(config, space)
    _check_fixed(study, document)
    _check_start_with(study, document)
    _check_pruner(study, document)
    _prove(study, space_document, document)
    _check_full_training(study, document)
    return study


def read_export(path: Path, overrides: Sequence[str] = ()) -> Export:
    """Reads an export.

    Args:
        path: The export file.
        overrides: ``KEY=VALUE`` words.

    Raises:
        UserError: For any mistake in the file.
    """
    document = _overridden(read_yaml(path), overrides)
    export = validated(Export, document)
    return export.model_copy(update={"corpus": _absolute_corpus(export.corpus, path)})


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


def _absolute(path: Path, beside: Path) -> Path:
    return (beside.absolute().parent / path.expanduser()).resolve()


def _absolute_corpus(corpus: Corpus, beside: Path) -> Corpus:
    if isinstance(corpus, FilesCorpus):
        splits = {
            name: _absolute_split(getattr(corpus, name), beside)
            for name in ("train", "validation", "test")
        }
        return corpus.model_copy(update=splits)
    if isinstance(corpus, HubCorpus) and _absolute(Path(corpus.name), beside).is_dir():
        return corpus.model_copy(update={"name": str(_absolute(Path(corpus.name), beside))})
    return corpus


def _absolute_split(split: SplitFiles | None, beside: Path) -> SplitFiles | None:
    if split is None:
        return None
    paths = {name: path for name, path in split if path is not None}
    return split.model_copy(update={name: _absolute(path, beside) for name, path in paths.items()})


def _check_fixed(study: Study, document: Document) -> None:
    known = setting_types()
    for name, value in study.config.fixed.items():
        place = document.place(("fixed", name))
        if name not in known:
            raise unknown_key(name, known, place)
        if name in study.space.domains:
            raise UserError(
                f"{name} is both fixed and searched.",
                f"Drop it from fixed, or from the space {study.config.space}.",
                place,
            )
        check_setting(name, value, place)


def _check_full_training(study: Study, document: Document) -> None:
    known, full = setting_types(), study.config.full_training
    for name, value in full.items():
        place = document.place(("full_training", name))
        if name not in known:
            raise unknown_key(name, known, place)
        check_setting(name, value, place)
    searched = {name: domain for name, domain in study.space.domains.items() if name not in full}
    violation = Space(searched).illegal_combination(
        {**default_settings(), **study.config.fixed, **full}
    )
    if violation is not None:
        places: list[Location] = [("full_training", name) for name in violation.rule.reads]
        raise UserError(violation.what, violation.rule.remedy, document.place_of_any(places))


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
            if not study.space.contains(name, value):
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
    searched: list[Location] = [
        (name,) for name in violation.rule.reads if name in study.space.domains
    ]
    fixed: list[Location] = [("fixed", name) for name in violation.rule.reads]
    place = (
        space_document.place_of_any(searched) if searched else study_document.place_of_any(fixed)
    )
    raise UserError(violation.what, violation.rule.remedy, place)
