"""By how much the winner is better than the base and than the next, and how sure that is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from automl_tf.scoring.sentences import Difference, paired_bootstrap
from automl_tf.search.report.material import Material
from automl_tf.search.report.words import difference, listed
from automl_tf.search.schema import best_sentences
from automl_tf.search.study_view import TrialRow

COVERS: Final = (
    "The interval covers the choice of sentences: it is a paired bootstrap over the {size:,} of "
    "the validation split (Koehn 2004). It covers neither another seed of the two trainings nor "
    "that the winner was chosen as the best of all trials on these very sentences."
)
NO_STATISTICS: Final = (
    "There is no confidence interval for that: the scores of single sentences were not kept when "
    "these trials were trained."
)


@dataclass(frozen=True)
class Gain:
    """BLEU of one trial less that of another.

    Attributes:
        bleu: The difference of their values.
        sure: What the sentences say of it, where their scores were kept.
        size: Number of those sentences.
    """

    bleu: float
    sure: Difference | None
    size: int


def over_base(material: Material) -> Gain | None:
    """What the winner gained over the base, if both came to their end."""
    base, winner = material.base, material.winner
    if base is None or winner is None or base is winner:
        return None
    return _gain(material, winner, base)


def _gain(material: Material, ours: TrialRow, theirs: TrialRow) -> Gain | None:
    if not (ours.values and theirs.values):
        return None
    bleu = ours.values[0] - theirs.values[0]
    pair = [best_sentences(material.trials[trial.number]) for trial in (ours, theirs)]
    if pair[0] is None or pair[1] is None:
        return Gain(bleu, None, 0)
    return Gain(bleu, paired_bootstrap(pair[0], pair[1]), len(pair[0]))


def interval(gain: Gain, of: str = "") -> str:
    """The interval in brackets, as in `` (95 % interval 1.20 to 3.45)``; nothing without one."""
    sure = gain.sure
    if sure is None:
        return ""
    return f" (95 % interval {of}{difference(sure.low)} to {difference(sure.high)})"


def against_base(material: Material, winner: TrialRow) -> Iterator[str]:
    """How the winner stands against the base, in sentences."""
    base = material.base
    if base is None:
        yield "The study starts with no given configuration that it could be compared with."
        return
    name = f"{material.base_name} (trial {base.number})"
    if base is winner:
        yield f"It is {name}: nothing that was tried is better."
    elif (gain := over_base(material)) is not None and base.values:
        yield (
            f"That is {gain.bleu:.2f} BLEU above {name}, which reached "
            f"{base.values[0]:.2f}{interval(gain, 'of the gain ')}."
        )
        yield _trust(gain)
    else:
        yield f"{name[0].upper()}{name[1:]} {_no_score(base, winner)}"
    drawn = sorted(set(material.domains) - set(material.base_settings))
    if drawn:
        yield f"That configuration leaves {listed(drawn)} open: there the sampler drew."


def _trust(gain: Gain) -> str:
    if gain.sure is None:
        return NO_STATISTICS
    words = COVERS.format(size=gain.size)
    if gain.sure.low <= 0:
        words = f"It holds zero: on other sentences the base might be as good. {words}"
    return words


def _no_score(base: TrialRow, winner: TrialRow) -> str:
    """Why there is nothing to compare with."""
    if base.state == "pruned" and base.last_step is not None:
        at = base.last_step
        is_same = winner.sentences.get(at) == base.sentences.get(at)
        there = winner.intermediate.get(at) if is_same else None
        same = "" if there is None else f" (the best trial had {there:.2f} there)"
        reached = f"BLEU {base.intermediate[base.last_step]:.2f}{same}"
        return (
            f"was pruned at step {base.last_step:,} with {reached}. It was not trained to its end, "
            "so what was gained over it is not known."
        )
    if base.state in ("pruned", "failed"):
        return f"gave no score to compare with: {base.reason or base.state}."
    return "has not ended yet."


def against_next(material: Material, winner: TrialRow) -> Iterator[str]:
    """How sure it is that the winner is better than the next best trial."""
    others = [trial for trial in material.complete if trial is not winner and trial.values]
    second = max(others, key=lambda trial: trial.values or [], default=None)
    if second is None or second is material.base:
        return
    gain = _gain(material, winner, second)
    if gain is None or gain.sure is None:
        return
    is_open = gain.sure.low <= 0
    doubt = ": other sentences could turn the two round" if is_open else ""
    yield (
        f"The next best, trial {second.number}, is {gain.bleu:.2f} BLEU behind"
        f"{interval(gain)}{doubt}."
    )
