"""A real study whose first validations take few sentences."""

import json

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.files import read_study
from automl_tf.home import HomeDirectory
from automl_tf.scoring.sentences import paired_bootstrap
from automl_tf.search.export import export
from automl_tf.search.join import join
from automl_tf.search.opening import load_study
from automl_tf.search.report.figures import GROWING, learning_curves
from automl_tf.search.report.material import Material
from automl_tf.search.run import Locations, open_search
from automl_tf.search.schema import SAMPLES, best_sentences, sentences_at
from automl_tf.search.storage import default_url
from automl_tf.search.study_view import StudyView
from automl_tf.training.validation import NUM_SAMPLES
from tests.cli.studies import FIXED, write_study
from tests.search.making import Listener, new_home

pytestmark = pytest.mark.slow

WHOLE, FIRST = 40, 10


@pytest.fixture(scope="module")
def study(reversal: dict, tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    """Three trials of different lengths, of which validations take 10, 20 and 40 sentences."""
    folder = tmp_path_factory.mktemp("growing")
    space = {
        "training.learning_rate": {"low": 1e-3, "high": 2e-2, "log": True},
        "training.max_steps": {"choices": [30, 60, 75]},
    }
    fixed = {**FIXED, "model.d_model": 16, "model.num_heads": 2, "training.validate_every": 15}
    fixed["training.validate_sentences"] = FIRST
    del fixed["training.max_steps"]
    path = write_study(
        folder,
        reversal,
        space,
        fixed=fixed,
        start_with=[
            {"training.learning_rate": 1e-2, "training.max_steps": steps} for steps in (75, 60, 30)
        ],
    )
    home = folder / "home"
    places = Locations(new_home(home), default_url(home), HomeDirectory(home).tracking_uri)
    opened = open_search(read_study(path), places)
    join(opened, places, Listener())
    return load_study(opened.storage, "tour")


@pytest.fixture(scope="module")
def board(study: optuna.Study) -> StudyView:
    return StudyView.read(study)


def test_each_validation_says_how_many_sentences_it_had(board: StudyView) -> None:
    told = json.loads(json.dumps(board.to_json()))["trials"]
    assert [trial["sentences"] for trial in told] == [
        {"15": 10, "30": 20, "45": 40, "60": 40, "75": 40},
        {"15": 10, "30": 20, "45": 40, "60": 40},
        {"15": 10, "30": 40},
    ]


def test_a_trials_value_is_its_best_on_all_sentences(study: optuna.Study, board: StudyView) -> None:
    for trial, row in zip(study.trials, board.trials, strict=True):
        assert trial.state is TrialState.COMPLETE
        whole = [row.intermediate[step] for step, size in row.sentences.items() if size == WHOLE]
        assert row.values == [max(whole)]
        assert row.best_bleu == max(whole)
        assert row.sentences[row.best_step] == WHOLE
        kept = best_sentences(trial)
        assert len(kept) == WHOLE
        assert kept.bleu == row.values[0]
        assert len(trial.user_attrs[SAMPLES]) == NUM_SAMPLES
    shown = f"{board.trials[board.best[0]].values[0]:.2f}"
    assert f"best validation BLEU {shown}" in export(study)


def test_trials_of_different_lengths_have_the_same_first_sentences(study: optuna.Study) -> None:
    """One rate and the seeds apart they are alike; sentence by sentence only a prefix compares."""
    long, short = study.trials[0], study.trials[2]
    ours, theirs = sentences_at(long, 30), sentences_at(short, 30)
    assert (len(ours), len(theirs)) == (20, WHOLE)
    references_N = [statistics.counts_NC[:20, 1].tolist() for statistics in (ours, theirs)]
    assert references_N[0] == references_N[1]
    assert paired_bootstrap(ours, theirs.first(20)).bleu == pytest.approx(
        long.intermediate_values[30] - theirs.first(20).bleu
    )


def test_the_report_says_that_validations_grow(study: optuna.Study) -> None:
    assert GROWING in learning_curves(Material.read(study)).text
