"""Training as a whole: learning, stopping, pausing, resuming, averaging, diverging."""

import math
import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.decoding.translator import Translator
from automl_tf.model.transformer import Transformer
from automl_tf.scoring.scores import Scorer
from automl_tf.training.checkpoints import LAST_CHECKPOINT, TrainingDirectory, load_best
from automl_tf.training.events import Decision, Outcome, Validation
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule, build_model
from tests.conftest import small_config


class Recorder:
    """An observer that keeps what it is told and stops after so many validations."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.told: list[Validation] = []
        self._stop_after = stop_after

    def __call__(self, validation: Validation) -> Decision:
        self.told.append(validation)
        stops = len(self.told) == self._stop_after
        return Decision.STOP if stops else Decision.CONTINUE

    @property
    def steps(self) -> list[int]:
        return [validation.step for validation in self.told]


def pause_after(questions: int):
    """A pause that is asked for at the so-manyth question."""
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= questions


def curve(recorder: Recorder) -> list[tuple[int, float, float]]:
    return [
        (point.step, point.loss, point.grad_norm)
        for validation in recorder.told
        for point in validation.curve
    ]


@pytest.mark.slow
def test_learns_to_reverse(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(
        reversal, training__max_steps=800, training__validate_every=200, model__d_model=64
    )
    data = prepare(config, cache)
    recorder = Recorder()
    result = fit(config, data, tmp_path, recorder)
    losses = [validation.loss for validation in recorder.told]
    assert losses == sorted(losses, reverse=True)
    assert result.best is not None
    assert result.best.bleu > 60


def test_validates_at_interval_and_at_the_end(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(reversal, training__max_steps=10)
    recorder = Recorder()
    result = fit(config, prepare(config, cache), tmp_path, recorder)
    assert recorder.steps == [4, 8, 10]
    assert result.outcome is Outcome.FINISHED
    assert result.step == 10


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU; minutes on a CPU")
def test_a_compiled_model_takes_the_same_course(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    recorders = []
    for compiles in (False, True):
        config = small_config(
            reversal,
            model__dropout=0.0,
            training__max_steps=4,
            training__warmup_steps=2,
            training__precision="fp32",
            trainer__compile=compiles,
        )
        recorders.append(Recorder())
        fit(config, prepare(config, cache), tmp_path / str(compiles), recorders[-1])
    plain, compiled = map(curve, recorders)
    assert len(plain) == 4
    torch.testing.assert_close(torch.tensor(compiled), torch.tensor(plain), rtol=1e-4, atol=1e-4)


def test_accumulation_counts_optimizer_steps(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(reversal, training__accumulate=3, training__max_steps=6)
    recorder = Recorder()
    result = fit(config, prepare(config, cache), tmp_path, recorder)
    assert recorder.steps == [4, 6]
    assert result.step == 6


def test_scores_are_those_of_the_hypotheses(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    recorder = Recorder()
    fit(config, data, tmp_path, recorder)
    scorer = Scorer(data.validation.target_text, "en")
    for validation in recorder.told:
        assert validation.scores == scorer.score(validation.hypotheses)


def test_a_validation_tells_how_busy_the_machine_is(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    recorder = Recorder(stop_after=1)
    fit(config, data, tmp_path, recorder)
    metrics = recorder.told[0].metrics()
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100
    assert metrics["system/cpu_utilization_percentage"] >= 0


def test_observer_stops(config: TrialConfig, data: PreparedData, tmp_path: Path) -> None:
    recorder = Recorder(stop_after=2)
    result = fit(config, data, tmp_path, recorder)
    assert result.outcome is Outcome.STOPPED
    assert recorder.steps == [4, 8]
    assert result.step == 8


def test_keeps_the_weights_of_the_best_bleu(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    recorder = Recorder()
    result = fit(config, data, tmp_path, recorder)
    best = max(recorder.told, key=lambda validation: validation.scores.bleu)
    assert result.best == best.scores
    assert result.best_step == best.step
    assert [validation.step for validation in recorder.told if validation.is_best][-1] == best.step
    module = TranslationModule(config, data)
    module.model.load_state_dict(load_best(tmp_path))


def assert_same_course(
    parts: Sequence[Recorder], whole: Recorder, directory: Path, expected: Path
) -> None:
    told = [validation for part in parts for validation in part.told]
    assert [validation.step for validation in told] == whole.steps
    assert [point for part in parts for point in curve(part)] == curve(whole)
    for one, other in zip(told, whole.told, strict=True):
        assert (one.scores, one.loss) == (other.scores, other.loss)
        assert one.hypotheses == other.hypotheses
    for name, weight in load_best(expected).items():
        assert torch.equal(weight, load_best(directory)[name])


@pytest.mark.parametrize(
    ("precision", "question"), [("bf16", 2), ("bf16", 11), *(("fp32", n) for n in range(1, 19))]
)
def test_resumed_equals_uninterrupted(
    reversal: dict, cache: Path, tmp_path: Path, precision: str, question: int
) -> None:
    """Between steps, during each part of a validation, and right after it."""
    config = small_config(reversal, training__precision=precision, model__dropout=0.3)
    data = prepare(config, cache)
    whole, first, second = Recorder(), Recorder(), Recorder()
    expected = fit(config, data, tmp_path / "whole", whole)
    paused = fit(config, data, tmp_path / "parts", first, should_pause=pause_after(question))
    assert paused.outcome is Outcome.PAUSED
    assert paused.step == saved_step(tmp_path / "parts")
    result = fit(config, data, tmp_path / "parts", second)
    assert (result.best, result.best_step) == (expected.best, expected.best_step)
    assert_same_course([first, second], whole, tmp_path / "parts", tmp_path / "whole")


def saved_step(directory: Path) -> int:
    path = directory / LAST_CHECKPOINT
    return torch.load(path, weights_only=True)["global_step"] if path.exists() else 0


@pytest.mark.parametrize("step", [4, 8, 12])
def test_a_pause_during_a_validation_abandons_it(
    reversal: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr("automl_tf.decoding.torch_engine.BATCH_ROWS", 10)
    config = small_config(reversal, model__dropout=0.3)
    data = prepare(config, cache)
    whole, first, second = Recorder(), Recorder(), Recorder()
    fit(config, data, tmp_path / "whole", whole)
    translated: list[int] = []

    translate_batch = Translator.translate_batch

    def counting(translator: Translator, sources: list) -> list:
        translated.append(len(sources))
        return translate_batch(translator, sources)

    monkeypatch.setattr(Translator, "translate_batch", counting)

    def in_the_middle() -> bool:
        return len(translated) == step + 2 - 4  # four batches in each validation before

    paused = fit(config, data, tmp_path / "parts", first, should_pause=in_the_middle)
    assert set(translated) == {10}
    assert (paused.outcome, paused.step) == (Outcome.PAUSED, step - 4)
    assert first.steps == list(range(4, step, 4))
    assert saved_step(tmp_path / "parts") == step - 4
    fit(config, data, tmp_path / "parts", second)
    assert_same_course([first, second], whole, tmp_path / "parts", tmp_path / "whole")


def train_until_killed(
    config: TrialConfig, data: PreparedData, directory: Path, question: int
) -> None:
    def kill() -> bool:
        if next(asked) == question:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    asked = iter(range(1, 1000))
    torch.set_num_threads(1)
    fit(config, data, directory, Recorder(), should_pause=kill)


@pytest.mark.parametrize("question", [4, 5, 11, 16, 17, 18])
def test_resumes_from_a_kill_during_a_validation(
    reversal: dict, cache: Path, tmp_path: Path, question: int
) -> None:
    config = small_config(reversal, model__dropout=0.3, training__average_checkpoints=2)
    data = prepare(config, cache)
    whole, rest = Recorder(), Recorder()
    expected = fit(config, data, tmp_path / "whole", whole)
    arguments = (config, data, tmp_path / "parts", question)
    process = multiprocessing.get_context("forkserver").Process(
        target=train_until_killed, args=arguments
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    result = fit(config, data, tmp_path / "parts", rest)
    assert (result.best, result.best_step) == (expected.best, expected.best_step)
    told = len(whole.told) - len(rest.told)
    assert [one.scores for one in rest.told] == [one.scores for one in whole.told[told:]]
    for name, weight in load_best(tmp_path / "whole").items():
        assert torch.equal(weight, load_best(tmp_path / "parts")[name])


def test_a_pause_while_weights_are_averaged_resumes_there(
    reversal: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(reversal, training__average_checkpoints=2)
    data = prepare(config, cache)
    expected = fit(config, data, tmp_path / "whole", Recorder())
    recorder = Recorder()
    paused = fit(
        config, data, tmp_path / "parts", recorder, should_pause=lambda: len(recorder.told) == 3
    )
    assert (paused.outcome, paused.step) == (Outcome.PAUSED, 12)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingDirectory, "remove_temporary_files", die)
        with pytest.raises(Death):
            fit(config, data, tmp_path / "parts", recorder)
    result = fit(config, data, tmp_path / "parts", recorder)
    assert recorder.steps == [4, 8, 12]
    assert result.outcome is Outcome.FINISHED
    assert (result.best, result.best_step) == (expected.best, expected.best_step)
    for name, weight in load_best(tmp_path / "whole").items():
        assert torch.equal(weight, load_best(tmp_path / "parts")[name])


class Death(BaseException):
    """Ends a training as an unforeseen error would."""


def die(*_arguments: object) -> None:
    raise Death


@pytest.mark.parametrize("answers", range(7))
def test_a_lost_training_writes_nothing_more(
    reversal: dict, cache: Path, tmp_path: Path, answers: int
) -> None:
    """Ownership is asked at the start, at each of three validations, after averaging, at the end.

    Args:
        answers: How often it is still there.
    """
    config = small_config(reversal, training__average_checkpoints=2)
    data = prepare(config, cache)
    asked, recorder = iter(range(100)), Recorder()
    seen: dict[str, bytes] = {}

    def is_owner() -> bool:
        owns = next(asked) < answers
        if not owns:
            seen.update(content(tmp_path))
        return owns

    result = fit(config, data, tmp_path, recorder, is_owner=is_owner)
    assert content(tmp_path) == seen or answers == 6
    assert recorder.steps == [4, 8, 12][: max(0, answers - 1)]
    assert result.outcome is (Outcome.FINISHED if answers == 6 else Outcome.LOST)
    assert not result.outcome.is_final or answers == 6
    assert next(asked) == min(answers + 1, 6)


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_pause_of_a_lost_training_writes_no_checkpoint(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    owned = iter([True, False])
    result = fit(
        config,
        data,
        tmp_path,
        Recorder(),
        should_pause=pause_after(2),
        is_owner=lambda: next(owned),
    )
    assert (result.outcome, result.step) == (Outcome.LOST, 2)
    assert not list(tmp_path.iterdir())


def test_resumes_with_accumulation(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(reversal, training__accumulate=2, model__dropout=0.3)
    data = prepare(config, cache)
    whole, first, second = Recorder(), Recorder(), Recorder()
    fit(config, data, tmp_path / "whole", whole)
    fit(config, data, tmp_path / "parts", first, should_pause=pause_after(5))
    fit(config, data, tmp_path / "parts", second)
    assert curve(first) + curve(second) == curve(whole)


def test_resumes_from_a_death_between_validations(
    config: TrialConfig, data: PreparedData, tmp_path: Path
) -> None:
    """What was done since the last validation is done again, with the same result."""

    def die(point: object) -> None:
        if point.step == 6:
            raise Death

    whole, first, second = Recorder(), Recorder(), Recorder()
    fit(config, data, tmp_path / "whole", whole)
    with pytest.raises(Death):
        fit(config, data, tmp_path / "parts", first, progress=die)
    fit(config, data, tmp_path / "parts", second)
    assert first.steps == [4]
    assert second.steps == [8, 12]
    assert [told.scores for told in first.told + second.told] == [t.scores for t in whole.told]


def test_same_seed_same_curve(config: TrialConfig, data: PreparedData, tmp_path: Path) -> None:
    one, two = Recorder(), Recorder()
    fit(config, data, tmp_path / "one", one)
    torch.rand(3)  # whatever happened before in the process does not matter
    fit(config, data, tmp_path / "two", two)
    assert curve(one) == curve(two)


def test_diverges_with_a_reason(
    config: TrialConfig, data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def infinite(*arguments: object) -> Transformer:
        model = build_model(*arguments)
        nn.init.constant_(model.target_embedding.weight, math.inf)
        return model

    monkeypatch.setattr("automl_tf.training.module.build_model", infinite)
    recorder = Recorder()
    result = fit(config, data, tmp_path, recorder)
    assert result.outcome is Outcome.DIVERGED
    assert result.best is None
    assert recorder.told == []


def test_stops_early_without_progress(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(
        reversal,
        training__learning_rate=1e-9,
        training__patience=2,
        training__max_steps=60,
        training__validate_every=2,
        training__warmup_steps=1,
    )
    recorder = Recorder()
    result = fit(config, prepare(config, cache), tmp_path, recorder)
    assert recorder.steps == [2, 4, 6]
    assert result.outcome is Outcome.FINISHED


def test_averages_the_last_weights(reversal: dict, cache: Path, tmp_path: Path) -> None:
    config = small_config(reversal, training__average_checkpoints=2)
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def keep(validation: Validation) -> Decision:
        seen[validation.step] = load_file(tmp_path / f"step-{validation.step:07d}.safetensors")
        return Decision.CONTINUE

    data = prepare(config, cache)
    result = fit(config, data, tmp_path, keep)
    expected = {name: (seen[8][name] + seen[12][name]) / 2 for name in seen[12]}
    module = TranslationModule(config, data)
    module.model.load_state_dict(expected)
    module.model.bfloat16()
    assert not list(tmp_path.glob("step-*"))
    if result.best_step == 12:
        found = load_best(tmp_path)
        kept = [all(torch.equal(found[n], w[n]) for n in found) for w in (expected, seen[12])]
        assert any(kept)


def test_checkpoint_holds_no_code(config: TrialConfig, data: PreparedData, tmp_path: Path) -> None:
    fit(config, data, tmp_path, Recorder())
    torch.load(tmp_path / LAST_CHECKPOINT, weights_only=True)


def test_averaged_weights_are_translated_on_the_device_that_trained(
    reversal: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(reversal, training__average_checkpoints=2)
    data = prepare(config, cache)
    calls: list[str] = []

    def note(name: str) -> None:
        method = getattr(TranslationModule, name)

        def noted(module: TranslationModule, *arguments: object, **options: object) -> object:
            calls.append(" ".join([name, *(str(argument) for argument in arguments)]))
            return method(module, *arguments, **options)

        monkeypatch.setattr(TranslationModule, name, noted)

    for name in ("cpu", "to", "translate_validation"):
        note(name)
    fit(config, data, tmp_path, Recorder())
    # Lightning moves a module to the CPU when a training ends.
    assert calls[-3:] == ["cpu", "to cpu", f"translate_validation {len(data.validation)}"]
