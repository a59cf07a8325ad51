"""The LightningModule: a Transformer, its loss, its optimizer and its validation.

Shapes: B sentences, S source subwords, T target subwords, D width, V subwords of the output.
"""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import Batch, TrainingBatches, bucketed, evaluation_batches
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.decoding.engines import decoder, decoding_batches
from automl_tf.model.loss import Loss, label_smoothed_cross_entropy
from automl_tf.model.transformer import Transformer
from automl_tf.scoring.scores import Scorer, Scores
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.training.attention_map import AttentionMap, attention_maps
from automl_tf.training.events import Pause, never
from automl_tf.training.graphs import StepGraphs, StepWork
from automl_tf.training.growing import num_validated
from automl_tf.training.multipliers import rate_multipliers
from automl_tf.training.optimizer import MasterAdamW
from automl_tf.training.randomness import random_state, restore_random_state, seed_apart
from automl_tf.training.schedule import learning_rate_factor
from automl_tf.training.streams import GrowingBatches, Stream
from automl_tf.training.team import ALONE, Team

GREEDY = 1


class TranslationModule(L.LightningModule):
    """Trains a Transformer on token batches and validates it by BLEU.

    The weights are drawn from torch's global random state: seed it first.

    Args:
        config: Every setting of the training.
        data: The prepared corpus.
        team: Those that train it together.
        should_pause: Asked between the batches of a validation whether to abandon it.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: PreparedData,
        team: Team = ALONE,
        should_pause: Pause = never,
    ) -> None:
        super().__init__()
        self.config = config
        self.data = data
        self.team = team
        self.model = build_model(config, data)
        self.batches_done = 0
        self.skips_validation = False
        self.abandoned_validation = False
        """Whether the last validation was abandoned for a pause; it has no scores then."""
        self.hypotheses: tuple[str, ...] = ()
        self.hypothesis_ids: list[list[int]] = []
        self.scores = Scores(0.0, 0.0)
        self.sentences: SentenceStatistics
        self.loss = float("nan")
        self._should_pause = should_pause
        self._scorer = Scorer(data.validation.target_text, config.corpus.target_lang)
        self._losses: list[tuple[Tensor, int]] = []
        self._saved_random: list[dict[str, Any]] = []
        self._graphed_step: StepWork | None = None

    @property
    def master_optimizer(self) -> MasterAdamW:
        """The optimizer that holds the fp32 weights."""
        optimizer = self.trainer.optimizers[0]
        assert isinstance(optimizer, MasterAdamW)
        return optimizer

    @property
    def uses_graphs(self) -> bool:
        """Whether steps run as CUDA graphs: not where others share in their gradients."""
        return (
            self.device.type == "cuda" and self.team.size == 1 and not self.config.trainer.compile
        )

    def training_step(self, batch: Batch, _batch_index: int) -> Tensor:
        """Label-smoothed cross entropy over the batch's real target tokens."""
        if self._graphed_step is not None:
            if self.batches_done % self.config.training.accumulate == 0:
                self.master_optimizer.forget_added()
            return self._graphed_step(batch)
        loss = self._cross_entropy(batch, self.config.training.label_smoothing).smoothed
        if self.team.size == 1:
            return loss
        # The gradients of the team are averaged, and each has its own part of the tokens.
        return loss * (self.team.size * batch.num_tokens / batch.whole_tokens)

    def backward(self, loss: Tensor) -> None:
        """Computes the gradients, unless the step did so as a whole."""
        if self._graphed_step is None:
            loss.backward()  # type: ignore[no-untyped-call]

    def _forward_and_backward(self, batch: Batch) -> Tensor:
        """Adds the gradients of a batch to those of the next update; its loss."""
        training = self.config.training
        loss = self._cross_entropy(batch, training.label_smoothing).smoothed
        self.master_optimizer.add_gradients_of(loss / training.accumulate)
        return loss.detach()

    def on_validation_epoch_start(self) -> None:
        """Forgets what an abandoned validation has left."""
        self.abandoned_validation = False
        self._losses.clear()

    def validation_step(self, batch: Batch, _batch_index: int) -> None:
        """Collects the cross entropy of a batch of the validation split."""
        if self.skips_validation or self.abandoned_validation:
            return
        self.abandoned_validation = self._should_pause()
        loss = self._cross_entropy(batch, smoothing=0.0).nll
        self._losses.append((loss, batch.num_tokens))

    def on_validation_epoch_end(self) -> None:
        """Translates what this validation takes of the split greedily and scores it."""
        if self.skips_validation or self.abandoned_validation:
            return
        total = sum(float(loss) * count for loss, count in self._losses)
        sums = self.team.gather((total, sum(count for _, count in self._losses)))
        self.loss = sum(total for total, _ in sums) / sum(count for _, count in sums)
        self.abandoned_validation = not self.translate_validation(self._num_validated())

    def translate_validation(self, num_sentences: int) -> bool:
        """Sets hypotheses, ``sentences`` and ``scores`` to what the present weights reach.

        Args:
            num_sentences: Sentences to translate, the first of the split.

        Returns:
            Whether all were translated; if not, the training should pause and nothing is set.
        """
        mine = self._translate(self.team.share(self.data.validation.first(num_sentences).sources()))
        if mine is None:
            return False
        self.hypothesis_ids = self.team.merge(mine)
        self.hypotheses = tuple(self.data.vocabulary.target.decode_batch(self.hypothesis_ids))
        self.sentences = self._scorer.sentences(self.hypotheses)
        self.scores = Scores(self.sentences.bleu, self._scorer.chrf(self.hypotheses))
        return True

    def _translate(self, sources: Sequence[Sequence[int]]) -> list[list[int]] | None:
        """Translates sentences batch by batch; None if the training should pause."""
        engine = self.config.decoding.engine
        translate = decoder(engine)
        batches = list(decoding_batches(engine, self.model, sources, GREEDY))
        translations: dict[int, list[int]] = {}
        # Every process of the team has to ask as often as the others.
        for number in range(max(self.team.gather(len(batches)))):
            if self._should_pause():
                return None
            indices = batches[number] if number < len(batches) else []
            found = translate(
                self.model,
                [sources[index] for index in indices],
                bos=BOS,
                eos=EOS,
                pad=PAD,
                beam_size=GREEDY,
                length_penalty=0.0,
            )
            for index, best in zip(indices, found, strict=True):
                translations[index] = list(best.tokens)
        return [translations[index] for index in range(len(sources))]

    def attention_maps(self) -> tuple[AttentionMap, ...]:
        """What the present weights look at while they translate some of the sentences."""
        return attention_maps(self.model, self.data, self.hypothesis_ids)

    def _num_validated(self) -> int:
        """Sentences of a validation at the present step."""
        return num_validated(
            self.trainer.global_step, self.config.training, len(self.data.validation)
        )

    def _cross_entropy(self, batch: Batch, smoothing: float) -> Loss:
        hidden_BTD = self.model(batch.source_BS, batch.target_in_BT)
        return label_smoothed_cross_entropy(
            hidden_BTD, self.model.output_weight_VD, batch.target_out_BT, smoothing, pad_id=PAD
        )

    def train_dataloader(self) -> Stream:
        """The batches that are still to come."""
        training = self.config.training
        batches = TrainingBatches(
            self.data.train,
            training.batch_tokens,
            self.config.seed,
            self.team.rank,
            self.team.size,
        )
        if not self.uses_graphs:
            return Stream(batches, self.batches_done)
        longest = self.config.data.longest_sequence
        return Stream(
            batches,
            self.batches_done,
            lambda batch: bucketed(batch, training.batch_tokens, longest),
        )

    def val_dataloader(self) -> GrowingBatches:
        """What each validation takes of the split, in batches of like length."""
        return GrowingBatches(self._validation_batches, self._num_validated)

    def _validation_batches(self, num_sentences: int) -> list[Batch]:
        batches = evaluation_batches(
            self.data.validation.first(num_sentences),
            self.config.training.batch_tokens,
            self.team.rank,
            self.team.size,
        )
        return [batch for _, batch in batches]

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, _dataloader_index: int
    ) -> Batch:
        """Moves a batch's tensors."""
        return batch.to(device)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW under the schedule of the configuration."""
        training = self.config.training
        optimizer = MasterAdamW(
            self.model.parameters(),
            lr=training.learning_rate,
            beta2=training.beta2,
            weight_decay=training.weight_decay,
            clip_norm=training.clip_norm,
            multipliers=rate_multipliers(self.model, training.learning_rate_scale),
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda steps_done: learning_rate_factor(steps_done + 1, training)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_validation_model_zero_grad(self) -> None:
        """Leaves the gradients alone: the next step forgets them anyway."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the position in the data and the random state of every process."""
        checkpoint["position"] = {
            "batches_done": self.batches_done,
            "random": self.team.gather(random_state(self.device)),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the position in the data; the random state waits until training starts."""
        self.batches_done = checkpoint["position"]["batches_done"]
        self._saved_random = checkpoint["position"]["random"]

    def on_train_start(self) -> None:
        """Restores the random state once nothing else draws from it, and sets the step up."""
        if self.uses_graphs:
            self._graphed_step = StepGraphs(self._forward_and_backward, self.model)
        rank = self.team.rank
        if rank < len(self._saved_random):
            restore_random_state(self._saved_random[rank], self.device)
        elif rank > 0:
            # All have drawn the same weights; their dropout has to differ.
            seed_apart(self.config.seed, rank, self.batches_done)

    def on_train_end(self) -> None:
        """Lets go of the graphs' memory, which the next trial of this process may need."""
        self._graphed_step = None


def build_model(config: TrialConfig, data: PreparedData) -> Transformer:
    """A model with fresh weights for the corpus's vocabulary."""
    return Transformer(
        config.model, data.vocabulary.sizes, config.data.longest_sequence, pad_id=PAD
    )
