"""A training goes on under another length as if it had had that length from the start."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.errors import UserError
from automl_tf.scoring.scores import Scorer
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.training.checkpoints import LAST_CHECKPOINT, load_best
from automl_tf.training.events import CurvePoint, Decision, FitResult, Outcome, Validation
from automl_tf.training.fit import fit
from tests.conftest import small_config


class Session:
    """One session of a training, which may end at a step.

    Args:
        pause_at: The step; after its validation, if there is one.
    """

    def __init__(self, pause_at: int | None = None) -> None:
        self.told: list[Validation] = []
        self._pause_at = pause_at
        self._pauses = False

    def run(self, config: TrialConfig, data: PreparedData, directory: Path) -> FitResult:
        return fit(config, data, directory, self._observe, self._progress, lambda: self._pauses)

    def _observe(self, validation: Validation) -> Decision:
        self.told.append(validation)
        self._pauses |= validation.step == self._pause_at
        return Decision.CONTINUE

    def _progress(self, point: CurvePoint) -> None:
        self._pauses |= point.step == self._pause_at and point.step % 4 != 0


def of_length(corpus: dict, max_steps: int, **changes: object) -> TrialConfig:
    settings = {
        "model__dropout": 0.3,
        "training__precision": "fp32",
        "training__validate_sentences": 11,
        **changes,
    }
    return small_config(corpus, training__max_steps=max_steps, **settings)


def curve(*sessions: Session) -> list[tuple[float, ...]]:
    points = [point for one in sessions for told in one.told for point in told.curve]
    return [(one.step, one.loss, one.learning_rate, one.grad_norm) for one in points]


def scores(*sessions: Session) -> list[tuple]:
    every = [told for one in sessions for told in one.told]
    return [(one.step, one.scores, one.loss, one.hypotheses, one.is_best) for one in every]


def weights(directory: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(directory / LAST_CHECKPOINT, weights_only=True)
    return {**load_best(directory), "masters": checkpoint["optimizer_states"][0]["masters"]}


@pytest.mark.parametrize(
    ("step", "before", "now"), [(1, 12, 20), (4, 12, 9), (8, 12, 16), (10, 12, 32), (9, 32, 12)]
)
@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "inverse_sqrt"},
        {"schedule": "constant", "patience": 2},
        {"schedule": "constant", "ema": 0.2, "average_checkpoints": 2},
    ],
    ids=str,
)
def test_a_length_that_changes_is_as_if_it_had_been_there_from_the_start(
    reversal: dict, cache: Path, tmp_path: Path, step: int, before: int, now: int, changes: dict
) -> None:
    settings = {f"training__{name}": value for name, value in changes.items()}
    first, last = (of_length(reversal, length, **settings) for length in (before, now))
    data = prepare(first, cache)
    whole, begun, rest = Session(), Session(step), Session()
    expected = whole.run(last, data, tmp_path / "whole")
    paused = begun.run(first, data, tmp_path / "parts")
    assert (paused.outcome, paused.step) == (Outcome.PAUSED, step)
    found = rest.run(last, data, tmp_path / "parts")
    assert (found.step, found.best, found.best_step) == (
        expected.step,
        expected.best,
        expected.best_step,
    )
    assert scores(begun, rest) == scores(whole)
    assert curve(begun, rest) == curve(whole)
    theirs = weights(tmp_path / "whole")
    for name, weight in weights(tmp_path / "parts").items():
        assert torch.equal(weight, theirs[name]), name


@pytest.mark.parametrize(
    ("step", "lengths", "since", "changes"),
    [
        (11, (12, 16), 11, {}),
        (11, (16, 12), 11, {}),
        (12, (12, 16), 11, {}),
        (12, (12, 16), 12, {"cooldown": 0.0}),
        (12, (16, 8), 8, {"cooldown": 0.0}),
        (6, (12, 16), 6, {"schedule": "cosine"}),
        (6, (12, 16), 6, {"schedule": "linear"}),
    ],
)
@pytest.mark.parametrize("schedule", ["inverse_sqrt", "constant"])
def test_the_length_cannot_change_in_a_cooldown(  # noqa: PLR0913 - fixtures and a case
    reversal: dict,
    cache: Path,
    tmp_path: Path,
    step: int,
    lengths: tuple[int, int],
    since: int,
    changes: dict,
    schedule: str,
) -> None:
    before, now = lengths
    settings = {f"training__{name}": value for name, value in changes.items()}
    settings = {"training__schedule": schedule, **settings}
    first, last = (of_length(reversal, length, **settings) for length in (before, now))
    data = prepare(first, cache)
    assert Session(step).run(first, data, tmp_path).step == step
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    words = f"max_steps is {before} there and {now} here, .* from step {since} on"
    with pytest.raises(UserError, match=words):
        Session().run(last, data, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == content
    # The length that it was begun with still goes.
    assert Session().run(first, data, tmp_path).outcome is Outcome.FINISHED


@pytest.mark.parametrize("now", [60, 40, 80])
def test_a_training_without_progress_does_not_go_on(
    reversal: dict, cache: Path, tmp_path: Path, now: int
) -> None:
    settings = {
        "training__learning_rate": 1e-9,
        "training__patience": 2,
        "training__validate_every": 2,
        "training__warmup_steps": 1,
        "training__validate_sentences": 0,
    }
    first, last = (of_length(reversal, length, **settings) for length in (60, now))
    data = prepare(first, cache)
    begun, rest = Session(), Session()
    expected = begun.run(first, data, tmp_path)
    assert [told.step for told in begun.told] == [2, 4, 6]
    found = rest.run(last, data, tmp_path)
    assert rest.told == []
    assert (found.outcome, found.step, found.best_step) == (Outcome.FINISHED, 6, 2)
    assert found.best == expected.best


def test_weights_that_were_not_told_are_not_kept_under_another_length(
    reversal: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A better validation of the cool-down could not be recorded; the next length has none."""
    first, last = (
        of_length(reversal, length, training__validate_sentences=0) for length in (8, 64)
    )
    data = prepare(first, cache)

    sentences = Scorer.sentences
    translations: list[Sequence[str]] = []

    def of_translations(scorer: Scorer, hypotheses: Sequence[str]) -> SentenceStatistics:
        return sentences(scorer, translations[-1] if translations else hypotheses)

    def unrecorded(validation: Validation) -> Decision:
        translations.append(data.validation.target_text)
        if validation.step == 4:
            return Decision.CONTINUE
        assert validation.is_best
        return Decision.PAUSE

    monkeypatch.setattr(Scorer, "sentences", of_translations)
    assert fit(first, data, tmp_path, unrecorded).step == 4
    translations.append([""] * len(data.validation))
    assert Session(8).run(last, data, tmp_path).best_step == 4
    monkeypatch.undo()
    assert Session(4).run(last, data, tmp_path / "whole").best_step == 4
    theirs = load_best(tmp_path / "whole")
    for name, weight in load_best(tmp_path).items():
        assert torch.equal(weight, theirs[name])
