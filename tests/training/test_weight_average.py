"""The average of the weights: against a reference, and that the training does not notice it."""

import copy
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from automl_tf.config.settings import TrainingConfig
from automl_tf.data.prepare import prepare
from automl_tf.training.checkpoints import LAST_CHECKPOINT, load_best
from automl_tf.training.events import CurvePoint, Decision, Validation
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule
from automl_tf.training.optimizer import MasterAdamW
from automl_tf.training.schedule import ema_factor, first_cooldown_step
from tests.conftest import small_config


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


def optimizer_of(module: nn.Module, ema: float) -> MasterAdamW:
    return MasterAdamW(
        module.parameters(), lr=0.01, beta2=0.98, weight_decay=0.1, clip_norm=0.5, ema=ema
    )


def update(module: nn.Module, optimizer: MasterAdamW, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    inputs = torch.randn(10, 6, generator=generator).to(next(module.parameters()).dtype)
    optimizer.add_gradients(module(inputs).float().square().sum(), 10)
    optimizer.step()


def reference(weights: list[dict[str, Tensor]], ema: float) -> dict[str, Tensor]:
    """Karras et al. 2024, equations 1 and 2, in fp64: each update by its power of time."""
    gamma = 1 / ema - 2
    shares = torch.arange(1, len(weights) + 1, dtype=torch.float64) ** (gamma + 1)
    shares = torch.cat([shares[:1], shares.diff()]) / shares[-1]
    return {
        name: sum(share * one[name].double() for share, one in zip(shares, weights, strict=True))
        for name in weights[0]
    }


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in module.named_parameters()}


@pytest.mark.parametrize("num_updates", [1, 2, 100])
@pytest.mark.parametrize("ema", [0.02, 0.1, 0.3, 0.5])
def test_equals_a_plain_average(ema: float, num_updates: int) -> None:
    module = network()
    optimizer = optimizer_of(module, ema)
    weights = []
    for number in range(num_updates):
        update(module, optimizer, number)
        weights.append(snapshot(module))
    expected = reference(weights, ema)
    for name, average in optimizer.full_precision(module).items():
        torch.testing.assert_close(average.double(), expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("ema", [0.02, 0.1, 0.3, 0.5])
def test_the_mean_age_is_the_share_of_the_updates(ema: float) -> None:
    updates = [{"age": torch.tensor(1.0 - number / 2000)} for number in range(2000)]
    assert float(reference(updates, ema)["age"]) == pytest.approx(ema, abs=1e-3)


def test_a_factor_of_zero_does_not_average() -> None:
    module = network()
    optimizer = optimizer_of(module, 0.3)
    for number in range(5):
        update(module, optimizer, number)
    optimizer.scale_ema(0.0)
    update(module, optimizer, 6)
    weights = snapshot(module)
    for name, average in optimizer.full_precision(module).items():
        torch.testing.assert_close(average, weights[name])


@pytest.mark.parametrize("schedule", ["constant", "inverse_sqrt", "cosine", "linear"])
def test_the_average_shrinks_with_the_cooldown(schedule: str) -> None:
    config = TrainingConfig(schedule=schedule, max_steps=1000, warmup_steps=100, cooldown=0.2)
    begins = first_cooldown_step(config) if schedule in ("constant", "inverse_sqrt") else 101
    factors = [ema_factor(step, config) for step in range(1, 1001)]
    assert factors[: begins - 1] == [1.0] * (begins - 1)
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[begins - 1 :]))
    assert factors[-1] < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_model_computes_with_the_average_only_meanwhile(dtype: torch.dtype) -> None:
    module, twin = network().to(dtype), network().to(dtype)
    optimizer, without = optimizer_of(module, 0.2), optimizer_of(twin, 0.0)
    places = [weight.data_ptr() for weight in module.parameters()]
    for number in range(8):
        update(module, optimizer, number)
        update(twin, without, number)
        averages = optimizer.full_precision(module)
        with torch.inference_mode(), optimizer.averaged():
            for name, weight in module.named_parameters():
                assert torch.equal(weight, averages[name].to(dtype))
        with pytest.raises(RuntimeError), optimizer.averaged():
            module(torch.ones(1, 5, dtype=dtype))  # a wrong width
        assert [weight.data_ptr() for weight in module.parameters()] == places
        for weight, expected in zip(module.parameters(), twin.parameters(), strict=True):
            assert torch.equal(weight, expected)
    different = [n for n, w in module.named_parameters() if not torch.equal(w, averages[n])]
    assert different


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_restores_the_average(dtype: torch.dtype) -> None:
    module = network().to(dtype)
    optimizer = optimizer_of(module, 0.1)
    for number in range(5):
        update(module, optimizer, number)
    weights, state = copy.deepcopy(module.state_dict()), copy.deepcopy(optimizer.state_dict())
    other = network().to(dtype)
    other.load_state_dict(weights)
    restored = optimizer_of(other, 0.1)
    restored.load_state_dict(state)
    for number in range(5, 9):
        update(module, optimizer, number)
        update(other, restored, number)
    expected = optimizer.full_precision(module)
    for name, average in restored.full_precision(other).items():
        assert torch.equal(average, expected[name])


def train(
    corpus: dict,
    cache: Path,
    directory: Path,
    ema: float,
    should_pause: Callable[[], bool] = lambda: False,
    **changes: object,
) -> tuple[list[Validation], list[CurvePoint]]:
    config = small_config(corpus, model__dropout=0.3, training__ema=ema, **changes)
    told: list[Validation] = []
    points: list[CurvePoint] = []

    def observe(validation: Validation) -> Decision:
        told.append(validation)
        return Decision.CONTINUE

    fit(config, prepare(config, cache), directory, observe, points.append, should_pause)
    return told, points


def course(points: list[CurvePoint]) -> list[tuple[int, float, float]]:
    return [(point.step, point.loss, point.grad_norm) for point in points]


def state(directory: Path) -> dict[str, Tensor]:
    checkpoint = torch.load(directory / LAST_CHECKPOINT, weights_only=True)
    return {**checkpoint["optimizer_states"][0], **checkpoint["state_dict"]}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_validations_judge_the_average_and_training_does_not_notice(
    reversal: dict, cache: Path, tmp_path: Path, precision: str
) -> None:
    options = {"training__precision": precision}
    told, points = train(reversal, cache, tmp_path / "average", 0.3, **options)
    plain, expected = train(reversal, cache, tmp_path / "plain", 0.0, **options)
    assert course(points) == course(expected)
    ours, theirs = state(tmp_path / "average"), state(tmp_path / "plain")
    assert ours.keys() - theirs.keys() == {"averages"}
    for name in theirs.keys() - {"state", "param_groups"}:
        assert torch.equal(ours[name], theirs[name]), name
    assert [one.loss for one in told] != [one.loss for one in plain]
    # Kept are the weights that were judged.
    config = small_config(reversal, **options)
    best = load_best(tmp_path / "average")
    module = TranslationModule(config, prepare(config, cache))
    module.model.load_state_dict(best, strict=False)
    module.to(torch.bfloat16 if precision == "bf16" else torch.float32)
    assert module.translate_validation(len(module.data.validation))
    assert module.hypotheses == [one for one in told if one.is_best][-1].hypotheses


@pytest.mark.parametrize("question", [3, 6, 7, 8, 13])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_uninterrupted(
    reversal: dict, cache: Path, tmp_path: Path, precision: str, question: int
) -> None:
    """Between steps, and in each part of a validation, which is abandoned."""
    options = {"training__precision": precision, "training__average_checkpoints": 2}
    asked = iter(range(1, 1000))
    whole, _ = train(reversal, cache, tmp_path / "whole", 0.2, **options)
    first, _ = train(
        reversal, cache, tmp_path / "parts", 0.2, lambda: next(asked) >= question, **options
    )
    rest, _ = train(reversal, cache, tmp_path / "parts", 0.2, **options)
    assert len(first) < 3
    for one, other in zip(first + rest, whole, strict=True):
        assert (one.step, one.scores, one.loss) == (other.step, other.scores, other.loss)
    ours, theirs = state(tmp_path / "parts"), state(tmp_path / "whole")
    for name in ("masters", "averages"):
        assert torch.equal(ours[name], theirs[name])
    best = load_best(tmp_path / "whole")
    for name, weight in load_best(tmp_path / "parts").items():
        assert torch.equal(weight, best[name])
