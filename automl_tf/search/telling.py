"""What MLflow is told of a study as a whole."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna

from automl_tf.config.study import StudyConfig
from automl_tf.search.leaderboard import Leaderboard, leaderboard
from automl_tf.search.record import TRACKING, Definition
from automl_tf.tracking.home import destination
from automl_tf.tracking.marks import delivered_run_ids
from automl_tf.tracking.operations import RunState
from automl_tf.tracking.study import StudyRun

DELIVERY_SECONDS = 30
"""Longest wait for MLflow when a process ends; what is left waits in the outbox."""


class StudyStory:
    """Keeps a study's run in MLflow up to date.

    Args:
        study: The Optuna study.
        run: The study's run.
    """

    def __init__(self, study: optuna.Study, run: StudyRun) -> None:
        self._study = study
        self.run = run

    @classmethod
    @contextmanager
    def open(
        cls, study: optuna.Study, definition: Definition, home: Path, tracking_uri: str
    ) -> Iterator["StudyStory"]:
        """Joins the study's run for as long as the context lasts.

        Args:
            study: The Optuna study.
            definition: What it is.
            home: The home directory.
            tracking_uri: Where MLflow keeps it.
        """
        run = StudyRun.open(
            destination(home, study.study_name, tracking_uri),
            description(definition),
            {"corpus": definition.fingerprint, "seed": str(definition.config.seed)},
        )
        story = cls(study, run)
        try:
            yield story
        finally:
            run.close(DELIVERY_SECONDS)
            story.note_place()

    def refresh(self) -> None:
        """The best so far, and the leaderboard."""
        board = leaderboard(self._study)
        ended = [trial for trial in board.trials if trial.state not in ("running", "waiting")]
        best = max((trial.best_bleu or 0.0 for trial in ended), default=0.0)
        self.run.progress(len(ended), {"best_bleu": best, **_counts(board)})
        self.run.log_text(markdown(board), "leaderboard.md")
        self.run.log_text(json.dumps(board.to_json(), indent=1), "leaderboard.json")

    def note_place(self) -> None:
        """Writes into the storage where MLflow has the study."""
        delivered = {
            key.label: run_id
            for key, run_id in delivered_run_ids(self.run.destination).items()
            if key.kind == "trial"
        }
        before = self._study.user_attrs.get(TRACKING, {})
        place = {
            "tracking_uri": self.run.tracking_uri,
            "run_id": self.run.run_id or before.get("run_id"),
            # Of trials that ended while MLflow was away.
            "trials": {**before.get("trials", {}), **delivered},
        }
        if place != before:
            self._study.set_user_attr(TRACKING, place)

    def finish(self, *, interrupted: bool) -> None:
        """Ends the study's run; a later search opens it again."""
        self.refresh()
        self.run.finish(RunState.PAUSED if interrupted else RunState.COMPLETE)


def description(definition: Definition) -> str:
    """The study's story in Markdown."""
    config: StudyConfig = definition.config
    corpus = config.corpus
    domains = "\n".join(
        f"| `{name}` | {domain} |" for name, domain in definition.space.domains.items()
    )
    return (
        f"**{config.name}**: {corpus.source_lang} to {corpus.target_lang}, corpus of kind "
        f"{corpus.kind}, objectives {', '.join(config.objectives)}, sampler "
        f"{config.sampler.kind}, pruner {config.pruner.kind}.\n\n"
        f"| setting | domain |\n|---|---|\n{domains}\n\n"
        f"Open the trials by the arrow beside this run. Export the best: "
        f"`automl-tf export {config.name} -o best.yaml`"
    )


def markdown(board: Leaderboard) -> str:
    """The trials as a table, best first."""
    rows = [
        f"| {trial.number} | {trial.state} | "
        f"{'' if trial.best_bleu is None else f'{trial.best_bleu:.2f}'} | "
        f"{trial.num_parameters or ''} | {trial.seconds:.0f} | {trial.reason or ''} |"
        for trial in board.ranked()
    ]
    head = (
        "| trial | state | best BLEU | parameters | seconds | reason |\n|---|---|---|---|---|---|"
    )
    return "\n".join([f"# {board.study}", "", head, *rows, ""])


def _counts(board: Leaderboard) -> dict[str, float]:
    return {f"trials_{state}": float(count) for state, count in board.counts.items()}
