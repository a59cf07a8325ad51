"""A trial that runs out of memory is tried once more with smaller batches."""

from pathlib import Path

import mlflow
import pytest
import torch
from optuna.trial import TrialState

from automl_tf.config.files import read_study
from automl_tf.search import objective as attempt_file
from automl_tf.search.events import Notice
from automl_tf.search.export import export
from automl_tf.search.join import join
from automl_tf.search.run import Locations, open_search
from automl_tf.search.schema import REASON
from automl_tf.search.storage import default_url
from automl_tf.search.study_view import leaderboard
from automl_tf.tracking.home import default_tracking_uri
from automl_tf.training.fit import fit
from automl_tf.training.memory import is_out_of_memory, smaller_batches
from automl_tf.training.watching import FitResult, Outcome
from tests.cli.studies import write_study
from tests.conftest import small_config
from tests.search.making import new_home

MORE_THAN_THERE_IS = 2**44


@pytest.fixture
def searched(reversal: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Searches where trainings of more tokens at once than given ask for too much memory."""

    def search(most_tokens: int):
        tried = []

        def fit_in_memory(config, *words):
            tried.append((config.training.batch_tokens, config.training.accumulate))
            if config.training.batch_tokens > most_tokens:
                torch.empty(MORE_THAN_THERE_IS)
            return fit(config, *words)

        monkeypatch.setattr(attempt_file, "fit", fit_in_memory)
        home = tmp_path / "home"
        where = Locations(new_home(home), default_url(home), default_tracking_uri(home))
        few = ["budget.trials=2", "training.max_steps=30", "training.validate_every=30"]
        opened = open_search(read_study(write_study(tmp_path, reversal), few), where)
        told: list = []
        join(opened, where, told.append)
        return opened.study, tried, told

    return search


@pytest.mark.slow
def test_half_the_tokens_twice_as_often(searched, tmp_path: Path) -> None:
    study, tried, told = searched(128)
    assert tried == [(256, 1), (128, 2)] * 2
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert len(notices) == 2
    assert "training.batch_tokens = 128, training.accumulate = 2" in notices[0]
    exported = export(study, number=0)
    assert "batch_tokens: 128" in exported
    assert "out of memory" in exported
    client = mlflow.MlflowClient(default_tracking_uri(tmp_path / "home"))
    run = client.get_run(leaderboard(study).trials[0].mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["smaller_batches"] == notices[0].partition("with ")[2]


@pytest.mark.slow
def test_once_only_and_the_worker_lives_on(searched) -> None:
    study, tried, _ = searched(64)
    assert tried == [(256, 1), (128, 2)] * 2
    assert [trial.state for trial in study.trials] == [TrialState.FAIL] * 2
    assert all(trial.user_attrs[REASON].startswith("out of memory") for trial in study.trials)


@pytest.mark.slow
def test_a_training_that_diverges_is_tried_once_more_and_then_known(
    reversal: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fit_that_diverges(config, *_words):
        tried.append(config.training.batch_tokens)
        return FitResult(Outcome.DIVERGED, 10, None, None, None, seconds=1.0)

    monkeypatch.setattr(attempt_file, "fit", fit_that_diverges)
    home = tmp_path / "home"
    where = Locations(new_home(home), default_url(home), default_tracking_uri(home))
    given = [{"model.d_model": 16, "model.num_heads": 1, "model.dropout": 0.1}] * 2
    rate = {"training.learning_rate": 0.01}
    study = write_study(tmp_path, reversal, start_with=[{**one, **rate} for one in given])
    opened = open_search(read_study(study, ["budget.trials=2"]), where)
    # Queued twice on purpose: a study skips what it has queued already.
    opened.study.enqueue_trial({**given[0], **rate})
    join(opened, where, lambda _event: None)
    first, second = opened.study.trials
    assert tried == [256, 128]
    assert first.user_attrs[REASON].startswith("diverged")
    assert second.params == first.params
    assert second.user_attrs[REASON] == "not trained: trial 0 failed with these settings"
    assert [trial.state for trial in (first, second)] == [TrialState.FAIL] * 2


def test_batches_hold_the_longest_sentence(reversal: dict) -> None:
    config = small_config(reversal, training__batch_tokens=100, data__max_length=49)
    assert smaller_batches(config) == {"training.batch_tokens": 50, "training.accumulate": 2}
    longer = small_config(reversal, training__batch_tokens=100, data__max_length=50)
    assert smaller_batches(longer) is None


def test_want_of_memory_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as lacking:
        torch.empty(MORE_THAN_THERE_IS)
    assert is_out_of_memory(lacking.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
