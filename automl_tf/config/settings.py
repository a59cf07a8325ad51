"""The settings of one training run; their dotted paths are their names everywhere.

A setting is spelled the same in YAML, in Optuna, in MLflow and in an export: ``model.d_model``.
Every default stands here and nowhere else.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from automl_tf.config.base import FilePath, MisfitError, NameOrFolder, Seed, Settings
from automl_tf.config.rules import first_violation

GROUPS = ("model", "training", "data", "decoding", "trainer")

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Engine = Literal["torch", "ctranslate2"]
LearningRateScale = Literal["plain", "width"]
Tokenizer = Literal[
    "auto",
    "13a",
    "intl",
    "zh",
    "char",
    "ja-mecab",
    "ko-mecab",
    "flores200",
    "flores101",
    "spm",
    "spBLEU-1K",
    "none",
]

BASE_WIDTH = 256
"""Width of the model whose matrices have the learning rate as it is given, in either scale."""
BASE_INNER_WIDTH = 4 * BASE_WIDTH
"""The same of its feed-forward networks (Vaswani et al. 2017, table 3)."""


_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]+)*")


def _is_language(code: str) -> str:
    if not _LANGUAGE.fullmatch(code):
        raise PydanticCustomError(
            "language",
            "a language is a code of two or three letters, with script or country where wanted, as "
            "in de, jpn, pt_BR or zh-Hans",
        )
    return code


Language = Annotated[str, AfterValidator(_is_language)]
"""A language code, with script or country where wanted: ``en``, ``deu``, ``pt_BR``, ``zh-Hans``."""


class _Corpus(Settings):
    source_lang: Language
    """Language code of the source, as in ``en``."""
    target_lang: Language
    """Language code of the target, as in ``de``."""
    kind: str
    """Where the text comes from."""

    @property
    def title(self) -> str:
        """Kind and languages, as in ``files en-de``."""
        return f"{self.kind} {self.source_lang}-{self.target_lang}"


class SyntheticCorpus(_Corpus):
    """The sample corpus: English and German from a grammar, the same text everywhere."""

    kind: Literal["synthetic"]
    source_lang: Language = "en"
    """English or German; the corpus goes in either direction."""
    target_lang: Language = "de"
    """The other of the two languages."""
    train_pairs: Annotated[int, Field(ge=100, le=100_000)] = 20_000
    """Distinct pairs to train on."""
    validation_pairs: Annotated[int, Field(ge=10, le=5_000)] = 500
    """Pairs to validate on, none of them in the training split."""
    test_pairs: Annotated[int, Field(ge=10, le=5_000)] = 500
    """Pairs to test on, none of them in the other splits."""
    seed: Seed = 1
    """Seed of the generator."""


class SplitFiles(Settings):
    """One split in files: two line-aligned text files, or one table with named columns."""

    source: FilePath | None = None
    """Text, one sentence a line; it may be compressed."""
    target: FilePath | None = None
    """Text, line by line the translation of the source; it may be compressed."""
    table: FilePath | None = None
    """A .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow or .feather file instead of the two;
    it may be compressed."""

    @model_validator(mode="after")
    def _is_one_form(self) -> "SplitFiles":
        pair = (self.source is not None, self.target is not None)
        if (self.table is not None and any(pair)) or (self.table is None and not all(pair)):
            raise ValueError(
                "a split is either source and target, or table. Give the two text files, or one "
                "table with source_column and target_column."
            )
        return self


class FilesCorpus(_Corpus):
    """Parallel text in files; relative paths start at the folder of the YAML file."""

    kind: Literal["files"]
    train: SplitFiles
    """What models and vocabularies are trained on."""
    validation: SplitFiles
    """What trials are compared on."""
    test: SplitFiles | None = None
    """What only the final training and ``evaluate`` use."""
    source_column: str | None = None
    """Column of the source in tables, dots for nesting; the source language when not given."""
    target_column: str | None = None
    """Column of the target in tables, dots for nesting; the target language when not given."""


class HubCorpus(_Corpus):
    """A dataset of the Hugging Face Hub, or a local folder in its form."""

    kind: Literal["hub"]
    name: NameOrFolder
    """Name on the Hub, as in ``bentrevett/multi30k``, or a folder."""
    subset: str | None = None
    """Configuration of the dataset, where it has several."""
    revision: str | None = None
    """Commit, tag or branch; pin it to be sure of the same text."""
    train: str = "train"
    """Name of the split, slices allowed, as in ``train[:10000]``."""
    validation: str = "validation"
    """Name of the split that trials are compared on."""
    test: str | None = "test"
    """Name of the split that only the final training and ``evaluate`` use; null for none."""
    source_column: str | None = None
    """Column of the source, dots for nesting; found by the language code when not given."""
    target_column: str | None = None
    """Column of the target, dots for nesting; found by the language code when not given."""


Corpus = Annotated[SyntheticCorpus | FilesCorpus | HubCorpus, Field(discriminator="kind")]


class ModelConfig(Settings):
    """The encoder-decoder Transformer (Vaswani et al. 2017, section 3)."""

    d_model: Annotated[int, Field(ge=8, le=8192, multiple_of=2)] = 256
    """Width of every sub-layer's input and output."""
    num_heads: Count = 4
    """Attention heads in each attention layer."""
    d_k: Count | None = None
    """Width of one head's queries and keys; d_model / num_heads when not given."""
    d_v: Count | None = None
    """Width of one head's values; d_model / num_heads when not given."""
    d_ff: Annotated[int, Field(ge=8)] = 1024
    """Inner width of the position-wise feed-forward network."""
    encoder_layers: Annotated[int, Field(ge=1, le=128)] = 3
    """Layers of the encoder."""
    decoder_layers: Annotated[int, Field(ge=1, le=128)] = 3
    """Layers of the decoder."""
    dropout: Probability = 0.1
    """Probability of dropping a unit of a sub-layer's output or of an embedding sum."""
    attention_dropout: Probability = 0.0
    """Probability of dropping an attention weight."""
    activation_dropout: Probability = 0.0
    """Probability of dropping an inner unit of the feed-forward network."""
    norm: Literal["pre", "post"] = "pre"
    """Layer normalisation before each sub-layer (with a final norm) or after each residual sum."""
    activation: Literal["relu", "gelu", "swiglu"] = "relu"
    """Non-linearity of the feed-forward network."""
    positions: Literal["sinusoidal", "learned", "rotary"] = "sinusoidal"
    """How a token's position enters the model."""
    tie_embeddings: bool = True
    """One matrix for the embeddings and the output layer (for the target's two, if the
    vocabularies are separate)."""

    @property
    def head_width(self) -> int:
        """Width of one head's queries and keys (the paper's d_k)."""
        return self.d_k or self.d_model // self.num_heads

    @property
    def value_width(self) -> int:
        """Width of one head's values (the paper's d_v)."""
        return self.d_v or self.d_model // self.num_heads

    @property
    def shape(self) -> str:
        """Width, heads and depths in short, as in ``d256 h4 3+3``."""
        return f"d{self.d_model} h{self.num_heads} {self.encoder_layers}+{self.decoder_layers}"


class TrainingConfig(Settings):
    """The optimisation of one model."""

    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3
    """Peak learning rate, reached at the end of the warm-up."""
    learning_rate_scale: LearningRateScale = "plain"
    """How the learning rate goes with the model's width. With `plain` all weights have the same.
    With `width`, `training.learning_rate` is that of the matrices of a model whose `model.d_model`
    is 256 and whose `model.d_ff` is 1024; in others it goes with the inverse of their inputs, and
    embeddings, biases and norms have 8 times as much at every width."""
    warmup_steps: Count = 400
    """Optimizer steps over which the learning rate rises linearly from zero."""
    schedule: Literal["inverse_sqrt", "constant", "cosine", "linear"] = "inverse_sqrt"
    """The learning rate after the warm-up. `inverse_sqrt` and `constant` end with a cool-down.
    Until it begins, a training can be shortened or extended: the steps before it do not depend on
    `training.max_steps`. `cosine` and `linear` fall to zero from the warm-up on."""
    cooldown: Annotated[float, Field(ge=0.0, le=1.0)] = 0.25
    """Last share of the steps, in which `inverse_sqrt` and `constant` are led linearly to zero."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Share of the target distribution that is spread evenly over the vocabulary."""
    batch_tokens: Annotated[int, Field(ge=16)] = 2048
    """Tokens of one forward pass: sentences times the longest sentence, padding counted."""
    accumulate: Count = 1
    """Batches of one optimizer step, whose gradient is the mean over the tokens of all of them."""
    max_steps: Count = 6000
    """Optimizer steps of the whole training."""
    validate_every: Count = 500
    """Optimizer steps between validations; the last step is always validated."""
    validate_sentences: Annotated[int, Field(ge=0)] = 500
    """Sentences of the first validation; each that follows takes twice as many of one fixed order,
    until it takes all. The last one always does. 0 takes all from the first on."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Validations without a better BLEU after which training stops; 0 never stops early."""
    clip_norm: Annotated[float, Field(ge=0.0)] = 1.0
    """Largest norm of the whole gradient; 0 does not clip."""
    weight_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.01
    """Decoupled weight decay of AdamW, on matrices alone."""
    beta2: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.98
    """Decay of AdamW's second moment."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the forward and backward pass; auto takes the one that the machine is faster
    at, and in a study what its first machine took. Master weights are fp32 either way."""
    ema: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Share of the steps so far over which the weights are averaged: the mean age of a weight in
    the average. 0 does not average, 0.5 takes all steps alike. Validations judge the average and
    the bundle holds it; the training goes on with the weights themselves. It shrinks to nothing in
    the cool-down, which does what averaging does."""
    average_checkpoints: Count = 1
    """Last validated weights that are averaged into the final model; 1 keeps the best alone."""


class DataConfig(Settings):
    """From sentences to token batches."""

    vocab_size: Annotated[int, Field(ge=32, le=256_000)] = 8000
    """Subwords in the vocabulary, special symbols counted (in each, if they are separate)."""
    subword: Literal["bpe", "unigram"] = "bpe"
    """How words are split: byte-pair encoding or a unigram language model."""
    joint_vocab: bool = True
    """One vocabulary for both languages."""
    max_length: Annotated[int, Field(ge=2, le=8192)] = 128
    """Longest sentence, in subwords, that is trained on; longer input is translated in parts."""
    max_ratio: Annotated[float, Field(ge=1.0)] = 9.0
    """Largest ratio between the lengths of a training pair, in subwords."""
    deduplicate: bool = True
    """Leave out training pairs that repeat, or whose source or target stands in validation or
    test."""

    @property
    def longest_sequence(self) -> int:
        """Tokens of the longest sentence that is trained on, its begin or end symbol counted."""
        return self.max_length + 1


class DecodingConfig(Settings):
    """From a model to a translation."""

    beam_size: Annotated[int, Field(ge=1, le=64)] = 5
    """Hypotheses kept by beam search; 1 is greedy. Validation while training is always greedy."""
    length_penalty: Annotated[float, Field(ge=0.0, le=5.0)] = 1.0
    """The alpha of Wu et al. 2016, section 7: larger prefers longer translations."""
    engine: Engine = "torch"
    """What searches, in validation too: torch, or CTranslate2 with int8 arithmetic on the CPU (an
    optional package, `pip install 'automl-tf[fast]'`), which rounds differently."""


class ScoringConfig(Settings):
    """How translations are scored, while training and after it."""

    tokenize: Tokenizer = "auto"
    """sacrebleu's tokenizer for BLEU; auto takes that of the target language, see
    `corpus.target_lang`. `ja-mecab` and `ko-mecab` need `pip install 'sacrebleu[ja]'` or
    `'sacrebleu[ko]'`; `flores200`, `flores101`, `spm` and `spBLEU-1K` need `pip install
    sentencepiece` and a model, which sacrebleu fetches once. It is no part of a space: BLEU of two
    tokenizers does not compare."""


class TrainerConfig(Settings):
    """The machine's part: where a training runs, not what it comes to."""

    devices: Annotated[int, Field(ge=1, le=1024)] = 1
    """GPUs that train one model together, each in a process of its own; on a machine without GPUs,
    processes that share its cores. They divide every batch, so that `training.batch_tokens` and the
    learning rate stay what they are."""
    compile: bool = False
    """Whether `torch.compile` translates the model first. It takes minutes, so that it is for long
    trainings on a GPU; on a CPU it is no faster. Dropout draws other units than without it."""


class TrialConfig(Settings):
    """Everything that decides the result of one training run, and where it runs."""

    corpus: Corpus
    """The parallel text."""
    model: ModelConfig = ModelConfig()
    """The Transformer."""
    training: TrainingConfig = TrainingConfig()
    """Its optimisation."""
    data: DataConfig = DataConfig()
    """Vocabulary and filters."""
    decoding: DecodingConfig = DecodingConfig()
    """The search for a translation."""
    scoring: ScoringConfig = ScoringConfig()
    """How validation and test are scored."""
    trainer: TrainerConfig = TrainerConfig()
    """The devices that it runs on."""
    seed: Seed = 1
    """Seed of the initial weights, the order of the batches and the dropout."""

    @model_validator(mode="after")
    def _is_legal(self) -> "TrialConfig":
        violation = first_violation(flatten(self))
        if violation is not None:
            raise MisfitError(str(violation), *violation.rule.reads)
        return self


def flatten(config: TrialConfig) -> dict[str, Any]:
    """Returns all settings of the groups by dotted path."""
    return {
        f"{group}.{name}": value
        for group in GROUPS
        for name, value in getattr(config, group).model_dump().items()
    }


def given_settings(config: TrialConfig) -> dict[str, Any]:
    """Returns the seed and every setting that has a value, by dotted path.

    Those of the trainer are left out: a training may resume on other devices.
    """
    scoring = {"scoring.tokenize": config.scoring.tokenize}
    settings = {**flatten(config), **scoring, "seed": config.seed}
    return {
        name: value
        for name, value in settings.items()
        if value is not None and not name.startswith("trainer.")
    }


def unflatten(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns settings given by dotted path in nested form."""
    nested: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        group, name = path.split(".")
        nested.setdefault(group, {})[name] = value
    return nested


def setting_types() -> dict[str, FieldInfo]:
    """Returns type and bounds of every setting of the groups, by dotted path."""
    return {
        f"{group}.{name}": field
        for group in GROUPS
        for name, field in type(TrialConfig.model_fields[group].default).model_fields.items()
    }


def default_settings() -> dict[str, Any]:
    """Returns the default of every setting by dotted path."""
    return {name: field.default for name, field in setting_types().items()}
