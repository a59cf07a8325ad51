"""Steps as CUDA graphs take them; without a GPU, all but the graphs themselves."""

from pathlib import Path

import pytest
import torch

from automl_tf.data.batches import TrainingBatches, bucketed
from automl_tf.data.prepare import prepare
from automl_tf.data.subwords import PAD
from automl_tf.model.loss import label_smoothed_cross_entropy
from automl_tf.training import module as module_file
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from automl_tf.training.graphs import StepGraphs
from automl_tf.training.module import TranslationModule, build_model
from tests.conftest import small_config

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


def test_a_filled_up_batch_has_the_same_loss_and_gradients(reversal, cache) -> None:
    config = small_config(reversal, model__dropout=0.0)
    data = prepare(config, cache)
    torch.manual_seed(1)
    model = build_model(config, data)
    batch = next(TrainingBatches(data.train, 512, seed=1))
    results = []
    for each in (batch, bucketed(batch, 512, config.data.longest_sequence)):
        hidden_BTD = model(each.source_BS, each.target_in_BT)
        loss = label_smoothed_cross_entropy(
            hidden_BTD, model.output_weight_VD, each.target_out_BT, 0.1, pad_id=PAD
        ).smoothed
        results.append((loss, *torch.autograd.grad(loss, list(model.parameters()))))
    assert each.source_BS.shape != batch.source_BS.shape
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"training__accumulate": 2}, {"data__max_length": 9}])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_step_without_graphs_of_its_own_takes_the_same_course(
    reversal, cache, tmp_path, monkeypatch, settings, positions
) -> None:
    settings = {**settings, "model__dropout": 0.0, "model__positions": positions}
    plain = course(reversal, cache, tmp_path / "plain", **settings)
    monkeypatch.setattr(TranslationModule, "uses_graphs", True)
    monkeypatch.setattr(module_file, "StepGraphs", lambda work, _model: work)
    whole = course(reversal, cache, tmp_path / "whole", **settings)
    torch.testing.assert_close(whole, plain, rtol=1e-4, atol=1e-5)


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
