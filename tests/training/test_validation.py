"""Validations over a growing part of the split: how much, which sentences, and what stays best."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from automl_tf.bundle.bundle import Bundle
from automl_tf.config.settings import TrainingConfig, TrialConfig
from automl_tf.data.batches import evaluation_batches
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.data.text import normalize
from automl_tf.decoding.constraints import LengthBound
from automl_tf.model.loss import label_smoothed_cross_entropy
from automl_tf.scoring.scores import Scorer
from automl_tf.training.attention_maps import AttentionMap
from automl_tf.training.checkpoints import TrainingDirectory, load_best
from automl_tf.training.events import Decision, Outcome, Validation
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule
from automl_tf.training.validation import NUM_SAMPLES, Samples, num_validated
from tests.conftest import small_config, write_reversal

HELD_OUT = 40
FIRST = 10


def growing(reversal: dict, **changes: object) -> TrialConfig:
    """Validations of 10, 20 and 40 sentences, then of all 40."""
    given = {"training__validate_sentences": FIRST, "training__max_steps": 16, **changes}
    return small_config(reversal, **given)


def trained(
    config: TrialConfig, data: PreparedData, folder: Path, pauses: Sequence[int] = ()
) -> list[Validation]:
    """What a training tells that pauses after these validations and goes on each time."""
    told: list[Validation] = []
    left = set(pauses)

    def observe(validation: Validation) -> Decision:
        told.append(validation)
        return Decision.CONTINUE

    def should_pause() -> bool:
        return len(told) in left

    while fit(config, data, folder, observe, should_pause=should_pause).outcome is Outcome.PAUSED:
        left.discard(len(told))
    return told


@pytest.mark.parametrize("available", [1, 40, 499, 500, 501, 1014, 3000, 10**6])
@pytest.mark.parametrize("first", [1, 7, 500])
@pytest.mark.parametrize(("every", "most"), [(500, 6000), (100, 250), (700, 300), (1, 1000)])
def test_sentences_double_up_to_all_and_the_last_validation_takes_all(
    first: int, available: int, every: int, most: int
) -> None:
    training = TrainingConfig(validate_sentences=first, validate_every=every, max_steps=most)
    steps = [*range(every, most, every), most]
    sizes = [num_validated(step, training, available) for step in steps]
    assert sizes[-1] == available
    for size, following in itertools.pairwise(sizes[:-1]):
        assert following == min(2 * size, available)
    if len(sizes) > 1:
        assert sizes[0] == min(first, available)


def test_all_sentences_are_taken_where_none_are_asked_for_first() -> None:
    training = TrainingConfig(validate_sentences=0)
    assert {num_validated(step, training, 3000) for step in (500, 1000, 6000)} == {3000}


def test_small_splits_are_always_whole() -> None:
    assert num_validated(500, TrainingConfig(), 400) == 400
    assert num_validated(500, TrainingConfig(), 3000) < 3000


def test_validations_take_prefixes_and_score_just_these(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = growing(reversal)
    data = prepare(config, cache)
    told = trained(config, data, tmp_path)
    assert [len(validation.hypotheses) for validation in told] == [10, 20, 40, 40]
    assert [validation.metrics()["val_sentences"] for validation in told] == [10, 20, 40, 40]
    for validation in told:
        size = len(validation.hypotheses)
        scorer = Scorer(data.validation.target_text[:size], "en")
        assert validation.scores == scorer.score(validation.hypotheses)
        assert validation.sentences.bleu == validation.scores.bleu
        assert len(validation.sentences) == size


def test_a_subset_does_not_change_the_training(reversal: dict, cache: Path, tmp_path: Path) -> None:
    """The same weights at each step, and of each sentence the same translation."""
    config, whole = growing(reversal), growing(reversal, training__validate_sentences=0)
    data = prepare(config, cache)
    some, all_of_them = (
        trained(one, data, tmp_path / name) for name, one in (("some", config), ("all", whole))
    )
    for part, full in zip(some, all_of_them, strict=True):
        assert part.hypotheses == full.hypotheses[: len(part.hypotheses)]
        assert [point.loss for point in part.curve] == [point.loss for point in full.curve]
    assert some[-1].scores == all_of_them[-1].scores


def test_the_loss_is_that_of_the_sentences_translated(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = growing(reversal, training__precision="fp32")
    data = prepare(config, cache)
    weights, losses = {}, {}

    def observe(validation: Validation) -> Decision:
        losses[validation.step] = validation.loss
        if validation.is_best:
            path = TrainingDirectory(tmp_path).new_best_weights(validation.step)
            weights[validation.step] = load_file(path)
        return Decision.CONTINUE

    fit(config, data, tmp_path, observe)
    module = TranslationModule(config, data)
    for step, size in ((4, 10), (8, 20)):
        module.model.load_state_dict(weights[step])
        module.eval()
        total = tokens = 0.0
        for _, batch in evaluation_batches(data.validation.first(size), 256):
            hidden = module.model(batch.source_BS, batch.target_in_BT)
            loss = label_smoothed_cross_entropy(
                hidden, module.model.output_weight_VD, batch.target_out_BT, 0.0, pad_id=0
            )
            total += float(loss.nll.detach()) * batch.num_tokens
            tokens += batch.num_tokens
        assert losses[step] == pytest.approx(total / tokens, rel=1e-4)


@pytest.mark.parametrize("pauses", [(1,), (2,), (1, 2, 3)])
def test_resumed_equals_uninterrupted_while_subsets_grow(
    reversal: dict, cache: Path, tmp_path: Path, pauses: tuple[int, ...]
) -> None:
    config = growing(reversal, model__dropout=0.3)
    data = prepare(config, cache)
    whole = trained(config, data, tmp_path / "whole")
    parts = trained(config, data, tmp_path / "parts", pauses)
    assert len(parts) == len(whole) == 4
    for told, other in zip(parts, whole, strict=True):
        assert (told.step, told.scores, told.loss) == (other.step, other.scores, other.loss)
        assert told.hypotheses == other.hypotheses
        assert told.is_best == other.is_best
    expected = load_best(tmp_path / "whole")
    for name, weight in load_best(tmp_path / "parts").items():
        assert torch.equal(weight, expected[name])


@pytest.mark.parametrize("average", [1, 2])
def test_the_best_is_never_one_of_fewer_sentences(
    reversal: dict, cache: Path, tmp_path: Path, average: int
) -> None:
    """At a rate so high that the model forgets, the first validations need not be the worst."""
    config = growing(reversal, training__learning_rate=0.5, training__average_checkpoints=average)
    data = prepare(config, cache)
    told: list[Validation] = []

    def observe(validation: Validation) -> Decision:
        told.append(validation)
        return Decision.CONTINUE

    result = fit(config, data, tmp_path, observe)
    assert [validation.is_best for validation in told[:3]] == [True] * 3
    assert result.best_sentences is not None
    assert len(result.best_sentences) == len(data.validation)
    assert result.best is not None
    assert result.best.bleu >= max(one.scores.bleu for one in told[2:])
    stopped = fit(config, data, tmp_path / "stopped", lambda _: Decision.STOP)
    assert stopped.best_sentences is not None
    assert len(stopped.best_sentences) == FIRST


def test_patience_counts_where_sentences_are_the_same(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = growing(
        reversal,
        training__learning_rate=1e-9,
        training__patience=2,
        training__max_steps=60,
        training__validate_every=2,
        training__warmup_steps=1,
    )
    data = prepare(config, cache)
    told = trained(config, data, tmp_path / "whole")
    assert [len(validation.hypotheses) for validation in told] == [10, 20, 40, 40, 40]
    # What was counted survives a pause, also one that is asked for where patience runs out.
    for pauses in ((4,), (5,)):
        again = trained(config, data, tmp_path / str(pauses), pauses)
        assert [one.step for one in again] == [one.step for one in told]


def test_samples_and_maps_show_the_same_sentences_at_all_validations(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = growing(reversal)
    data = prepare(config, cache)
    told = trained(config, data, tmp_path)
    samples = Samples(data, "en")
    shown = [[row["source"] for row in samples.rows(validation.hypotheses)] for validation in told]
    assert shown == [data.validation.source_text[:NUM_SAMPLES]] * len(told)
    maps: list[Sequence[AttentionMap]] = [one.attention for one in told if one.is_best]
    assert len(maps) >= 3
    sources = [[made.source for made in of_one] for of_one in maps]
    assert all(one == sources[0] for one in sources)


def test_a_validation_of_a_single_sentence_is_one(
    reversal: dict, cache: Path, tmp_path: Path
) -> None:
    config = growing(reversal, training__validate_sentences=1)
    told = trained(config, prepare(config, cache), tmp_path)
    assert [len(validation.hypotheses) for validation in told] == [1, 2, 4, HELD_OUT]
    assert all(len(one.attention) <= len(one.hypotheses) for one in told)


ODD = [
    *("", "   ", "\u2028", "\x00", "\u200b\ufeff", "\r", "eins\u2028zwei\x85drei", "zwo\u0308lf"),
    *("eins zwei. " * 30, "eins" * 60, "日本語。" * 25, "👩‍👩‍👧 " * 20, "1234567890" * 9),
    *("eins zwei, drei! " * 3, "\u0301\u0301", "\ufdd0\ufdda", "▁▁ low ▁", "<pad> </s> <unk>"),
]


@pytest.mark.parametrize("engine", ["torch", "ctranslate2"])
def test_a_bundle_translates_as_the_validation_did(engine: str, tmp_path: Path) -> None:
    """Whatever stands in the split: nothing, more than a model takes, or odd characters."""
    corpus = write_reversal(tmp_path, pairs=200)
    source, target = (Path(corpus["validation"][side]) for side in ("source", "target"))
    source.write_text("".join(f"{line}\n" for line in ODD * 2), encoding="utf-8")
    target.write_text("eins zwei drei vier fünf\n" * len(ODD) * 2, encoding="utf-8")
    config = small_config(corpus, data__max_length=16, decoding__engine=engine)
    data = prepare(config, tmp_path / "cache")
    torch.manual_seed(1)
    module = TranslationModule(config, data).eval()
    bound = dataclasses.asdict(LengthBound.of_corpus(data.length_ratio))
    bundle = Bundle(config, data.vocabulary, module.model.state_dict(), {"length_bound": bound})
    texts = data.validation.source_text
    for size in (1, 7, len(texts)):
        assert module.translate_validation(size)
        translations = bundle.translate(texts[:size], beam_size=1)
        assert list(module.hypotheses) == translations
        assert len(module.hypothesis_ids) == size
        assert all(len(line.splitlines()) <= 1 for line in module.hypotheses)
        scores = Scorer(data.validation.target_text[:size], "en").score(translations)
        assert module.scores == scores
    empty = [text for text in texts if not normalize(text)]
    assert len(empty) == 2 * 7
    assert all(not module.hypotheses[texts.index(text)] for text in empty)
