"""Text of the report: the result and what it gained, the search, its cost, the next commands."""

import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from automl_tf.config.base import Settings
from automl_tf.config.settings import Corpus, FilesCorpus, HubCorpus, SplitFiles, SyntheticCorpus
from automl_tf.formatting import (
    format_counts,
    format_duration,
    format_list,
    format_objective,
    format_plural,
    format_score,
    format_setting,
    format_size,
)
from automl_tf.redaction import redact_url
from automl_tf.scoring.sentences import Difference, paired_bootstrap
from automl_tf.search.confirmation import confirmation_words
from automl_tf.search.optuna_compat import fixed_params
from automl_tf.search.report.material import BASE_NAMES, OBJECTIVES, Material
from automl_tf.search.schema import Origin, best_sentences
from automl_tf.search.study_view import TrialView

TRUST: Final = (
    "Each score is that of one training, on the validation split that also chose the winner: the "
    "best of many trials is flattered by that choice, so expect a little less on new text. The "
    "final training scores the test split."
)
COVERS: Final = (
    "The interval covers the choice of sentences: it is a paired bootstrap over the {size:,} of "
    "the validation split (Koehn 2004). It covers neither another seed of the two trainings nor "
    "that the winner was chosen as the best of all trials on these very sentences."
)
NO_STATISTICS: Final = (
    "There is no confidence interval for that: the scores of single sentences were not kept when "
    "these trials were trained."
)


def tiles(material: Material) -> list[tuple[str, str]]:
    """Returns the main numbers, each with its meaning."""
    found, spent, winner = [], cost(material), material.winner
    confirmation = material.view.confirmation
    confirmed = None if confirmation is None else confirmation.winner
    if confirmed is not None and confirmed.mean is not None:
        words = f"trial\u00a0{confirmed.number}, mean of {len(confirmed.bleus)} seeds"
        found.append((f"{confirmed.mean.bleu:.2f}", f"validation BLEU of {words}"))
    elif winner is not None and winner.values:
        words = f"best validation BLEU, trial\u00a0{winner.number}"
        found.append((f"{winner.values[0]:.2f}", words))
    if (gain := over_base(material)) is not None:
        found.append((f"{gain.bleu:+.2f}", f"BLEU over the base configuration{_interval(gain)}"))
    states = format_counts(material.view.counts) or "none yet"
    found.append((str(len(material.view.trials)), f"trials: {states}"))
    if spent.trained:
        found.append((format_duration(spent.trained), "of training, all trials together"))
    if spent.saved:
        found.append((f"≈ {format_duration(spent.saved)}", "saved by pruning"))
    return found


def verdict(material: Material) -> list[str]:
    """Describes the winner, its gain and the limits of the claim, in sentences."""
    if not material.view.trials:
        return ["The study has no trials yet."]
    budget = format_plural(material.config.budget.trials, "trial")
    open_end = f"The budget of {budget} is not spent: this is how the study stands, not its end."
    ending = [] if material.is_over else [open_end]
    if (winner := material.winner) is None:
        return ["No trial is complete yet, so there is no winner.", *_ahead(material), *ending]
    confirmation = material.view.confirmation
    is_confirmed = confirmation is not None and confirmation.winner is not None
    return [
        *_best(material, winner, is_confirmed=is_confirmed),
        *_against_base(material, winner),
        # Fresh seeds say more of both.
        *([] if is_confirmed else [*_against_next(material, winner), TRUST]),
        *_against_waiting(material, winner),
        *([] if confirmation is None else confirmation_words(confirmation)),
        *ending,
    ]


def _best(material: Material, winner: TrialView, *, is_confirmed: bool) -> Iterator[str]:
    number, objectives = len(material.complete), material.config.objectives
    place = "is the best" if len(objectives) == 1 else "has the highest BLEU"
    among = f"{place}{' with fresh seeds,' if is_confirmed else ''} of {number} complete trials"
    if number == 1 and not is_confirmed:
        among = "is the only complete trial"
    step = "" if winner.best_step is None else f" (weights of step {winner.best_step:,})"
    size = ""
    if winner.num_parameters is not None and "num_parameters" not in objectives:
        size = f", with {format_size(winner.num_parameters)} parameters"
    reached = format_list(material.reached(winner))
    yield f"Trial {winner.number} {among}: validation {reached}{step}{size}."
    if len(objectives) > 1:
        numbers = [str(number) for number in material.view.best]
        noun = "trial" if len(numbers) == 1 else "trials"
        yield f"The Pareto front of all objectives holds {noun} {format_list(numbers)}."


def _ahead(material: Material) -> Iterator[str]:
    """Names the leading trial while none is complete."""
    first = material.view.incumbent
    if first is not None:
        step = max(first.intermediate, key=first.merit)
        reached = f"validation BLEU {first.best_bleu:.2f} at step {step:,}"
        yield f"The furthest so far is trial {first.number} ({first.state}): {reached}."


class Gain(NamedTuple):
    """Difference in BLEU, with the bootstrap over so many sentences where they were kept."""

    bleu: float
    sure: Difference | None
    size: int


def over_base(material: Material) -> Gain | None:
    """Returns the gain of the winner over the base, if both are complete."""
    base, winner = material.base, material.winner
    if base is None or winner is None or base is winner:
        return None
    return _gain(material, winner, base)


def _gain(material: Material, ours: TrialView, theirs: TrialView) -> Gain | None:
    if not (ours.values and theirs.values):
        return None
    bleu = ours.values[0] - theirs.values[0]
    first, second = (best_sentences(material.trials[trial.number]) for trial in (ours, theirs))
    if first is None or second is None:
        return Gain(bleu, None, 0)
    return Gain(bleu, paired_bootstrap(first, second), len(first))


def _interval(gain: Gain, of: str = "") -> str:
    """Formats the interval, as in `` (95 % interval 1.20 to 3.45)``; nothing without one."""
    if gain.sure is None:
        return ""
    return f" (95 % interval {of}{format_score(gain.sure.low)} to {format_score(gain.sure.high)})"


def _against_base(material: Material, winner: TrialView) -> Iterator[str]:
    """Compares the winner with the base, in sentences."""
    base = material.base
    if base is None:
        yield "The study starts with no given configuration that it could be compared with."
        return
    name = f"{BASE_NAMES[base.origin or Origin.BASE]} (trial {base.number})"
    if base is winner:
        yield f"It is {name}: nothing that was tried is better."
    elif (gain := over_base(material)) is not None and base.values:
        yield (
            f"That is {gain.bleu:.2f} BLEU above {name}, which reached "
            f"{base.values[0]:.2f}{_interval(gain, 'of the gain ')}."
        )
        if gain.sure is not None and gain.sure.low <= 0:
            yield "It holds zero: on other sentences the base might be as good."
        yield NO_STATISTICS if gain.sure is None else COVERS.format(size=gain.size)
    else:
        yield f"{name[0].upper()}{name[1:]} {_no_score(base, winner)}"
    # The settings that were given for the base; the sampler drew the others.
    drawn = sorted(set(material.domains) - set(fixed_params(material.trials[base.number])))
    if drawn:
        yield f"That configuration leaves {format_list(drawn)} open: there the sampler drew."


def _no_score(base: TrialView, winner: TrialView) -> str:
    """Explains why there is no score to compare with."""
    at = base.last_step
    if base.state == "pruned" and at is not None:
        is_same = winner.sentences.get(at) == base.sentences.get(at)
        there = winner.intermediate.get(at) if is_same else None
        same = "" if there is None else f" (the best trial had {there:.2f} there)"
        return (
            f"was pruned at step {at:,} with BLEU {base.intermediate[at]:.2f}{same}. It was not "
            "trained to its end, so what was gained over it is not known."
        )
    if base.has_ended:
        return f"gave no score to compare with: {base.reason or base.state}."
    return "has not ended yet."


def _against_waiting(material: Material, winner: TrialView) -> Iterator[str]:
    """Compares the winner with the forecast of the most promising trial that waits."""
    waiting = [
        (trial.forecast, trial)
        for trial in material.view.trials
        if trial.is_paused and trial.forecast is not None
    ]
    if not waiting or winner.best_bleu is None:
        return
    forecast, trial = max(waiting, key=lambda pair: pair[0].p95)
    place = "below" if forecast.p95 < winner.best_bleu else "not below"
    yield (
        f"Of the trials that wait, {trial.number} promises most: it is expected to end at BLEU "
        f"{format_score(forecast.median)}, in one case of twenty above "
        f"{format_score(forecast.p95)}, which is {place} the winner."
    )


def _against_next(material: Material, winner: TrialView) -> Iterator[str]:
    """Compares the winner with the next best trial, in a sentence."""
    others = [trial for trial in material.complete if trial is not winner]
    second = max(others, key=lambda trial: trial.values or [], default=None)
    if second is None or second is material.base:
        return
    gain = _gain(material, winner, second)
    if gain is None or gain.sure is None:
        return
    doubt = ": other sentences could turn the two round" if gain.sure.low <= 0 else ""
    behind = f"{gain.bleu:.2f} BLEU behind{_interval(gain)}{doubt}"
    yield f"The next best, trial {second.number}, is {behind}."


class Cost(NamedTuple):
    """Seconds of training, estimated seconds saved by pruning, and seconds of wall time."""

    trained: float
    saved: float
    wall: float
    by_state: dict[str, tuple[int, float]]
    """Number of trained trials and their training time."""


def cost(material: Material) -> Cost:
    """Adds up the time of the trials."""
    trained = [trial for trial in material.view.trials if trial.seconds > 0]
    by_state = {
        state: (len(group), sum(group))
        for state in material.view.counts
        if (group := [trial.seconds for trial in trained if trial.state == state])
    }
    spans = [
        # A trial that has not ended was last heard of after its seconds of training.
        (start, trial.datetime_complete or start + timedelta(seconds=row.seconds))
        for trial, row in zip(material.trials, material.view.trials, strict=True)
        if (start := trial.datetime_start)
    ]
    wall = max(end for _, end in spans) - min(spans)[0] if spans else timedelta()
    return Cost(
        trained=sum(trial.seconds for trial in trained),
        saved=sum(
            trial.seconds / trial.last_step * (trial.max_steps - trial.last_step)
            for trial in trained
            if trial.state == "pruned" and trial.last_step and trial.max_steps
        ),
        wall=wall.total_seconds(),
        by_state=by_state,
    )


def cost_words(material: Material) -> list[str]:
    """Describes the cost in sentences."""
    spent = cost(material)
    if not spent.trained:
        return ["No trial has been trained yet."]
    states = ", ".join(
        f"{format_plural(number, f'{state} trial')} {format_duration(seconds)}"
        for state, (number, seconds) in spent.by_state.items()
    )
    total = f"{format_duration(spent.trained)} of training in all ({states})"
    lines = [f"{total}, within {format_duration(spent.wall)} from the first start to the last end."]
    if spent.saved:
        share = spent.saved / (spent.saved + spent.trained)
        lines.append(
            f"Pruning saved about {format_duration(spent.saved)}, {share:.0%} of what all trials "
            "would have taken to their end: the steps that the pruned trials did not make, at the "
            "pace of those that they made."
        )
    elif material.config.pruner.kind == "none":
        lines.append("Nothing was pruned: the study has no pruner.")
    else:
        lines.append("No trial has been pruned yet, so no time was saved.")
    lines += _shares(material, spent.trained)
    untrained = sum(not trial.is_feasible for trial in material.view.trials)
    if untrained:
        broke = format_plural(untrained, "proposal")
        lines.append(f"{broke} broke a constraint and cost no training.")
    return lines


def _shares(material: Material, trained: float) -> Iterator[str]:
    """Says what share of a freeze-thaw search the winner had, and what those put aside."""
    if material.config.scheduler.kind != "freeze_thaw" or material.winner is None:
        return
    aside = [trial.seconds for trial in material.view.trials if trial.is_paused]
    share = material.winner.seconds / trained
    yield (
        f"{share:.0%} of it went into the winner, {sum(aside) / trained:.0%} into "
        f"{format_plural(len(aside), 'trial')} that {'waits' if len(aside) == 1 else 'wait'}."
    )


def circumstances(material: Material) -> list[tuple[str, str]]:
    """Returns corpus, objectives, strategy and budget, each with its name."""
    config, confirm = material.config, ""
    limits = [
        f"{OBJECTIVES[name]} at most {format_objective(name, limit)}"
        for name, limit in config.constraints.items()
    ]
    goals = [f"{OBJECTIVES[name]} ({way})" for name, way in material.view.objectives]
    time = "" if config.budget.hours is None else f", {config.budget.hours:g} h a call"
    if config.confirm is not None:
        best = format_plural(config.confirm.top, "configuration")
        confirm = f"{best}, the best, with {config.confirm.seeds} fresh seeds each"
    rows = [
        ("Corpus", _describe_corpus(config.corpus)),
        ("Objectives", format_list(goals)),
        ("Constraints", format_list(limits)),
        ("Fixed", ", ".join(f"{name} = {format_setting(at)}" for name, at in config.fixed.items())),
        ("Sampler", _strategy(config.sampler)),
        ("Pruner", _strategy(config.pruner)),
        ("Budget", f"{format_plural(config.budget.trials, 'trial')}{time}"),
        ("Confirmation", confirm),
        ("Seed", str(config.seed)),
        ("Corpus fingerprint", material.view.record.fingerprint[:16]),
        ("MLflow", redact_url(material.view.mlflow["tracking_uri"] or "")),
    ]
    return [(name, words) for name, words in rows if words]


def _strategy(settings: Settings) -> str:
    """Describes a sampler or a pruner with its settings, as in ``median (startup trials 3)``."""
    given = settings.model_dump(exclude_none=True)
    kind = given.pop("kind")
    words = [f"{name.replace('_', ' ')} {format_setting(value)}" for name, value in given.items()]
    return f"{kind} ({', '.join(words)})" if words else str(kind)


def _describe_corpus(corpus: Corpus) -> str:
    languages = f"{corpus.source_lang} to {corpus.target_lang}"
    match corpus:
        case SyntheticCorpus():
            return (
                f"the sample corpus, {languages}: {corpus.train_pairs:,} pairs to train on, "
                f"{corpus.validation_pairs:,} to validate on, {corpus.test_pairs:,} to test on"
            )
        case FilesCorpus():
            splits = [(name, getattr(corpus, name)) for name in ("train", "validation", "test")]
            files = [f"{name} {_files(split)}" for name, split in splits if split]
            return f"files, {languages}: {'; '.join(files)}"
        case HubCorpus():
            name = " ".join(filter(None, [corpus.name, corpus.subset, corpus.revision]))
            return f"{name} of the Hugging Face Hub, {languages}"


def _files(split: SplitFiles) -> str:
    return format_list([path.name for path in (split.source, split.target, split.table) if path])


def commands(material: Material, home: Path) -> list[tuple[str, str]]:
    """Returns the next commands, each with its effect; they name a home that is not the default."""
    name = material.view.study
    option = "" if home == Path("runs").absolute() else f" --home {shlex.quote(str(home))}"
    go_on = (f"automl-tf search STUDY.yaml{option}", f"goes on with {name}, from its study file")
    look = (f"automl-tf ui --study {name}{option}", "every run with its curves, in the browser")
    if material.winner is None:
        return [go_on, (f"automl-tf show {name}{option}", "the leaderboard in the terminal"), look]
    rule = " --pick knee" if len(material.config.objectives) > 1 else ""
    what = "the bend of the Pareto front" if rule else f"trial {material.winner.number}"
    train = f"automl-tf train best.yaml -o model{option}"
    return [
        *([] if material.is_over else [go_on]),
        (f"automl-tf export {name}{rule} -o best.yaml{option}", f"{what} as a file to train with"),
        (train, "the full training, scored on the test split"),
        ('echo "..." | automl-tf translate model', "a translation"),
        look,
    ]
