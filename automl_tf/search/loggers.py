"""MLflow logging of a search: one run for each attempt at a trial, one for the study as a whole."""

import contextlib
import functools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.settings import TrialConfig, given_settings
from automl_tf.data.prepare import PreparedData
from automl_tf.device import Precision
from automl_tf.errors import UserError
from automl_tf.home import HomeDirectory
from automl_tf.redaction import redact_message, without_credentials
from automl_tf.run_logging import TrainingLogger
from automl_tf.scoring.sentences import Merit
from automl_tf.search.analysis import completed, hypervolume
from automl_tf.search.export import export
from automl_tf.search.report.material import Material
from automl_tf.search.report.page import render
from automl_tf.search.schema import (
    ATTEMPT,
    CONFIRMS,
    MAX_STEPS,
    REASON,
    SEED,
    SMALLER_BATCHES,
    TRACKING,
    FailureKind,
    StudyRecord,
    best_merit,
    failure_kind,
    settings_of,
    study_id_of,
)
from automl_tf.search.storage import another_view
from automl_tf.search.study_view import StudyView
from automl_tf.tracking.client import TrackingTarget
from automl_tf.tracking.outbox import RunState
from automl_tf.tracking.runs import StudyRun
from automl_tf.tracking.sender import delivered_run_ids
from automl_tf.training.events import Validation

RUN_STATES = {
    TrialState.COMPLETE: RunState.COMPLETE,
    TrialState.PRUNED: RunState.PRUNED,
    TrialState.FAIL: RunState.FAILED,
    TrialState.WAITING: RunState.PAUSED,
}
"""State of the run of a trial that has ended or waits."""

DELIVERY_SECONDS = 30
"""Longest wait for MLflow when a process ends; what is left waits in the outbox."""

PAUSE_RATIO = 100
"""Pause between two writings of the summary files, in times of the seconds that one takes."""

MIN_PAUSE_SECONDS = 10.0

_logger = logging.getLogger(__name__)


class TrialLogger:
    """Logger of one attempt at a trial, from its configuration to its end.

    Attempts count from 1; the validations of ``trial`` are those of this attempt alone.
    """

    def __init__(
        self, trial: optuna.Trial | FrozenTrial, attempt: int, config: TrialConfig, run: StudyRun
    ) -> None:
        self._number = trial.number
        self._attempt = attempt
        self._confirms: int | None = trial.user_attrs.get(CONFIRMS)
        self._config = config
        self._best = best_merit(trial)
        self._training: TrainingLogger | None = None
        tags = {"seed": str(config.seed), "devices": str(config.trainer.devices)}
        if self._confirms is not None:
            tags[CONFIRMS] = str(self._confirms)
        if smaller := trial.user_attrs.get(SMALLER_BATCHES):
            tags[SMALLER_BATCHES] = ", ".join(f"{name} = {size}" for name, size in smaller.items())
        settings = given_settings(config)
        if MAX_STEPS in trial.user_attrs:
            # MLflow lets no parameter change: the one it has is the length before.
            tags[MAX_STEPS] = str(settings.pop("training.max_steps"))
        self._run = run.trial(trial.number, attempt, self._name(), settings, tags)

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, once it has one."""
        return self._run.run_id

    def begin(
        self,
        config: TrialConfig,
        data: PreparedData,
        costs: Mapping[str, float],
        precision: Precision,
    ) -> None:
        """Logs the configuration, its costs by name, the corpus, the device and its arithmetic."""
        self._training = TrainingLogger(self._run, config, data)
        self._training.begin(costs, precision)

    def validated(self, validation: Validation) -> list[dict[str, Any]]:
        """Logs the curve so far, the scores and some translations, which it returns."""
        assert self._training is not None, "a trial begins before it is validated"
        found = Merit(len(validation.sentences), validation.scores.bleu)
        self._best = found if self._best is None else max(self._best, found)
        return self._training.validated(validation, {"best_bleu": self._best.bleu})

    def attach(self, path: str, text: str) -> None:
        """Logs a text file, such as a traceback, without credentials."""
        self._run.log_text(redact_message(text), path)

    def end(self, state: RunState, reason: str | None) -> None:
        """Ends or pauses the run under a name with its best score, for a reason if there is one."""
        if not reason and self._confirms is not None:
            reason = f"confirms trial {self._confirms} with another seed"
        self._run.rename(self._name())
        self._run.finish(state, reason)
        if reason:
            self._run.describe(f"**{state.capitalize()}**: {redact_message(reason)}")

    def _name(self) -> str:
        """Returns the run's name, as in ``trial 7, attempt 2 · d256 h4 3+3 · 31.4``."""
        again = "" if self._attempt == 1 else f", attempt {self._attempt}"
        score = "" if self._best is None else f" · {self._best.bleu:.1f}"
        purpose = "" if self._confirms is None else f" · confirms trial {self._confirms}"
        return f"trial {self._number}{again}{purpose} · {self._config.model.shape}{score}"


class StudyLogger:
    """Logger of a study's run in MLflow."""

    def __init__(self, study: optuna.Study, run: StudyRun, home: Path) -> None:
        self._study = study
        self.run = run
        directory = HomeDirectory(home).study(study.study_name, run.target.study_id) / "summary"
        self._files = SummaryFiles(study, home, directory, run.log_artifact)
        self._lost: set[int] = set()

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, study: optuna.Study, record: StudyRecord, home: Path, tracking_uri: str
    ) -> Iterator["StudyLogger"]:
        """Joins the study's run, on an MLflow server or database, while the context lasts."""
        target = TrackingTarget.of_study(
            home, record.config.name, study_id_of(study), tracking_uri, title=study.study_name
        )
        tags = {"corpus": record.fingerprint, "seed": str(record.config.seed)}
        run = StudyRun.open(target, _description(record), tags)
        logger = cls(study, run, home)
        try:
            yield logger
        finally:
            run.close(DELIVERY_SECONDS)
            logger.store_run_ids()

    def refresh(self, study: optuna.Study | None = None) -> None:
        """Logs best score and number of trials in each state; files follow in the background.

        Args:
            study: The study as the calling thread sees it, where that is not the one that opened
                the logger: a view that two threads share can stop both.
        """
        study = study or self._study
        view, trials = StudyView.read(study), study.get_trials(deepcopy=False)
        self._end_lost(view, trials)
        best = 0.0 if view.incumbent is None else view.incumbent.best_bleu or 0.0
        states = {f"trials_{state}": float(count) for state, count in view.counts.items()}
        metrics = {"best_bleu": best, **states}
        values = [trial.values for trial in completed(trials)]
        if len(view.objectives) > 1 and values:
            metrics["hypervolume"] = hypervolume(values, view.record.config.objectives)
        self.run.log_metrics(sum(trial.has_ended for trial in view.trials), metrics)
        self._files.refresh()

    def _end_lost(self, view: StudyView, trials: Sequence[FrozenTrial]) -> None:
        """Ends the runs of trials that have failed because nobody was left to end them."""
        for trial in trials:
            if trial.number in self._lost or failure_kind(trial) is not FailureKind.WORKER_LOST:
                continue
            self._lost.add(trial.number)
            settings, seed = settings_of(trial), trial.user_attrs.get(SEED, 0)
            config = view.record.study.trial_config(settings, seed)
            logger = TrialLogger(trial, trial.user_attrs.get(ATTEMPT, 1), config, self.run)
            logger.end(RunState.FAILED, trial.user_attrs[REASON])

    def store_run_ids(self) -> None:
        """Stores in the study where MLflow has it, for trials of earlier outages too."""
        delivered = delivered_run_ids(self.run.target)
        trials = [key for key in delivered if key.kind == "trial"]
        before = self._study.user_attrs.get(TRACKING, {})
        latest = {key.label: delivered[key] for key in sorted(trials, key=lambda key: key.attempt)}
        now = {
            "tracking_uri": without_credentials(self.run.target.tracking_uri),
            "run_id": self.run.run_id or before.get("run_id"),
            "trials": {**before.get("trials", {}), **latest},
        }
        if now != before:
            self._study.set_user_attr(TRACKING, now)

    def finish(self, state: RunState, reason: str | None = None) -> None:
        """Ends or pauses the study's run, for a reason in words; a later search resumes it."""
        self.refresh()
        self._files.close()
        self.run.finish(state, reason)

    def leave(self, state: RunState) -> None:
        """Ends or pauses the study's run if no worker has a trial any more."""
        trials = self._study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.RUNNING for trial in trials):
            self._files.close()
        else:
            self.finish(state)


def _description(record: StudyRecord) -> str:
    """Returns the description of a study in Markdown."""
    config = record.config
    corpus = config.corpus
    domains = "\n".join(f"| `{name}` | {domain} |" for name, domain in record.space.domains.items())
    return (
        f"**{config.name}**: {corpus.source_lang} to {corpus.target_lang}, corpus of kind "
        f"{corpus.kind}, objectives {', '.join(config.objectives)}, sampler "
        f"{config.sampler.kind}, pruner {config.pruner.kind}.\n\n"
        f"| setting | domain |\n|---|---|\n{domains}\n\n"
        f"Open the trials by the arrow beside this run. Export the best: "
        f"`automl-tf export {config.name} -o best.yaml`"
    )


class SummaryFiles:
    """Leaderboard, best configuration and report, written by a background thread.

    ``keep`` is called with each file that was written.
    """

    def __init__(
        self, study: optuna.Study, home: Path, directory: Path, keep: Callable[[Path], None]
    ) -> None:
        self._study = study
        self._home = home
        self._directory = directory
        self._keep = keep
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @functools.cached_property
    def _view(self) -> optuna.Study:
        return another_view(self._study, self._home)

    def refresh(self) -> None:
        """Has the files written again, at once or after the pause that follows the last time."""
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="summary", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ends the thread and writes the files a last time."""
        self._closed.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
        self._write_or_warn()

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed.is_set():
                return
            started = time.monotonic()
            self._write_or_warn()
            pause = max(MIN_PAUSE_SECONDS, PAUSE_RATIO * (time.monotonic() - started))
            self._closed.wait(pause)

    def _write_or_warn(self) -> None:
        """Writes the files; a failure costs the search nothing."""
        try:
            self._write_all()
        except Exception as error:  # noqa: BLE001 - a summary must not end a search
            told = redact_message(str(error))
            _logger.warning("The summary of the study is not refreshed: %s", told)

    def _write_all(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        material = Material.read(self._view)
        view = material.view
        self._write("leaderboard.md", _markdown(view))
        self._write("leaderboard.json", json.dumps(view.to_json(), indent=1))
        with contextlib.suppress(UserError):  # no trial is complete yet
            self._write("best.yaml", export(self._view))
        self._write("report.html", render(material, self._home))

    def _write(self, name: str, text: str) -> None:
        """Writes a file so that whoever sends it meanwhile reads the old one or the new one."""
        # Workers of one home may all be writing it.
        partial = self._directory / f".{os.getpid()}-{name}"
        partial.write_text(text, encoding="utf-8")
        self._keep(partial.replace(self._directory / name))


def _markdown(view: StudyView) -> str:
    """Returns the trials as a table, best first."""
    rows = [
        f"| {trial.number} | {trial.state} | "
        f"{'' if trial.best_bleu is None else f'{trial.best_bleu:.2f}'} | "
        f"{trial.num_parameters or ''} | {trial.seconds:.0f} | {trial.reason or ''} |"
        for trial in view.ranked()
    ]
    head = "| trial | state | best BLEU | parameters | seconds | reason |"
    return "\n".join([f"# {view.study}", "", head, "|---|---|---|---|---|---|", *rows, ""])
