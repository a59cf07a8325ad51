"""CTranslate2 as the engine: int8 on the CPU, through the optional package `ctranslate2`.

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

from automl_tf.decoding.constraints import SearchOptions, SpecialTokens
from automl_tf.decoding.hypotheses import Hypothesis, length_penalty
from automl_tf.errors import Place, UserError
from automl_tf.model.layers import DecoderLayer, EncoderLayer
from automl_tf.model.positions import LONGEST_WAVELENGTH, LearnedPositions, SinusoidalPositions
from automl_tf.model.transformer import Transformer

INT8 = "int8"
# Source subwords and rows of one batch.
BATCH_TOKENS = 16384
BATCH_ROWS = 512


class CTranslate2Engine:
    """Searches with a copy of a model's weights, on the CPU whatever the model is on.

    The copy is made when the engine is built, and again should a sentence be longer than its table
    of positions.

    Args:
        model: The model.
        tokens: The special symbols.
        compute_type: CTranslate2's arithmetic.

    Raises:
        UserError: If the package is missing.
    """

    batch_tokens = BATCH_TOKENS
    batch_rows = BATCH_ROWS

    def __init__(self, model: Transformer, tokens: SpecialTokens, compute_type: str = INT8) -> None:
        self._model = model
        self._tokens = tokens
        self._compute_type = compute_type
        self._grow(2 * model.max_length)

    def _grow(self, longest: int) -> None:
        self._longest = longest
        self._translator = load(self._model, self._tokens, longest, self._compute_type)

    @property
    def length_limit(self) -> int | None:
        """Longest sequence in tokens that the model can take, or None if there is no limit."""
        return self._model.length_limit

    def search(
        self, sources: Sequence[Sequence[int]], limits: Sequence[int], options: SearchOptions
    ) -> list[Hypothesis]:
        """Translates one batch.

        Args:
            sources: Subword ids of each sentence with its end symbol.
            limits: Most tokens of each translation, its end symbol not counted.
            options: The search.
        """
        # A position for the begin symbol, too.
        longest = max(*map(len, sources), *limits) + 1
        if longest > self._longest:
            self._grow(2 * longest)
        tokens, beam_size = self._tokens, options.beam_size
        found = self._translator.translate_batch(
            [[str(token) for token in source or [tokens.pad]] for source in sources],
            beam_size=beam_size,
            length_penalty=options.length_penalty,
            min_decoding_length=max(limits) if options.is_length_fixed else 0,
            max_decoding_length=max(limits),
            max_input_length=self.length_limit or 0,
            suppress_sequences=[[str(tokens.bos)], [str(tokens.pad)]],
            num_hypotheses=beam_size,
            return_scores=beam_size > 1,
        )
        return [
            _best(translation, limit, options.length_penalty)
            for translation, limit in zip(found, limits, strict=True)
        ]


def _best(translation: Any, limit: int, alpha: float) -> Hypothesis:  # noqa: ANN401
    """The best of what CTranslate2 found for a sentence; greedy search finds one."""
    tokens = [tuple(map(int, names)) for names in translation.hypotheses]
    if not translation.scores:
        return Hypothesis(tokens[0][:limit])
    scores = map(_score, tokens, translation.scores, itertools.repeat(alpha))
    score, best = max(zip(scores, tokens, strict=True))
    return Hypothesis(best[:limit], score)


def _score(tokens: Sequence[int], score: float, alpha: float) -> float:
    """A score of CTranslate2 under the length penalty of our own searches.

    CTranslate2 divides by a power of the length alone.
    """
    length = len(tokens) + 1
    total: float = score * length**alpha
    return total / float(length_penalty(torch.tensor(float(length)), alpha))


def load(model: Transformer, tokens: SpecialTokens, longest: int, compute_type: str) -> Any:  # noqa: ANN401
    """CTranslate2's translator with the model's weights.

    Args:
        model: The model.
        tokens: The special symbols.
        longest: Longest sequence in tokens, on either side, that it will meet.
        compute_type: CTranslate2's arithmetic.

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
    spec.config.bos_token = spec.config.decoder_start_token = str(tokens.bos)
    spec.config.eos_token = str(tokens.eos)
    # It has to be one of the vocabulary; sources hold known ids alone.
    spec.config.unk_token = str(tokens.pad)
    spec.validate()
    with tempfile.TemporaryDirectory() as folder:
        spec.save(folder)
        return ctranslate2.Translator(
            folder, device="cpu", compute_type=compute_type, intra_threads=torch.get_num_threads()
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
