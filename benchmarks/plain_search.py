"""The plain study of search_live.py: Optuna's TPE and median pruner, as its documentation has them.

    python benchmarks/plain_search.py STUDY.yaml FOLDER

Space, corpus, fixed settings and seed are those of the study file; its sampler, pruner and budget
are not looked at. The study is kept in memory and goes on until it is ended. What it tells are the
lines of ``automl-tf search --json``.
"""

import sys
import tempfile
from pathlib import Path

import optuna

from automl_tf.config.files import read_study
from automl_tf.config.study import Study
from automl_tf.data.prepare import prepare
from automl_tf.model.size import num_parameters
from automl_tf.search.events import Event, TrialEnded, TrialStarted, TrialValidated, encode
from automl_tf.search.samplers.build import suggested
from automl_tf.training.events import Decision, Outcome, Validation
from automl_tf.training.fit import fit


def main() -> None:
    """Searches until it is ended from outside."""
    study, folder = read_study(Path(sys.argv[1])), Path(sys.argv[2])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plain = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=study.config.seed),
        pruner=optuna.pruners.MedianPruner(),
    )
    plain.optimize(lambda trial: _run_trial(trial, study, folder), callbacks=[_tell_end])


def _run_trial(trial: optuna.Trial, study: Study, folder: Path) -> float:
    params = suggested(trial, study.space)
    config = study.trial_config(params, study.config.seed)
    data = prepare(config, folder / "cache")
    size = num_parameters(config.model, data.sizes, config.data.longest_sequence)
    _tell(TrialStarted(trial.number, params, size, config.training.max_steps, resumed=False))

    def observe(validation: Validation) -> Decision:
        scores, step = validation.scores, validation.step
        _tell(TrialValidated(trial.number, step, scores.bleu, scores.chrf))
        trial.report(scores.bleu, step)
        return Decision.STOP if trial.should_prune() else Decision.CONTINUE

    with tempfile.TemporaryDirectory(dir=folder) as checkpoints:
        result = fit(config, data, Path(checkpoints), observe)
    if result.outcome is Outcome.STOPPED:
        raise optuna.TrialPruned
    # Optuna takes it for a failure.
    return float("nan") if result.best is None else result.best.bleu


def _tell_end(_study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    state = {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
    bleu = max(trial.intermediate_values.values(), default=None)
    assert trial.duration is not None, "it has ended"
    _tell(TrialEnded(trial.number, state, bleu, None, trial.duration.total_seconds()))


def _tell(event: Event) -> None:
    print(encode(event), flush=True)


if __name__ == "__main__":
    main()
