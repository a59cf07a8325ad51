"""The trials and some of their translations as tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_tf.search.report.material import Material
from automl_tf.search.report.words import OBJECTIVES, duration, objective, parameters, setting
from automl_tf.search.schema import SAMPLES
from automl_tf.search.study_view import TrialRow


@dataclass(frozen=True)
class TrialLine:
    """One trial of the table.

    Attributes:
        number: Its number.
        state: Its state.
        is_best: Whether it won, or stands on the Pareto front.
        values: A value for each objective; BLEU in brackets if the trial did not end.
        settings: A value for each searched setting.
        size: Size of its model.
        time: Time of training.
        reason: Why it ended before its time.
    """

    number: int
    state: str
    is_best: bool
    values: Sequence[str]
    settings: Sequence[str]
    size: str
    time: str
    reason: str


@dataclass(frozen=True)
class TrialTable:
    """All trials, the best first.

    Attributes:
        objectives: Headings of the values.
        settings: Headings of the settings.
        lines: The trials.
    """

    objectives: Sequence[str]
    settings: Sequence[str]
    lines: Sequence[TrialLine]


def trial_table(material: Material) -> TrialTable:
    """Every trial with what it tried, reached and took."""
    settings = list(material.domains)
    return TrialTable(
        objectives=[OBJECTIVES[name] for name, _ in material.board.objectives],
        settings=settings,
        lines=[_line(trial, settings, material) for trial in material.board.ranked()],
    )


def _line(trial: TrialRow, settings: Sequence[str], material: Material) -> TrialLine:
    names = [name for name, _ in material.board.objectives]
    best = "" if trial.best_bleu is None else f"({trial.best_bleu:.2f})"
    values = [best, *[""] * (len(names) - 1)]
    if trial.values:
        values = [objective(*pair) for pair in zip(names, trial.values, strict=True)]
    return TrialLine(
        number=trial.number,
        state=trial.state,
        is_best=trial.number in material.board.best,
        values=values,
        settings=[setting(trial.params.get(name, "")) for name in settings],
        size=parameters(trial.num_parameters),
        time=duration(trial.seconds) if trial.seconds else "",
        reason=trial.reason or "",
    )


@dataclass(frozen=True)
class Sample:
    """A sentence of the validation split and what became of it.

    Attributes:
        source: The sentence.
        reference: Its translation in the corpus.
        translations: Who translated it how, with the sentence BLEU.
    """

    source: str
    reference: str
    translations: Sequence[tuple[str, str, float]]


@dataclass(frozen=True)
class SampleTable:
    """Translations of the best trial, beside those of the base where it has some.

    Attributes:
        best: Number of the best trial.
        base: Number of the base, if its translations are shown.
        rows: The sentences.
    """

    best: int
    base: int | None
    rows: Sequence[Sample]


def sample_table(material: Material) -> SampleTable | None:
    """Translations that the best trial made at its best step, if any were kept."""
    best = material.winner or material.furthest
    kept = _kept(best, material)
    if best is None or not kept:
        return None
    base = None if material.base is best else material.base
    before = {row["source"]: row for row in _kept(base, material)}
    rows = []
    for row in kept:
        translated = [(f"trial {best.number}", row), ("base", before.get(row["source"]))]
        translations = [(who, one["hypothesis"], one["bleu"]) for who, one in translated if one]
        rows.append(Sample(row["source"], row["reference"], translations))
    return SampleTable(best.number, base.number if base and before else None, rows)


def _kept(trial: TrialRow | None, material: Material) -> list[dict[str, Any]]:
    if trial is None:
        return []
    rows: list[dict[str, Any]] = material.trials[trial.number].user_attrs.get(SAMPLES, [])
    return rows
