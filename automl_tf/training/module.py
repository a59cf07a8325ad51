"""The LightningModule: a Transformer, its loss, its optimizer and its validation.

Shapes: B sentences, S source subwords, T target subwords, D width, V subwords of the output.
"""

from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import Batch, TrainingBatches, evaluation_batches
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.decoding.constraints import GREEDY, LengthBound, SpecialTokens
from automl_tf.decoding.translator import Translator
from automl_tf.device import is_gpu, random_state, restore_random_state, seed_apart
from automl_tf.model.loss import Loss, label_smoothed_cross_entropy
from automl_tf.model.transformer import Transformer
from automl_tf.scoring.scores import Scorer, Scores
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.scoring.tokenizers import tokenizer_of
from automl_tf.training.attention_maps import AttentionMap, attention_maps
from automl_tf.training.distributed import SINGLE_PROCESS, ProcessGroup
from automl_tf.training.events import Pause, never
from automl_tf.training.graphs import StepGraphs, StepWork
from automl_tf.training.loaders import TrainingStream
from automl_tf.training.optimizer import MasterAdamW, rate_multipliers
from automl_tf.training.schedule import ema_factor, learning_rate_factor
from automl_tf.training.validation import ValidationBatches, ValidationSources, num_validated


class TranslationModule(L.LightningModule):
    """Trains a Transformer on token batches and validates it by BLEU.

    The loss of an update is the mean over the target tokens of all its batches, in all processes:
    the update of ``accumulate`` small batches, or of several devices, is that of one large batch.

    The weights are drawn from torch's global random state: seed it first.

    Args:
        config: Every setting of the training.
        data: The prepared corpus.
        processes: The processes that train it together.
        should_pause: Asked between the batches of a validation whether to abandon it.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: PreparedData,
        processes: ProcessGroup = SINGLE_PROCESS,
        should_pause: Pause = never,
    ) -> None:
        super().__init__()
        # Lightning's own loop would average over batches, however few tokens one has.
        self.automatic_optimization = False
        self.config = config
        self.data = data
        self.processes = processes
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
        self._scorer = Scorer(
            data.validation.target_text, config.corpus.target_lang, tokenizer_of(config)
        )
        self._sources = ValidationSources(data, config.data.max_length)
        self._losses: list[tuple[Tensor, int]] = []
        self._saved_random: list[dict[str, Any]] = []
        self._graphs: StepWork | None = None

    @property
    def master_optimizer(self) -> MasterAdamW:
        """Returns the optimizer, which holds the fp32 weights."""
        optimizer = self.trainer.optimizers[0]
        assert isinstance(optimizer, MasterAdamW)
        return optimizer

    @property
    def uses_graphs(self) -> bool:
        """Whether forward and backward passes run as CUDA graphs."""
        return is_gpu(self.device) and not self.config.trainer.compile

    def training_step(self, batch: Batch, _batch_index: int) -> None:
        """Adds the gradients of a batch; updates the weights after the last batch of an update."""
        add_gradients = self._graphs or self._add_gradients
        add_gradients(batch)
        if (self.batches_done + 1) % self.config.training.accumulate == 0:
            step = self.trainer.global_step + 1
            training, optimizer = self.config.training, self.master_optimizer
            optimizer.scale_learning_rates(learning_rate_factor(step, training))
            optimizer.scale_ema(ema_factor(step, training))
            # Lightning's wrapper counts the step.
            self.optimizers().step()  # type: ignore[union-attr]

    def _add_gradients(self, batch: Batch) -> Tensor:
        """Adds the gradients of a batch to those of the next update; returns its loss."""
        loss = self._cross_entropy(batch, self.config.training.label_smoothing).smoothed
        # Counted on the device: a CUDA graph reads the tensors of each batch anew, and no numbers.
        num_tokens = (batch.target_out_BT != PAD).sum()
        self.master_optimizer.add_gradients(loss * num_tokens, num_tokens)
        return loss.detach()

    def on_validation_epoch_start(self) -> None:
        """Removes what an abandoned validation has left."""
        self.abandoned_validation = False
        self._losses.clear()

    def validation_step(self, batch: Batch, _batch_index: int) -> None:
        """Computes the cross entropy of a batch of the validation split."""
        if self.skips_validation or self.abandoned_validation:
            return
        self.abandoned_validation = self._should_pause()
        with self.master_optimizer.averaged():
            loss = self._cross_entropy(batch, smoothing=0.0).nll
        self._losses.append((loss, batch.num_tokens))

    def on_validation_epoch_end(self) -> None:
        """Translates the sentences of this validation greedily and scores them."""
        if self.skips_validation or self.abandoned_validation:
            return
        total = sum(float(loss) * count for loss, count in self._losses)
        sums = self.processes.all_gather((total, sum(count for _, count in self._losses)))
        self.loss = sum(total for total, _ in sums) / sum(count for _, count in sums)
        with self.master_optimizer.averaged():
            self.abandoned_validation = not self.translate_validation(self._num_validated())
        if not self.abandoned_validation:
            scores = {"val_bleu": self.scores.bleu, "val_chrf": self.scores.chrf}
            # The same in all processes.
            self.log_dict({**scores, "val_loss": self.loss}, sync_dist=False)

    def translate_validation(self, num_sentences: int) -> bool:
        """Translates with the present weights; sets ``hypotheses``, ``sentences`` and ``scores``.

        Args:
            num_sentences: How many sentences to translate, the first of the split.

        Returns:
            Whether all were translated; if not, the training should pause and nothing is set.
        """
        mine = self._translate(self.processes.shard(self._sources.first(num_sentences)))
        if mine is None:
            return False
        found = self.processes.all_gather_shards(mine)
        texts = self.data.vocabulary.target.decode_batch(found)
        self.hypothesis_ids = self._sources.first_parts(num_sentences, found)
        self.hypotheses = self._sources.joined(num_sentences, texts)
        self.sentences = self._scorer.sentences(self.hypotheses)
        self.scores = Scores(self.sentences.bleu, self._scorer.chrf(self.hypotheses))
        return True

    def _translate(self, sources: Sequence[Sequence[int]]) -> list[list[int]] | None:
        """Translates sentences batch by batch; None if the training should pause."""
        translator = build_translator(self.model, self.config, self.data)
        batches = list(translator.batches(sources, GREEDY.beam_size))
        translations: dict[int, list[int]] = {}
        # Every rank has to ask as often as the others.
        for number in range(max(self.processes.all_gather(len(batches)))):
            if self._should_pause():
                return None
            indices = batches[number] if number < len(batches) else []
            found = translator.translate_batch([sources[index] for index in indices])
            for index, best in zip(indices, found, strict=True):
                translations[index] = list(best.tokens)
        return [translations[index] for index in range(len(sources))]

    def attention_maps(self) -> tuple[AttentionMap, ...]:
        """Returns the attention of the weights that translated for some of the sentences."""
        with self.master_optimizer.averaged():
            return attention_maps(self.model, self.data, self.hypothesis_ids)

    def _num_validated(self) -> int:
        """Returns how many sentences a validation at the present step takes."""
        return num_validated(
            self.trainer.global_step, self.config.training, len(self.data.validation)
        )

    def _cross_entropy(self, batch: Batch, smoothing: float) -> Loss:
        hidden_BTD = self.model(batch.source_BS, batch.target_in_BT)
        return label_smoothed_cross_entropy(
            hidden_BTD, self.model.output_weight_VD, batch.target_out_BT, smoothing, pad_id=PAD
        )

    def train_dataloader(self) -> TrainingStream:
        """Returns the batches that are still to come."""
        training = self.config.training
        batches = TrainingBatches(
            self.data.train,
            training.batch_tokens,
            self.config.seed,
            self.processes.rank,
            self.processes.world_size,
            static_shapes=self.uses_graphs,
        )
        return TrainingStream(batches, self.batches_done, ahead=is_gpu(self.device))

    def val_dataloader(self) -> ValidationBatches:
        """Returns what each validation takes of the split, in batches of similar length."""
        return ValidationBatches(self._validation_batches, self._num_validated)

    def _validation_batches(self, num_sentences: int) -> list[Batch]:
        batches = evaluation_batches(
            self.data.validation.first(num_sentences),
            self.config.training.batch_tokens,
            self.processes.rank,
            self.processes.world_size,
        )
        return [batch for _, batch in batches]

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, _dataloader_index: int
    ) -> Batch:
        """Moves the tensors of a batch to the device."""
        return batch.to(device)

    def configure_optimizers(self) -> MasterAdamW:
        """Returns the optimizer; ``training_step`` sets its learning rates by the schedule."""
        training = self.config.training
        return MasterAdamW(
            self.model.parameters(),
            lr=training.learning_rate,
            beta2=training.beta2,
            weight_decay=training.weight_decay,
            clip_norm=training.clip_norm,
            ema=training.ema,
            multipliers=rate_multipliers(self.model, training.learning_rate_scale),
            all_reduce=self.processes.all_reduce if self.processes.world_size > 1 else None,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the position in the data and the random state of every rank."""
        checkpoint["position"] = {
            "batches_done": self.batches_done,
            "random": self.processes.all_gather(random_state(self.device)),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores the position in the data; the random state follows in ``on_train_start``."""
        self.batches_done = checkpoint["position"]["batches_done"]
        self._saved_random = checkpoint["position"]["random"]

    def on_train_start(self) -> None:
        """Restores the random state once nothing else draws from it, and prepares the graphs."""
        if self.uses_graphs:
            self._graphs = StepGraphs(self._add_gradients, self.model)
        rank = self.processes.rank
        if rank < len(self._saved_random):
            restore_random_state(self._saved_random[rank], self.device)
        elif rank > 0:
            # All ranks have drawn the same weights; their dropout has to differ.
            seed_apart(self.config.seed, rank, self.batches_done)

    def on_train_end(self) -> None:
        """Frees the memory of the graphs, which the next trial of this process may need."""
        self._graphs = None


def build_model(config: TrialConfig, data: PreparedData) -> Transformer:
    """Returns a model with fresh weights for the vocabulary of the corpus."""
    return Transformer(
        config.model, data.vocabulary.sizes, config.data.longest_sequence, pad_id=PAD
    )


def build_translator(model: Transformer, config: TrialConfig, data: PreparedData) -> Translator:
    """A translator with the model's present weights and the engine of the configuration."""
    bound = LengthBound.of_corpus(data.length_ratio)
    return Translator.of(model, config.decoding.engine, SpecialTokens(BOS, EOS, PAD), bound)
