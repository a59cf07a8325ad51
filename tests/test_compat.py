"""Private APIs of torch, Lightning and sacrebleu still do what we need of them.

Runs with the lowest versions that pyproject.toml allows too (``.ci/run``).
"""

import ast
import signal
from pathlib import Path

import lightning as L
import pytest
import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

import automl_tf
from automl_tf import compat

PACKAGE = Path(automl_tf.__file__).parent
OWNERS = {"compat.py", "search/optuna_compat.py", "tracking/client.py"}
OWN = {"self", "cls", "run"}
"""Names whose private attributes are ours."""
PUBLIC = {"_exit", "_asdict", "_replace", "_fields"}
"""Attributes with an underscore that Python documents."""

REFERENCES = ["the cat sat on the mat", "a dog barks at night", "it rains"]
HYPOTHESES = ["the cat sat on a mat", "a dog barks", "it rains"]


def test_the_gradient_of_a_softmax_is_autograds() -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        scores = torch.randn(3, 5, 7, dtype=dtype, requires_grad=True)
        softmax = scores.softmax(-1)
        incoming = torch.randn_like(softmax)
        (expected,) = torch.autograd.grad(softmax, scores, incoming)
        found = compat.softmax_backward(incoming, softmax.detach())
        torch.testing.assert_close(found, expected)


def test_tensors_are_copied_into_their_places() -> None:
    buffer = torch.zeros(10)
    places = (buffer[:4].view(2, 2), buffer[5:8])
    compat.copy_each(places, (torch.ones(2, 2), torch.full((3,), 2.0)))
    assert buffer.tolist() == [1, 1, 1, 1, 0, 2, 2, 2, 0, 0]


def trainer() -> L.Trainer:
    return L.Trainer(
        accelerator="cpu",
        max_steps=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class Regression(L.LightningModule):
    """Notes who handles SIGTERM while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.handlers: list[object] = []

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        self.handlers.append(signal.getsignal(signal.SIGTERM))
        return self.layer(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_trainer_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    for ignores in (False, True):
        made, module = trainer(), Regression()
        if ignores:
            compat.ignore_signals(made)
        made.fit(module, torch.ones(4, 2))
        assert made.global_step == 2
        assert (set(module.handlers) == {before}) == ignores


@pytest.mark.parametrize("metric", [BLEU, CHRF])
def test_a_confidence_interval_is_the_one_that_is_printed(metric) -> None:
    score = metric(references=[REFERENCES]).corpus_score(HYPOTHESES, None, n_bootstrap=50)
    assert f"{compat.confidence_interval(score):.3f}" in str(score.format(width=3))


def test_counts_of_sentences_add_up_to_the_score() -> None:
    metric = BLEU(references=[REFERENCES])
    for number in (1, 2, 3):
        counts = compat.sentence_counts(metric, HYPOTHESES[:number])
        assert len(counts) == number
        total = [sum(column) for column in zip(*counts, strict=True)]
        expected = BLEU().corpus_score(HYPOTHESES[:number], [REFERENCES[:number]])
        lengths, matches = total[:2], total[2 : 2 + metric.max_ngram_order]
        assert lengths == [expected.sys_len, expected.ref_len]
        assert matches == expected.counts


def private_uses(path: Path) -> list[str]:
    """Attributes with a leading underscore that a module takes from others than itself."""
    return [
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in PUBLIC
        and not (isinstance(node.value, ast.Name) and node.value.id in OWN)
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super")
    ]


def test_private_apis_are_used_in_the_compatibility_modules_alone() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if str(path.relative_to(PACKAGE)) not in OWNERS]
    assert [use for path in paths for use in private_uses(path)] == []


def test_a_packed_product_is_that_of_a_linear_layer() -> None:
    weight, bias = torch.randn(40, 24).bfloat16(), torch.randn(40).bfloat16()
    packed = compat.packed_weight(weight)
    if packed is None:
        pytest.skip("no product in bf16 on this processor")
    for rows in (1, 7, 100):
        x = torch.randn(rows, 24).bfloat16()
        torch.testing.assert_close(
            compat.packed_linear(x, packed, bias), torch.nn.functional.linear(x, weight, bias)
        )
        torch.testing.assert_close(
            compat.packed_linear(x, packed, None), torch.nn.functional.linear(x, weight)
        )


def test_bootstrap_scores_of_one_type_have_a_mean() -> None:
    chrf = CHRF(references=[["eins", "zwei", "drei"]])
    compat.unify_scores(chrf)
    score = chrf.corpus_score(["eins", "x", "y"], None, n_bootstrap=50)
    assert compat.confidence_interval(score) > 0
    assert isinstance(chrf.corpus_score(["x", "y", "z"], None).score, int | float)
