"""The last round of a study in words, for terminals and for the report."""

from collections.abc import Iterator, Sequence

from automl_tf.scoring.seeds import Estimate
from automl_tf.search.confirming.verdict import Confirmation, Confirmed

COLUMNS = (
    "trial",
    "first BLEU",
    "fresh seeds",
    "95 % interval",
    "deviation",
    "first above fresh",
    "behind the best",
    "95 % interval",
)
"""Headings of the table of confirmed configurations."""

COVERS = (
    "The intervals cover the choice of the {size:,} sentences of the validation split and the "
    "seeds of the trainings: bootstrap over the sentences, the same ones for all trainings (Koehn "
    "2004), plus the variance between seeds (Clark et al. 2011)."
)


def confirmation_words(confirmation: Confirmation) -> list[str]:
    """What the round has found, in sentences; how far it is, while it goes on."""
    winner = confirmation.winner
    if winner is None:
        return [_progress(confirmation)]
    return [*_result(winner), *_against_next(confirmation), COVERS.format(size=confirmation.size)]


def confirmation_rows(confirmation: Confirmation) -> list[Sequence[str]]:
    """A row of the table for each confirmed configuration, the best first."""
    return [_row(one) for one in confirmation.configurations]


def confirmed_words(one: Confirmed) -> str:
    """What fresh seeds say of one configuration, which has a score, in a sentence."""
    assert one.mean is not None, "only scored configurations are asked for"
    numbers = ", ".join(str(number) for number in one.trials)
    interval = _interval(one.mean, "; 95 % interval ")
    return (
        f"Confirmed BLEU {one.mean.bleu:.2f}: mean of {len(one.bleus)} other seeds "
        f"(trials {numbers}{interval})."
    )


def _progress(confirmation: Confirmation) -> str:
    if not confirmation.left:
        return "No training with a fresh seed came to its end: nothing is confirmed."
    noun = "training" if confirmation.left == 1 else "trainings"
    return f"The best are being confirmed with fresh seeds: {confirmation.left} {noun} left."


def _result(winner: Confirmed) -> Iterator[str]:
    assert winner.mean is not None, "a winner has a score"
    seeds = len(winner.bleus)
    told = f"mean of {seeds} fresh seeds" if seeds > 1 else "one fresh seed"
    yield (
        f"Confirmed: trial {winner.number} has validation BLEU {winner.mean.bleu:.2f} ({told}"
        f"{_interval(winner.mean, '; 95 % interval ')})."
    )
    if winner.failed:
        noun = "training" if winner.failed == 1 else "trainings"
        yield f"{winner.failed} more {noun} of it failed."
    flattery = winner.first - winner.mean.bleu
    side = "above" if flattery >= 0 else "below"
    curse = ": the best of many is flattered by being chosen" if flattery > 0 else ""
    yield f"The search had found {winner.first:.2f}, {abs(flattery):.2f} {side} that mean{curse}."


def _against_next(confirmation: Confirmation) -> Iterator[str]:
    second = confirmation.runner_up
    if second is None or second.behind is None:
        return
    lead = second.behind
    certainty = ""
    if lead.interval is not None:
        is_open = lead.interval[0] <= 0 <= lead.interval[1]
        certainty = ": other seeds or sentences could turn the two round" if is_open else ""
    side = "above" if lead.bleu >= 0 else "below"
    yield (
        f"It is {abs(lead.bleu):.2f} BLEU {side} the next best, trial {second.number}"
        f"{_interval(lead, ' (95 % interval of the difference ', ')')}{certainty}."
    )


def _row(one: Confirmed) -> Sequence[str]:
    failed = f" ({one.failed} failed)" if one.failed else ""
    return (
        f"{one.number}",
        f"{one.first:.2f}",
        f"{'' if one.mean is None else _number(one.mean.bleu)}{failed}",
        "" if one.mean is None else _interval(one.mean),
        _number(one.deviation),
        _number(one.flattery),
        "" if one.behind is None else _number(one.behind.bleu),
        "" if one.behind is None else _interval(one.behind),
    )


def _number(value: float | None) -> str:
    """Two digits, with a minus that is as wide as a digit."""
    return "" if value is None else f"{value:.2f}".replace("-", "−")


def _interval(estimate: Estimate, before: str = "", after: str = "") -> str:
    if estimate.interval is None:
        return ""
    low, high = estimate.interval
    return f"{before}{_number(low)} to {_number(high)}{after}"
