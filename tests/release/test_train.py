"""A full training happens once, ends up in one place, and says in MLflow how it ended."""

import multiprocessing
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from filelock import FileLock
from pydantic import ValidationError

from automl_tf.bundle.bundle import CARD, UNFINISHED, load, read_card
from automl_tf.config.files import Export
from automl_tf.data.prepare import PreparationPausedError, prepare
from automl_tf.decoding import ctranslate2
from automl_tf.decoding.constraints import LengthBound
from automl_tf.errors import UserError
from automl_tf.home import HomeDirectory
from automl_tf.release import train as release
from automl_tf.release.train import TrainHooks, TrainResult, train
from automl_tf.tracking import runs
from automl_tf.training.checkpoints import LAST_CHECKPOINT, TrainingDirectory
from automl_tf.training.events import Decision, Outcome, Validation, never
from automl_tf.training.fit import fit
from tests.conftest import small_config


def export_of(corpus: dict, provenance: dict[str, Any] | None = None, **changes: object) -> Export:
    config = small_config(corpus, **changes)
    settings = {name: getattr(config, name) for name in type(config).model_fields}
    return Export(**settings, provenance=provenance or {"study": "made"})


def run(
    export: Export,
    home: Path,
    output: Path | None = None,
    validated: Callable[[Validation], None] = lambda _validation: None,
    should_pause: Callable[[], bool] = lambda: False,
) -> TrainResult:
    hooks = TrainHooks(validated, lambda _point: None, should_pause)
    return train(export, home, output, None, hooks)


def refuse(validation: Validation) -> None:
    pytest.fail(f"it trains again, up to step {validation.step}")


def mlflow_run(home: Path) -> tuple[str, str, str]:
    """Status, state and reason of the only run of a home."""
    client = mlflow.MlflowClient(HomeDirectory(home).tracking_uri)
    experiment = client.get_experiment_by_name("made")
    (found,) = client.search_runs([experiment.experiment_id])
    tags = found.data.tags
    return found.info.status, tags["automl_tf.state"], tags["automl_tf.reason"]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The bundles that were handed to the registry, which is tested elsewhere."""
    bundles: list[Path] = []

    def register(
        _run: object, output: Path, _name: str, sources: list, translations: list, needs: tuple
    ) -> int:
        assert len(translations) == len(sources)
        assert ("ctranslate2" in needs) == (load(output).config.decoding.engine == "ctranslate2")
        bundles.append(output)
        return len(bundles)

    monkeypatch.setattr(release, "register_bundle", register)
    return bundles


@pytest.fixture(autouse=True)
def nobody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits after an interrupt: MLflow may take its time on a busy machine."""
    monkeypatch.setattr(runs, "HURRIED_SECONDS", 60.0)


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Path:
    """A home that shares the cache of all tests."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    return home


def test_two_exports_of_a_study_have_a_bundle_each(reversal: dict, home: Path) -> None:
    one = run(export_of(reversal), home)
    other = run(export_of(reversal, training__learning_rate=1e-3), home)
    assert one.bundle is not None
    assert other.bundle is not None
    assert one.bundle != other.bundle
    assert {one.bundle.parent, other.bundle.parent} == {home / "bundles"}
    assert one.bundle.name.startswith("made-")
    for result, rate in ((one, 5e-3), (other, 1e-3)):
        assert load(result.bundle).config.training.learning_rate == rate


def test_a_bundle_of_ctranslate2_hands_its_weights_over_once(
    reversal: dict, home: Path, monkeypatch: pytest.MonkeyPatch, registered: list[Path]
) -> None:
    loads: list[object] = []
    original = ctranslate2.load

    def counting(*arguments: Any) -> object:
        loads.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(ctranslate2, "load", counting)
    trained = run(export_of(reversal, decoding__engine="ctranslate2"), home)
    assert registered == [trained.bundle]
    # Once for each of the three validations, and once for the test split and the examples.
    assert len(loads) == 4
    bundle = load(trained.bundle)
    assert bundle.length_bound == LengthBound(**bundle.card["length_bound"])
    for beam_size in (1, 2, 3):
        bundle.translate(["eins zwei", "drei"], beam_size=beam_size)
    assert len(loads) == 5


def test_a_finished_training_is_not_repeated(
    reversal: dict, home: Path, registered: list[Path]
) -> None:
    first = run(export_of(reversal), home)
    content = files(first.bundle)
    again = run(export_of(reversal), home, validated=refuse)
    assert again.is_repeat
    assert not first.is_repeat
    assert (again.bundle, again.test) == (first.bundle, first.test)
    assert again.fitted.best == first.fitted.best
    assert (again.fitted.step, again.fitted.seconds) == (first.fitted.step, first.fitted.seconds)
    assert files(first.bundle) == content
    assert registered == [first.bundle]
    assert mlflow_run(home)[:2] == ("FINISHED", "complete")


@pytest.mark.parametrize(
    "changes", [{"training__max_steps": 8}, {"decoding__beam_size": 2}, {"model__dropout": 0.2}]
)
def test_the_bundle_of_another_training_is_never_overwritten(
    reversal: dict, home: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    output = tmp_path / "model"
    run(export_of(reversal), home, output)
    content = files(output)
    name = next(iter(changes)).replace("__", ".")
    with pytest.raises(UserError, match=f"another training: {name}") as caught:
        run(export_of(reversal, **changes), home, output, validated=refuse)
    assert caught.value.place.key == "--output"
    assert files(output) == content


def test_a_directory_that_holds_something_else_is_refused(
    reversal: dict, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("mine")
    with pytest.raises(UserError, match="not a bundle"):
        run(export_of(reversal), home, tmp_path / "mine", validated=refuse)
    assert files(tmp_path / "mine") == {"config.yaml": b"mine"}


def test_a_directory_that_cannot_be_written_is_refused_before_the_first_step(
    reversal: dict, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for output in (tmp_path / "file" / "model", Path("/proc/model")):
        with pytest.raises(UserError, match="cannot be written") as caught:
            run(export_of(reversal), home, output, validated=refuse)
        assert caught.value.place.key == "--output"


def test_a_bundle_whose_writing_was_killed_is_written_again(
    reversal: dict, home: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model"
    (output / UNFINISHED).mkdir(parents=True)
    (output / UNFINISHED / CARD).write_text("{")
    (output / "model.safetensors").write_bytes(b"half")
    run(export_of(reversal), home, output)
    assert load(output).translate(["eins zwei"])
    assert not (output / UNFINISHED).exists()


def hold(lock: Path, held: Any) -> None:
    with FileLock(lock):
        held.set()
        time.sleep(100)


def test_one_configuration_is_trained_by_one_process_at_a_time(
    reversal: dict, home: Path, tmp_path: Path
) -> None:
    export = export_of(reversal)
    refused: list[str] = []

    def train_again(_validation: Validation) -> None:
        with pytest.raises(UserError, match="Another process trains") as caught:
            run(export, home, tmp_path / "other", validated=refuse)
        refused.append(str(caught.value))

    run(export, home, validated=train_again)
    assert len(refused) == 3

    (training,) = (home / "training").iterdir()
    context = multiprocessing.get_context("forkserver")
    held = context.Event()
    process = context.Process(target=hold, args=(training / "lock", held))
    process.start()
    held.wait(60)
    with pytest.raises(UserError, match="Another process"):
        run(export, home)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert run(export, home).is_repeat


def test_a_training_that_raises_has_failed_in_mlflow_with_the_reason(
    reversal: dict, home: Path
) -> None:
    def fail(_validation: Validation) -> None:
        raise RuntimeError("a reason\nand its story")

    with pytest.raises(RuntimeError):
        run(export_of(reversal), home, validated=fail)
    assert mlflow_run(home) == ("FAILED", "failed", "RuntimeError: a reason")
    assert run(export_of(reversal), home).bundle is not None
    assert mlflow_run(home) == ("FINISHED", "complete", "")


def test_an_interrupted_training_is_paused_in_mlflow(reversal: dict, home: Path) -> None:
    def interrupt(_validation: Validation) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(export_of(reversal), home, validated=interrupt)
    signal.signal(signal.SIGINT, handler)  # Lightning ignores further ones
    assert mlflow_run(home)[:2] == ("SCHEDULED", "paused")
    paused = run(export_of(reversal), home, should_pause=lambda: True)
    assert (paused.fitted.outcome, paused.bundle) == (Outcome.PAUSED, None)
    assert mlflow_run(home) == ("SCHEDULED", "paused", f"paused at step {paused.fitted.step}")


def test_an_interrupt_during_the_test_is_a_pause_after_the_last_step(
    reversal: dict, home: Path, tmp_path: Path
) -> None:
    told: list[int] = []
    paused = run(
        export_of(reversal),
        home,
        validated=lambda validation: told.append(validation.step),
        should_pause=lambda: told[-1:] == [12],
    )
    assert (paused.fitted.outcome, paused.fitted.step) == (Outcome.PAUSED, 12)
    assert paused.bundle is None
    done = run(export_of(reversal), home, validated=refuse)
    assert done.fitted.outcome is Outcome.FINISHED
    whole = run(export_of(reversal), home, tmp_path / "whole")
    assert (done.test, done.fitted.best) == (whole.test, whole.fitted.best)


def test_an_interrupt_during_the_preparation_is_a_pause(
    reversal: dict, home: Path, tmp_path: Path
) -> None:
    export = export_of(reversal, data__vocab_size=150)
    paused = run(export, home, should_pause=lambda: True)
    assert (paused.fitted.outcome, paused.fitted.step) == (Outcome.PAUSED, 0)
    with pytest.raises(PreparationPausedError):
        release.prepare(export.trial_config(), tmp_path, lambda: True)
    assert not list((tmp_path / "prepared").glob("*/"))


def test_what_follows_the_last_step_is_made_up_for(
    reversal: dict, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Death between the bundle and the registry."""
    with monkeypatch.context() as patch:
        patch.setattr(release, "register_bundle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(export_of(reversal), home)
    assert mlflow_run(home)[1] == "failed"
    done = run(export_of(reversal), home, validated=refuse)
    assert (done.is_repeat, done.model_version) == (False, "made version 1")
    assert mlflow_run(home)[1] == "complete"
    (training,) = (home / "training").iterdir()
    assert not (training / LAST_CHECKPOINT).exists()
    assert run(export_of(reversal), home).is_repeat


def test_a_trial_that_has_trained_to_its_end_is_released_as_it_is(
    reversal: dict, home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(reversal)
    data = prepare(config, cache)
    origin = {"study": "made", "study_id": str(uuid.UUID(int=7)), "trial": 3}
    export = export_of(reversal, {**origin, "corpus_fingerprint": data.fingerprint})
    trial = HomeDirectory(home).trial("made", origin["study_id"], 3)
    trained = fit(config, data, trial, lambda _validation: Decision.CONTINUE)
    with monkeypatch.context() as patch:
        patch.setattr(release, "register_bundle", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(export, home, validated=refuse)
    shutil.rmtree(trial)
    done = run(export, home, validated=refuse)
    assert done.fitted.to_json() == trained.to_json()
    assert (done.is_repeat, done.model_version) == (False, "made version 1")
    assert done.test is not None
    assert load(done.bundle).card["seconds"] == trained.seconds
    assert run(export, home).is_repeat


@pytest.mark.parametrize("change", ["settings", "weights", "checkpoint"])
def test_a_trial_that_is_another_training_is_not_released(
    reversal: dict, home: Path, cache: Path, change: str
) -> None:
    config = small_config(reversal)
    data = prepare(config, cache)
    origin = {"study": "made", "study_id": str(uuid.UUID(int=7)), "trial": 3}
    origin["corpus_fingerprint"] = data.fingerprint
    trial = HomeDirectory(home).trial("made", origin["study_id"], 3)
    paused = change == "checkpoint"
    pause = (lambda: True) if paused else never
    fit(config, data, trial, lambda _validation: Decision.CONTINUE, should_pause=pause)
    if change == "weights":
        TrainingDirectory(trial).remove_weights()
    changes = {"training__learning_rate": 1e-3} if change == "settings" else {}
    validated: list[Validation] = []
    done = run(export_of(reversal, origin, **changes), home, validated=validated.append)
    assert len(validated) == 3
    assert done.bundle is not None


def test_the_card_says_what_is_feasible(reversal: dict, home: Path) -> None:
    provenance = {"study": "made", "trial": 3, "versions": {"torch": "1.0"}}
    done = run(export_of(reversal, provenance), home)
    config, card = read_card(done.bundle)
    assert config.training.max_steps == card["steps"] == 12
    assert card["provenance"] == provenance
    assert card["validation"]["step"] == done.fitted.best_step


@pytest.mark.parametrize(
    "name", ["/tmp/abs", "../..", "..", ".", "a/b", "", "a\nb", 7, ["a"], None, "x" * 200]
)
def test_no_name_of_a_file_leaves_the_home(
    reversal: dict, home: Path, tmp_path: Path, name: object
) -> None:
    before = files(tmp_path)
    with pytest.raises(ValidationError, match=r"provenance\.study"):
        run(export_of(reversal, {"study": name}), home, validated=refuse)
    assert files(tmp_path) == before


@pytest.mark.parametrize("phase", ["prepare", "load_best", "register_bundle"])
def test_an_interrupt_outside_of_the_steps_pauses_a_training(
    reversal: dict, home: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    export = export_of(reversal)
    original = getattr(release, phase)

    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(release, phase, interrupt)
    assert run(export, home).fitted.outcome is Outcome.PAUSED
    if phase != "prepare":
        assert mlflow_run(home)[:2] == ("SCHEDULED", "paused")
    monkeypatch.setattr(release, phase, original)
    assert run(export, home).fitted.outcome is Outcome.FINISHED
    assert mlflow_run(home)[:2] == ("FINISHED", "complete")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_two_steps_saves_a_training(
    reversal: dict, home: Path, number: signal.Signals
) -> None:
    export = export_of(reversal)

    def interrupt(_validation: Validation) -> None:
        os.kill(os.getpid(), number)

    paused = run(export, home, validated=interrupt)
    assert paused.fitted.outcome is Outcome.PAUSED
    assert 0 < paused.fitted.step < export.training.max_steps
