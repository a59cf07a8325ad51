"""The study in sentences: what was searched, what won, and what to type next."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from automl_tf.config.corpus import Corpus, FilesCorpus, HubCorpus, SplitFiles, SyntheticCorpus
from automl_tf.config.study import Confirm
from automl_tf.search.confirming.words import confirmation_words
from automl_tf.search.report.effort import cost
from automl_tf.search.report.gain import against_base, against_next, interval, over_base
from automl_tf.search.report.material import Material
from automl_tf.search.report.words import (
    OBJECTIVES,
    count,
    domain,
    duration,
    hours,
    listed,
    objective,
    parameters,
    setting,
    strategy,
)
from automl_tf.search.study_view import TrialRow
from automl_tf.tracking.home import redacted

TRUST = (
    "Each score is that of one training, on the validation split that also chose the winner: the "
    "best of many trials is flattered by that choice, so expect a little less on new text. The "
    "final training scores the test split."
)


@dataclass(frozen=True)
class SearchedSetting:
    """A row of the table of what was searched: all as a person reads it."""

    name: str
    domain: str
    base: str
    best: str


def tiles(material: Material) -> list[tuple[str, str]]:
    """The figures that a person looks for first, with what they are."""
    counts, winner, spent = material.board.counts, material.winner, cost(material)
    ended = f"{counts['complete']} complete, {counts['pruned']} pruned, {counts['failed']} failed"
    open_ones = [f"{counts[state]} {state}" for state in ("running", "waiting") if counts[state]]
    words = f"trials: {', '.join([ended, *open_ones])}"
    found = [(str(len(material.board.trials)), words)]
    if winner is not None and winner.values:
        found.insert(0, _best_tile(material, winner, winner.values[0]))
    gain = over_base(material)
    if gain is not None:
        words = f"BLEU over the base configuration{interval(gain)}"
        found.insert(1, (f"{gain.bleu:+.2f}", words))
    if spent.trained:
        found.append((duration(spent.trained), "of training, all trials together"))
    if spent.saved:
        found.append((f"≈ {duration(spent.saved)}", "saved by pruning"))
    return found


def _best_tile(material: Material, winner: TrialRow, bleu: float) -> tuple[str, str]:
    """The BLEU of the winner: that of its fresh seeds where there are some."""
    confirmation = material.board.confirmation
    confirmed = None if confirmation is None else confirmation.winner
    if confirmed is None or confirmed.mean is None:
        return f"{bleu:.2f}", f"best validation BLEU, trial\u00a0{winner.number}"
    words = f"validation BLEU of trial\u00a0{winner.number}, mean of {len(confirmed.bleus)} seeds"
    return f"{confirmed.mean.bleu:.2f}", words


def verdict(material: Material) -> list[str]:
    """What won, by how much, and how far to trust it."""
    if not material.board.trials:
        return ["The study has no trials yet."]
    winner = material.winner
    if winner is None:
        return [
            "No trial is complete yet, so there is no winner.",
            *_ahead(material),
            *_still_open(material),
        ]
    reached = listed(
        [
            f"{OBJECTIVES[name]} {objective(name, value)}"
            for (name, _), value in zip(material.board.objectives, winner.values or [], strict=True)
        ]
    )
    names = [name for name, _ in material.board.objectives]
    size = f", with {parameters(winner.num_parameters)} parameters"
    if "num_parameters" in names:
        size = ""
    step = "" if winner.best_step is None else f" (weights of step {winner.best_step:,})"
    place = "is the best" if len(names) == 1 else "has the highest BLEU"
    among = f"{place} of {len(material.complete)} complete trials"
    if len(material.complete) == 1:
        among = "is the only complete trial"
    confirmation = material.board.confirmation
    is_confirmed = confirmation is not None and confirmation.winner is not None
    if is_confirmed:
        among = f"is the best with fresh seeds, of {len(material.complete)} complete trials"
    return [
        f"Trial {winner.number} {among}: validation {reached}{step}{size}.",
        *_front(material),
        *against_base(material, winner),
        # Fresh seeds say more of both.
        *([] if is_confirmed else [*against_next(material, winner), TRUST]),
        *([] if confirmation is None else confirmation_words(confirmation)),
        *_still_open(material),
    ]


def _ahead(material: Material) -> Iterator[str]:
    """Who is ahead while nobody has won."""
    first = material.furthest
    if first is not None:
        step = max(first.intermediate, key=first.merit)
        reached = f"validation BLEU {first.best_bleu:.2f} at step {step:,}"
        yield f"The furthest so far is trial {first.number} ({first.state}): {reached}."


def _front(material: Material) -> Iterator[str]:
    if len(material.board.objectives) > 1:
        numbers = [str(number) for number in material.board.best]
        noun = "trial" if len(numbers) == 1 else "trials"
        yield f"The Pareto front of all objectives holds {noun} {listed(numbers)}."


def _still_open(material: Material) -> Iterator[str]:
    if not material.is_over:
        budget = count(material.definition.config.budget.trials, "trial")
        yield f"The budget of {budget} is not spent: this is how the study stands, not its end."


def circumstances(material: Material) -> list[tuple[str, str]]:
    """On what, by which strategy and for how long was searched."""
    config = material.definition.config
    limits = [
        f"{OBJECTIVES[name]} at most {objective(name, limit)}"
        for name, limit in config.constraints.items()
    ]
    time = "" if config.budget.hours is None else f", {hours(config.budget.hours)} a call"
    fixed = [f"{name} = {setting(value)}" for name, value in config.fixed.items()]
    rows = [
        ("Corpus", corpus_words(config.corpus)),
        (
            "Objectives",
            listed([f"{OBJECTIVES[name]} ({way})" for name, way in material.board.objectives]),
        ),
        ("Constraints", listed(limits)),
        ("Fixed", ", ".join(fixed)),
        ("Sampler", strategy(config.sampler)),
        ("Pruner", strategy(config.pruner)),
        ("Budget", f"{count(config.budget.trials, 'trial')}{time}"),
        ("Confirmation", _confirm_words(config.confirm)),
        ("Seed", str(config.seed)),
        ("Corpus fingerprint", material.definition.fingerprint[:16]),
        ("MLflow", redacted(material.board.mlflow["tracking_uri"] or "")),
    ]
    return [(name, words) for name, words in rows if words]


def _confirm_words(asked: Confirm | None) -> str:
    if asked is None:
        return ""
    return f"{count(asked.top, 'configuration')}, the best, with {asked.seeds} fresh seeds each"


def corpus_words(corpus: Corpus) -> str:
    """The corpus in a line."""
    languages = f"{corpus.source_lang} to {corpus.target_lang}"
    match corpus:
        case SyntheticCorpus():
            return (
                f"the built-in grammar, {languages}: {corpus.train_pairs:,} pairs to train on, "
                f"{corpus.validation_pairs:,} to validate on, {corpus.test_pairs:,} to test on"
            )
        case FilesCorpus():
            splits = [
                f"{name} {_files(split)}"
                for name, split in (
                    ("train", corpus.train),
                    ("validation", corpus.validation),
                    ("test", corpus.test),
                )
                if split is not None
            ]
            return f"files, {languages}: {'; '.join(splits)}"
        case HubCorpus():
            parts = [corpus.name, corpus.subset, corpus.revision]
            return (
                f"{' '.join(part for part in parts if part)} of the Hugging Face Hub, {languages}"
            )


def _files(split: SplitFiles) -> str:
    return listed([path.name for path in (split.source, split.target, split.table) if path])


def searched_settings(material: Material) -> list[SearchedSetting]:
    """Every searched setting with its domain, and what base and winner have there."""
    base, winner = material.base, material.winner
    return [
        SearchedSetting(
            name,
            domain(values),
            setting(base.params.get(name, "")) if base else "",
            setting(winner.params.get(name, "")) if winner else "",
        )
        for name, values in material.domains.items()
    ]


def commands(material: Material, home: Path) -> list[tuple[str, str]]:
    """What to type next, and what it does."""
    name = material.board.study
    option = "" if home == Path("runs").absolute() else f" --home {shlex.quote(str(home))}"
    go_on = (f"automl-tf search STUDY.yaml{option}", f"goes on with {name}, from its study file")
    look = (f"automl-tf ui --study {name}{option}", "every run with its curves, in the browser")
    if material.winner is None:
        return [go_on, (f"automl-tf show {name}{option}", "the leaderboard in the terminal"), look]
    rule = " --pick knee" if len(material.board.objectives) > 1 else ""
    what = "the bend of the Pareto front" if rule else f"trial {material.winner.number}"
    found = [
        (f"automl-tf export {name}{rule} -o best.yaml{option}", f"{what} as a file to train with"),
        (
            f"automl-tf train best.yaml -o model{option}",
            "the full training, scored on the test split",
        ),
        ('echo "..." | automl-tf translate model', "a translation"),
        look,
    ]
    return found if material.is_over else [go_on, *found]
