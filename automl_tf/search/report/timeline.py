"""The time line of a report: when each trial was trained, and by whom."""

import html
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from optuna.trial import FrozenTrial

from automl_tf.formatting import format_duration
from automl_tf.search.report.material import Material
from automl_tf.search.report.style import Figure, Panel, hover, restyled, texts
from automl_tf.search.report.summary import cost_words
from automl_tf.search.sessions import Session
from automl_tf.search.study_view import TrialView


def timeline(material: Material) -> Panel:
    """Draws when each trial ran."""
    text = " ".join(cost_words(material))
    bars = [
        bar
        for trial, stored in zip(material.view.trials, material.trials, strict=True)
        for bar in _bars(trial, stored)
    ]
    if not bars:
        return Panel(text)
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": state,
            "y": [bar.trial.number for bar in ran],
            "base": [bar.began.isoformat() for bar in ran],
            "x": [1000 * bar.seconds for bar in ran],
            **texts([bar.words for bar in ran]),
        }
        for state in material.view.counts
        if (ran := [bar for bar in bars if bar.trial.state == state])
    ]
    zone = f"UTC{datetime.now(tz=UTC).astimezone().isoformat()[-6:]}"
    plot = restyled(
        {"data": traces, "layout": {}},
        barmode="overlay",
        bargap=0.25,
        xaxis={"type": "date", "title": {"text": f"local time here ({zone})"}},
        yaxis={"title": {"text": "trial"}, "autorange": "reversed", "tickformat": "d"},
    )
    text += (
        " Each bar is a session of a trial: a time in which one worker trained it. It has the "
        "colour of what became of the trial, and says on which worker it ran, up to which step, "
        "and why it ended."
    )
    height = min(120 + 14 * len(material.view.trials), 900)
    return Panel(text, [Figure("timeline", "Sessions of each trial", plot, height)])


class _Bar(NamedTuple):
    """A session of a trial on the time line, in local time."""

    trial: TrialView
    began: datetime
    seconds: float
    words: str


def _bars(trial: TrialView, stored: FrozenTrial) -> Iterator[_Bar]:
    """Yields the sessions of a trial; an earlier version has recorded the last one alone."""
    began = stored.datetime_start
    if not trial.sessions and began is not None:
        ended = stored.datetime_complete or began + timedelta(seconds=trial.seconds)
        seconds = (ended - began).total_seconds()
        yield _Bar(trial, began, seconds, _session(trial, seconds))
    known = sum(session.seconds or 0.0 for session in trial.sessions)
    for session in trial.sessions:
        # What was not written down is the rest of the training.
        seconds = session.seconds or max(trial.seconds - known, 1.0)
        began = datetime.fromisoformat(session.began).astimezone().replace(tzinfo=None)
        yield _Bar(trial, began, seconds, _session(trial, seconds, session))


def _session(trial: TrialView, seconds: float, session: Session | None = None) -> str:
    """Describes a bar: the best BLEU, the duration, the worker, the steps and why it ended."""
    worker = (trial.worker if session is None else session.worker) or ""
    host, _, process = worker.partition(":")
    place = f" on {host}, process {process.partition(':')[0]}" if host else ""
    lines = [] if trial.best_bleu is None else [f"best BLEU {trial.best_bleu:.2f}"]
    lines.append(f"{format_duration(seconds)}{place}")
    if session is not None and session.to_step is not None:
        lines.append(f"step {session.from_step:,} to {session.to_step:,}")
    if session is not None and session.reason and session.reason != trial.reason:
        lines += textwrap.wrap(html.escape(session.reason, quote=False), 60)
    return hover(trial, *lines)
