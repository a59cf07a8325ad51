"""Steps as CUDA graphs take them; without a GPU, all but the graphs themselves."""

from itertools import islice
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from automl_tf.data.batches import Batch, TrainingBatches
from automl_tf.data.prepare import prepare
from automl_tf.data.subwords import PAD
from automl_tf.model.loss import label_smoothed_cross_entropy
from automl_tf.training import module as module_file
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from automl_tf.training.graphs import StepGraphs
from automl_tf.training.module import TranslationModule, build_model
from tests.conftest import small_config
from tests.training.pretended_gpu import pretend

STEPS = 12
ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def course(corpus: dict, cache: Path, folder: Path, **settings: object) -> torch.Tensor:
    """Loss and gradient norm of each step, and the loss of each validation."""
    config = small_config(
        corpus,
        training__max_steps=STEPS,
        training__validate_every=4,
        training__warmup_steps=2,
        training__precision="fp32",
        **settings,
    )
    told: list[Validation] = []

    def observe(validation: Validation) -> Decision:
        told.append(validation)
        return Decision.CONTINUE

    fit(config, prepare(config, cache), folder, observe)
    points = [point for validation in told for point in validation.curve]
    assert len(points) == STEPS
    numbers = [number for point in points for number in (point.loss, point.grad_norm)]
    return torch.tensor([*numbers, *(validation.loss for validation in told)])


def _static_batches(*args, static_shapes: bool) -> TrainingBatches:
    """The batches of a step with graphs, for one that has none."""
    assert not static_shapes
    return TrainingBatches(*args, static_shapes=True)


def test_a_filled_up_batch_has_the_same_loss_and_gradients(reversal, cache) -> None:
    config = small_config(reversal, model__dropout=0.0)
    data = prepare(config, cache)
    torch.manual_seed(1)
    model = build_model(config, data)
    # The last of three processes has rows to fill up.
    batch = max(
        islice(TrainingBatches(data.train, 512, 1, 2, 3, static_shapes=True), 20),
        key=lambda batch: int((batch.target_out_BT == PAD).all(1).sum()),
    )
    is_real = (batch.target_out_BT != PAD).any(1)
    assert not is_real.all()
    results = []
    for each in (batch.each(lambda side: side[is_real]), batch):
        hidden_BTD = model(each.source_BS, each.target_in_BT)
        loss = label_smoothed_cross_entropy(
            hidden_BTD, model.output_weight_VD, each.target_out_BT, 0.1, pad_id=PAD
        ).smoothed
        results.append((loss, *torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"training__accumulate": 2}, {"data__max_length": 9}])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_step_without_graphs_of_its_own_takes_the_same_course(
    reversal, cache, tmp_path, monkeypatch, settings, positions
) -> None:
    settings = {**settings, "model__dropout": 0.0, "model__positions": positions}
    with monkeypatch.context() as same_batches:
        same_batches.setattr(module_file, "TrainingBatches", _static_batches)
        plain = course(reversal, cache, tmp_path / "plain", **settings)
    monkeypatch.setattr(TranslationModule, "uses_graphs", True)
    monkeypatch.setattr(module_file, "StepGraphs", lambda work, _model: work)
    whole = course(reversal, cache, tmp_path / "whole", **settings)
    torch.testing.assert_close(whole, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"training__accumulate": 2}])
@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_replayed_kernels_take_the_same_course(
    reversal, cache, tmp_path, monkeypatch, settings, positions
) -> None:
    settings = {**settings, "model__dropout": 0.0, "model__positions": positions}
    graphs = pretend(monkeypatch)
    replayed = course(reversal, cache, tmp_path / "replayed", **settings)
    assert sum(graph.num_replays for graph in graphs) > STEPS / 3
    # The same batches of static shapes, kernel by kernel.
    monkeypatch.setattr(module_file, "StepGraphs", lambda work, _model: work)
    plain = course(reversal, cache, tmp_path / "plain", **settings)
    torch.testing.assert_close(replayed, plain, rtol=1e-4, atol=1e-5)


def test_dropout_differs_from_replay_to_replay(monkeypatch) -> None:
    pretend(monkeypatch)
    graphs = StepGraphs(lambda batch: F.dropout(batch.source_BS.float(), 0.5), nn.Linear(1, 1))
    ones = torch.ones(4, 50, dtype=torch.int64)
    batch = Batch(ones, ones, ones, 200, 200)
    drawn = [graphs(batch).clone() for _ in range(5)]
    assert len({tuple(mask.flatten().tolist()) for mask in drawn}) == 5


@pytest.fixture
def summed(monkeypatch) -> tuple[StepGraphs, torch.Tensor, list[str]]:
    """Graphs of a step that adds the ids of a batch to a sum, the sum, and what Python did."""
    pretend(monkeypatch)
    total, calls = torch.zeros(()), []

    def work(batch: Batch) -> torch.Tensor:
        calls.append("work")
        total.add_(batch.source_BS.sum())
        return batch.source_BS.float().mean()

    return StepGraphs(work, nn.Linear(1, 1)), total, calls


def ids(rows: int, value: int) -> Batch:
    side = torch.full((rows, 3), value)
    return Batch(side, side, side, side.numel(), side.numel())


def test_graphs_read_each_batch_and_write_the_same_places(summed) -> None:
    graphs, total, calls = summed
    for value in range(1, 6):
        assert float(graphs(ids(2, value))) == value
    assert float(total) == 6 * sum(range(1, 6))
    # Once outside of a graph, once to capture it.
    assert calls == ["work", "work"]
    assert graphs.num_graphs == 1
    assert float(graphs(ids(4, 1))) == 1.0
    assert graphs.num_graphs == 1
    assert float(graphs(ids(2, 9))) == 9.0
    assert float(total) == 6 * sum(range(1, 6)) + 12 + 54


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: operation failed due to a previous error during capture"),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_a_shape_that_cannot_be_captured_runs_without_a_graph(summed, monkeypatch, error) -> None:
    graphs, total, _ = summed
    graphs(ids(2, 1))
    before = total.clone()
    with monkeypatch.context() as patched:
        patched.setattr(StepGraphs, "_capture", lambda *_: (_ for _ in ()).throw(error))
        assert float(graphs(ids(2, 2))) == 2.0
    assert float(total - before) == 12.0
    assert graphs.num_graphs == 0
    for value in (3, 4):
        assert float(graphs(ids(2, value))) == value
    assert float(total) == 6 * (1 + 2 + 3 + 4)
    assert graphs.num_graphs == 0


def test_a_dead_device_is_no_reason_to_go_on_without_graphs(summed, monkeypatch) -> None:
    graphs, _, _ = summed
    error = RuntimeError("CUDA error: device-side assert triggered")
    graphs(ids(2, 1))
    monkeypatch.setattr(StepGraphs, "_capture", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(RuntimeError, match="device-side"):
        graphs(ids(2, 1))


@ON_A_GPU
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_graphs_take_the_same_course(reversal, cache, tmp_path, monkeypatch, dropout) -> None:
    made: list[StepGraphs] = []

    def remember(work, model):
        made.append(StepGraphs(work, model))
        return made[-1]

    settings = {"model__dropout": dropout, "training__batch_tokens": 256}
    monkeypatch.setattr(module_file, "StepGraphs", remember)
    graphs = course(reversal, cache, tmp_path / "graphs", **settings)
    assert made[0].num_graphs > 0
    monkeypatch.setattr(module_file, "StepGraphs", lambda work, _model: work)
    whole = course(reversal, cache, tmp_path / "whole", **settings)
    torch.testing.assert_close(graphs, whole, rtol=1e-3, atol=1e-4)
