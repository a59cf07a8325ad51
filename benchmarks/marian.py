"""Marian as the transformers library has it: the strongest plain peer, in a loop without extras.

Shapes: B sentences, S source subwords, T target subwords, V subwords.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import MarianConfig, MarianMTModel

from automl_tf.data.batches import Batch
from automl_tf.data.subwords import BOS, EOS, PAD
from handwritten import DROPOUT, LABEL_SMOOTHING, LONGEST, Shape


def new_marian(shape: Shape, vocab_size: int) -> MarianMTModel:
    """A Marian model with fresh weights; one matrix serves both embeddings and the output layer.

    Args:
        shape: Its size.
        vocab_size: Subwords of the joint vocabulary, all of which have an output row.
    """
    config = MarianConfig(
        vocab_size=vocab_size,
        d_model=shape.d_model,
        encoder_layers=shape.layers,
        decoder_layers=shape.layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.d_ff,
        decoder_ffn_dim=shape.d_ff,
        activation_function="relu",
        dropout=DROPOUT,
        attention_dropout=0.0,
        activation_dropout=0.0,
        scale_embedding=True,
        max_position_embeddings=LONGEST,
        share_encoder_decoder_embeddings=True,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        forced_eos_token_id=None,
        # At the lengths of sentences torch's fused kernel is as fast in fp32 and slower in bf16.
        attn_implementation="eager",
    )
    return MarianMTModel(config)


def marian_loss(model: MarianMTModel, batch: Batch) -> Tensor:
    """Label-smoothed cross entropy over the real tokens, a scalar."""
    logits_BTV = model(
        input_ids=batch.source_BS,
        attention_mask=batch.source_BS != PAD,
        decoder_input_ids=batch.target_in_BT,
        use_cache=False,
    ).logits
    return F.cross_entropy(
        logits_BTV.flatten(0, 1),
        batch.target_out_BT.flatten(),
        ignore_index=PAD,
        label_smoothing=LABEL_SMOOTHING,
    )


class Fp32Masters:
    """The plainest way to train a bf16 model: fp32 copies of its weights for the optimizer.

    Args:
        model: The model, in any type.
        learning_rate: Of AdamW.
    """

    def __init__(self, model: nn.Module, learning_rate: float = 1e-3) -> None:
        self._weights = list(model.parameters())
        self._masters = [weight.detach().float().clone() for weight in self._weights]
        self._optimizer = torch.optim.AdamW(
            self._masters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=1e-2, fused=True
        )

    def step(self) -> None:
        """One update from the gradients of the model, which are forgotten."""
        for weight, master in zip(self._weights, self._masters, strict=True):
            master.grad = None if weight.grad is None else weight.grad.float()
            weight.grad = None
        nn.utils.clip_grad_norm_(self._masters, 1.0)
        self._optimizer.step()
        with torch.no_grad():
            for weight, master in zip(self._weights, self._masters, strict=True):
                weight.copy_(master)
