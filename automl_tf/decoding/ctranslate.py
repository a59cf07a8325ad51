"""CTranslate2 as a second engine: int8 on the CPU, through the optional package `ctranslate2`.

A model's weights reach it through a temporary folder. What it finds differs from what torch finds
by rounding (int8 weights and activations) and, for beams, in when a sentence is given up. A source
of nothing but its end symbol stays empty, and the score of a translation that is cut at its limit
counts what was cut: the limit of a batch is that of its longest sentence. Scores spread the
probability of begin symbol and padding over the other tokens.
"""

import importlib
import itertools
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from automl_tf.decoding.rules import Hypothesis, Rules
from automl_tf.decoding.translate import (
    BATCH_ROWS,
    BATCH_TOKENS,
    batches_by_length,
    longest_translation,
)
from automl_tf.errors import Place, UserError
from automl_tf.model.layers import DecoderLayer, EncoderLayer
from automl_tf.model.positions import LONGEST_WAVELENGTH, LearnedPositions, SinusoidalPositions
from automl_tf.model.transformer import Transformer

INT8 = "int8"


def decode(  # noqa: PLR0913 - torch's arguments and one of its own
    model: Transformer,
    sources: Sequence[Sequence[int]],
    *,
    bos: int,
    eos: int,
    pad: int,
    beam_size: int = 1,
    length_penalty: float = 0.0,
    arithmetic: str = INT8,
) -> list[Hypothesis]:
    """Translates sentences, as `automl_tf.decoding.translate.decode` does.

    Args:
        model: The model, on any device; CTranslate2 computes on the CPU.
        sources: Subword ids of each sentence with its end symbol, as in training.
        bos: Id of the begin symbol.
        eos: Id of the end symbol.
        pad: Id of padding.
        beam_size: Hypotheses kept for each sentence; 1 is greedy search.
        length_penalty: The alpha of Wu et al. 2016: larger prefers longer translations.
        arithmetic: CTranslate2's compute type.

    Returns:
        The best translation found for each sentence, in the order of the sources.

    Raises:
        UserError: If the package is missing.
    """
    limits = [longest_translation(model, source) for source in sources]
    rules = Rules(bos, eos, pad, length_penalty)
    # A position for the begin symbol, too.
    longest = max(1, *map(len, sources), *limits) + 1 if sources else 1
    translator = load(model, rules, longest, arithmetic)
    results: dict[int, Hypothesis] = {}
    for indices in batches_by_length(sources, BATCH_TOKENS // beam_size, BATCH_ROWS // beam_size):
        found = translator.translate_batch(
            [[str(token) for token in sources[index] or [pad]] for index in indices],
            beam_size=beam_size,
            length_penalty=length_penalty,
            min_decoding_length=0,
            max_decoding_length=max(limits[index] for index in indices),
            max_input_length=model.length_limit or 0,
            suppress_sequences=[[str(bos)], [str(pad)]],
            num_hypotheses=beam_size,
            return_scores=beam_size > 1,
        )
        for index, translation in zip(indices, found, strict=True):
            results[index] = _best(translation, limits[index], rules)
    return [results[index] for index in range(len(sources))]


def _best(translation: Any, limit: int, rules: Rules) -> Hypothesis:  # noqa: ANN401
    """The best of what CTranslate2 found for a sentence; greedy search finds one."""
    tokens = [tuple(map(int, names)) for names in translation.hypotheses]
    if not translation.scores:
        return Hypothesis(tokens[0][:limit])
    scores = map(_score, tokens, translation.scores, itertools.repeat(rules))
    score, best = max(zip(scores, tokens, strict=True))
    return Hypothesis(best[:limit], score)


def _score(tokens: Sequence[int], score: float, rules: Rules) -> float:
    """A score of CTranslate2 under the length penalty of our own searches.

    CTranslate2 divides by a power of the length alone.
    """
    length = len(tokens) + 1
    total: float = score * length**rules.length_penalty
    return total / float(rules.penalty(torch.tensor(float(length))))


def load(model: Transformer, rules: Rules, longest: int, arithmetic: str) -> Any:  # noqa: ANN401
    """CTranslate2's translator with the model's weights.

    Args:
        model: The model.
        rules: The special symbols.
        longest: Longest sequence in tokens, on either side, that it will meet.
        arithmetic: CTranslate2's compute type.

    Raises:
        UserError: If the package is missing.
    """
    ctranslate2 = _package()
    config = model.config
    assert config.head_width == config.value_width == config.d_model / config.num_heads, (
        "other widths are refused when settings are read"
    )
    spec = _specification(ctranslate2.specs, model, longest)
    names = [str(token) for token in range(max(model.vocab.source, model.vocab.outputs))]
    spec.register_source_vocabulary(names[: model.vocab.source])
    spec.register_target_vocabulary(names[: model.vocab.outputs])
    spec.config.bos_token = spec.config.decoder_start_token = str(rules.bos)
    spec.config.eos_token = str(rules.eos)
    # It has to be one of the vocabulary; sources hold known ids alone.
    spec.config.unk_token = str(rules.pad)
    spec.validate()
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        return ctranslate2.Translator(
            folder, device="cpu", compute_type=arithmetic, intra_threads=torch.get_num_threads()
        )


def _package() -> Any:  # noqa: ANN401
    try:
        return importlib.import_module("ctranslate2")
    except ImportError as error:
        raise UserError(
            f"decoding.engine = ctranslate2 needs a package that cannot be imported: {error}.",
            "Install it with `pip install 'automl-tf[fast]'`, or use decoding.engine: torch.",
            Place(key="decoding.engine"),
        ) from None


def _specification(specs: Any, model: Transformer, longest: int) -> Any:  # noqa: ANN401
    """The model in CTranslate2's terms."""
    config = model.config
    activation = {
        "relu": specs.common_spec.Activation.RELU,
        "gelu": specs.common_spec.Activation.GELU,
        "swiglu": specs.common_spec.Activation.SWISH,
    }[config.activation]
    options: dict[str, Any] = {
        "pre_norm": config.norm == "pre",
        "activation": activation,
        "ffn_glu": config.activation == "swiglu",
    }
    if config.positions == "rotary":
        options["rotary_dim"] = config.head_width
        options["rotary_interleave"] = False
        options["rotary_base"] = LONGEST_WAVELENGTH
    spec_of = specs.transformer_spec
    encoder = spec_of.TransformerEncoderSpec(config.encoder_layers, config.num_heads, **options)
    decoder = spec_of.TransformerDecoderSpec(config.decoder_layers, config.num_heads, **options)
    _fill_ends(encoder, decoder, model, longest)
    encoder_layers: list[EncoderLayer] = list(model.encoder_layers)  # type: ignore[arg-type]
    decoder_layers: list[DecoderLayer] = list(model.decoder_layers)  # type: ignore[arg-type]
    for layer_spec, layer in zip(encoder.layer, encoder_layers, strict=True):
        _fill_self_attention(layer_spec, layer)
        _fill_feed_forward(layer_spec, layer)
    for layer_spec, decoder_layer in zip(decoder.layer, decoder_layers, strict=True):
        _fill_self_attention(layer_spec, decoder_layer)
        _fill_cross_attention(layer_spec, decoder_layer)
        _fill_feed_forward(layer_spec, decoder_layer)
    return spec_of.TransformerSpec(encoder, decoder)


def _fill_ends(encoder: Any, decoder: Any, model: Transformer, longest: int) -> None:  # noqa: ANN401
    """Embeddings, positions, final norms and the output layer."""
    source_embedding = model.source_embedding or model.target_embedding
    encoder.embeddings[0].weight = _values(source_embedding.weight)
    decoder.embeddings.weight = _values(model.target_embedding.weight[: model.vocab.outputs])
    decoder.projection.weight = _values(model.output_weight_VD)
    for spec, positions in (
        (encoder, model.source_positions),
        (decoder, model.target_positions),
    ):
        if isinstance(positions, LearnedPositions):
            spec.position_encodings.encodings = _values(positions.table_TD)
        elif isinstance(positions, SinusoidalPositions):
            spec.position_encodings.encodings = _values(positions.rows(0, longest))
        elif hasattr(spec, "position_encodings"):
            del spec.position_encodings
    if model.config.norm == "pre":
        _fill_norm(encoder.layer_norm, model.encoder_norm)
        _fill_norm(decoder.layer_norm, model.decoder_norm)


def _fill_self_attention(spec: Any, layer: EncoderLayer | DecoderLayer) -> None:  # noqa: ANN401
    attention = layer.self_attention
    _fill_norm(spec.self_attention.layer_norm, layer.self_attention_residual.norm)
    _fill_linear(spec.self_attention.linear[0], attention.query_key_value)
    _fill_linear(spec.self_attention.linear[1], attention.output)


def _fill_cross_attention(spec: Any, layer: DecoderLayer) -> None:  # noqa: ANN401
    attention = layer.cross_attention
    _fill_norm(spec.attention.layer_norm, layer.cross_attention_residual.norm)
    _fill_linear(spec.attention.linear[0], attention.query)
    _fill_linear(spec.attention.linear[1], attention.key_value)
    _fill_linear(spec.attention.linear[2], attention.output)


def _fill_feed_forward(spec: Any, layer: EncoderLayer | DecoderLayer) -> None:  # noqa: ANN401
    feed_forward = layer.feed_forward
    _fill_norm(spec.ffn.layer_norm, layer.feed_forward_residual.norm)
    _fill_linear(spec.ffn.linear_1, feed_forward.output)
    if feed_forward.activation == "swiglu":
        weights, biases = feed_forward.inner.weight.chunk(2), feed_forward.inner.bias.chunk(2)
        inner_specs = (spec.ffn.linear_0, spec.ffn.linear_0_noact)
        for inner_spec, weight, bias in zip(inner_specs, weights, biases, strict=True):
            inner_spec.weight, inner_spec.bias = _values(weight), _values(bias)
    else:
        _fill_linear(spec.ffn.linear_0, feed_forward.inner)


def _fill_linear(spec: Any, linear: nn.Linear) -> None:  # noqa: ANN401
    spec.weight, spec.bias = _values(linear.weight), _values(linear.bias)


def _fill_norm(spec: Any, norm: nn.Module) -> None:  # noqa: ANN401
    assert isinstance(norm, nn.LayerNorm)
    spec.gamma, spec.beta = _values(norm.weight), _values(norm.bias)


def _values(weight: Tensor) -> Any:  # noqa: ANN401
    """A weight as fp32 on the CPU."""
    return weight.detach().float().cpu().contiguous().numpy()
