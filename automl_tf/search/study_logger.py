"""What MLflow is told of a study as a whole."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import StudyConfig
from automl_tf.search.context import STATE_NAMES
from automl_tf.search.opening import was_given_up
from automl_tf.search.schema import (
    REASON,
    SEED,
    TRACKING,
    StudyRecord,
    best_merit,
    read_record,
    searched,
    settings_of,
)
from automl_tf.search.summary_files import SummaryFiles
from automl_tf.search.trial_logger import TrialLogger
from automl_tf.search.volume import completed, hypervolumes
from automl_tf.tracking.home import destination
from automl_tf.tracking.marks import delivered_run_ids
from automl_tf.tracking.operations import RunState
from automl_tf.tracking.study import StudyRun

DELIVERY_SECONDS = 30
"""Longest wait for MLflow when a process ends; what is left waits in the outbox."""


class StudyLogger:
    """Keeps a study's run in MLflow up to date.

    Args:
        study: The Optuna study.
        run: The study's run.
        home: The home directory.
    """

    def __init__(self, study: optuna.Study, run: StudyRun, home: Path) -> None:
        self._study = study
        self.run = run
        self._files = SummaryFiles(study, home, run.log_artifact)
        self._losses: set[int] = set()

    @classmethod
    @contextmanager
    def open(
        cls, study: optuna.Study, definition: StudyRecord, home: Path, tracking_uri: str
    ) -> Iterator["StudyLogger"]:
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
        story = cls(study, run, home)
        try:
            yield story
        finally:
            run.close(DELIVERY_SECONDS)
            story.note_place()

    def refresh(self) -> None:
        """The best so far, and how many trials are in each state; files follow in their time."""
        trials = self._study.get_trials(deepcopy=False)
        self._end_lost(trials)
        counts = Counter(STATE_NAMES[trial.state] for trial in trials)
        ended = [trial for trial in trials if trial.state.is_finished()]
        merits = [merit for trial in searched(ended) if (merit := best_merit(trial)) is not None]
        best = max(merits).bleu if merits else 0.0
        states = {f"trials_{state}": float(counts[state]) for state in STATE_NAMES.values()}
        self.run.progress(len(ended), {"best_bleu": best, **states, **self._volume(trials)})
        self._files.refresh()

    def _volume(self, trials: Sequence[FrozenTrial]) -> dict[str, float]:
        """The hypervolume so far of a study with several objectives."""
        values = [trial.values for trial in completed(trials)]
        if len(self._study.directions) == 1 or not values:
            return {}
        names = read_record(self._study).config.objectives
        return {"hypervolume": hypervolumes(values, names)[-1]}

    def _end_lost(self, trials: Sequence[FrozenTrial]) -> None:
        """Ends the runs of trials that have failed because nobody was left to end them."""
        for trial in trials:
            if trial.number in self._losses or not was_given_up(trial):
                continue
            self._losses.add(trial.number)
            settings, seed = settings_of(trial), trial.user_attrs.get(SEED, 0)
            config = read_record(self._study).study.trial_config(settings, seed)
            TrialLogger(trial, config, self.run).end("failed", trial.user_attrs[REASON])

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
        self._files.close()
        self.run.finish(RunState.PAUSED if interrupted else RunState.COMPLETE)

    def leave(self, *, interrupted: bool) -> None:
        """Ends the study's run if this was the last worker that had a trial."""
        trials = self._study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.RUNNING for trial in trials):
            self._files.close()
        else:
            self.finish(interrupted=interrupted)


def description(definition: StudyRecord) -> str:
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
