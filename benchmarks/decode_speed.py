"""CPU-seconds of one core to translate a validation split, for ours and its peers.

    python benchmarks/decode_speed.py
    python benchmarks/decode_speed.py --shapes d128/3 --batches 8

Ours and CTranslate2 translate with the same trained weights, which the first run trains for some
minutes and keeps; the time to hand them to CTranslate2 counts. The hand-written model and Marian
have fresh weights and are held to the lengths of the reference translations (see ``forced.py``),
which are shorter than the longest of a model that was trained for minutes. As they are slow they
translate some batches of middling length only, and their time is scaled up to the whole split. Each
is measured in a fresh process that has translated before.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.decoding.constraints import SearchOptions, SpecialTokens
from automl_tf.decoding.ctranslate2 import INT8, CTranslate2Engine
from automl_tf.decoding.hypotheses import Hypothesis
from automl_tf.decoding.torch_engine import TorchEngine
from automl_tf.decoding.translator import SearchEngine, Translator
from automl_tf.device import keep_freed_memory
from automl_tf.model.transformer import Transformer
from automl_tf.scoring.scores import Scorer
from automl_tf.training.checkpoints import BEST_WEIGHTS, load_best
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit
from automl_tf.training.module import build_model
from contest import ROOT, STUDY, corpus, trial_config
from handwritten import SHAPES
from measuring import Case, Result, answer, measure_fresh, measure_in_turns
from reporting import Table, new_plot, number, publish, ratio

TRAIN = "train"
HANDWRITTEN, MARIAN = "hand-written", "Marian generate"
CT2_FP32, CT2_INT8, OURS = "CTranslate2 fp32", "CTranslate2 int8", "ours bf16"
CONTESTANTS = (HANDWRITTEN, MARIAN, CT2_FP32, CT2_INT8, OURS)
GREEDY = 1
SEARCHES = {GREEDY: "greedy", 5: "beam 5"}
TRAINING: dict[str, dict[str, Any]] = {
    "d128/3": {"max_steps": 700, "validate_every": 700, "warmup_steps": 150, "learning_rate": 3e-3},
    "d256/3": {
        "max_steps": 400,
        "validate_every": 400,
        "warmup_steps": 150,
        "learning_rate": 1.5e-3,
    },
}
"""Enough steps that nearly all sentences end by themselves."""
TIMES = 2
"""Times that a fast one is measured: whatever else the machine does only adds."""


def measure(case: Case) -> Result:
    """Translates in one of the ways, or trains what is to translate."""
    torch.manual_seed(1)
    shape, beam_size = case["shape"], case["beam_size"]
    config = trial_config(Path(case["study"]), SHAPES[shape], **TRAINING[shape])
    data = corpus(Path(case["study"]))
    if case["method"] in (HANDWRITTEN, MARIAN):
        return _measure_peer(case, data)
    folder = _folder(shape, data)
    if case["method"] == TRAIN:
        fit(config, data, folder, lambda _validation: Decision.CONTINUE)
        return {}
    keep_freed_memory()  # as every trial does
    model = build_model(config, data)
    model.load_state_dict(load_best(folder), strict=False)
    model.eval()
    found, seconds = _translate(case["method"], model, data, beam_size)
    texts = data.vocabulary.target.decode_batch([list(best.tokens) for best in found])
    scorer = Scorer(data.validation.target_text, config.corpus.target_lang)
    return {
        "seconds": seconds,
        "tokens": sum(len(hypothesis.tokens) + 1 for hypothesis in found),
        "bleu": scorer.score(texts).bleu,
    }


def _folder(shape: str, data: PreparedData) -> Path:
    name = f"decode-{shape.replace('/', '-')}-{data.fingerprint[:12]}"
    return ROOT / "runs" / "benchmarks" / name


def _translate(
    method: str, model: Transformer, data: PreparedData, beam_size: int
) -> tuple[list[Hypothesis], float]:
    """Our own searches or CTranslate2, and the least CPU-seconds of two times."""
    options = SearchOptions(beam_size, length_penalty=0.0 if beam_size == GREEDY else 1.0)
    tokens, sources = SpecialTokens(BOS, EOS, PAD), data.validation.sources()

    def build() -> Translator:
        engine: SearchEngine = (
            TorchEngine(model, tokens)
            if method == OURS
            else CTranslate2Engine(model, tokens, "float32" if method == CT2_FP32 else INT8)
        )
        return Translator(engine)

    if method == OURS:
        model.bfloat16()
    found = build().translate(sources, options)
    seconds = []
    for _ in range(TIMES):
        started = time.process_time()
        build().translate(sources, options)
        seconds.append(time.process_time() - started)
    return found, min(seconds)


def _measure_peer(case: Case, data: PreparedData) -> Result:
    """Fresh weights, on the first sentences, as if they were all."""
    from forced import batches, handwritten_greedy, marian_generate

    sources = data.validation.sources()
    lengths = (data.validation.target.lengths + 1).tolist()
    pairs = _middle(batches(sources, lengths), case["batches"])
    sizes = SHAPES[case["shape"]], len(data.vocabulary.target)
    few = [(source_BS[:2], lengths_B[:2].clamp(max=4)) for source_BS, lengths_B in pairs[:1]]
    started = 0.0
    for chosen in (few, pairs):
        started = time.process_time()
        if case["method"] == HANDWRITTEN:
            handwritten_greedy(*sizes, chosen)
        else:
            marian_generate(*sizes, chosen, case["beam_size"])
    scale = len(sources) / sum(len(lengths_B) for _, lengths_B in pairs)
    tokens = sum(int(lengths_B.sum()) for _, lengths_B in pairs)
    return {"seconds": (time.process_time() - started) * scale, "tokens": tokens * scale}


def _middle(pairs: list[tuple[Tensor, Tensor]], count: int) -> list[tuple[Tensor, Tensor]]:
    """The batches whose longest sentences are neither short nor long among those of all."""
    ordered = sorted(pairs, key=lambda pair: int(pair[1].max()))
    start = max(0, len(ordered) - count) // 2
    return ordered[start : start + count]


def main() -> None:
    """Measures all contestants at the chosen sizes."""
    options = _options()
    data = corpus(options.study)
    cases: dict[str, Case] = {}
    for shape in options.shapes:
        case = {"study": str(options.study), "shape": shape, "batches": options.batches}
        if not (_folder(shape, data) / BEST_WEIGHTS).exists():
            print(f"training {shape}, once", file=sys.stderr, flush=True)
            measure_fresh(__file__, {**case, "method": TRAIN, "beam_size": GREEDY})
        for beam_size, search in SEARCHES.items():
            for method in CONTESTANTS:
                if method == HANDWRITTEN and beam_size > GREEDY:
                    continue
                cases[f"{shape} {search} {method}"] = {
                    **case,
                    "method": method,
                    "beam_size": beam_size,
                }
    measured = measure_in_turns(__file__, cases, options.repeats)
    results = {
        name: min(repeats, key=lambda result: result["seconds"])
        for name, repeats in measured.items()
    }
    publish(
        "decode_speed",
        [
            _table(shape, search, results, len(data.validation))
            for shape in options.shapes
            for search in SEARCHES.values()
        ],
        {"cases": measured, "sentences": len(data.validation)},
        _plot(options.shapes, results),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is translated")
    parser.add_argument("--shapes", nargs="+", choices=TRAINING, default=list(TRAINING))
    parser.add_argument("--repeats", type=int, default=1, help="measurements of each")
    parser.add_argument(
        "--batches", type=int, default=1, help="batches that the slow ones translate"
    )
    return parser.parse_args()


def _table(shape: str, search: str, results: Mapping[str, Result], num_sentences: int) -> Table:
    values = _of(shape, search, results)
    rows = []
    # How many times as long a reference takes.
    for name, result in values.items():
        ratios = [
            ratio(values[reference]["seconds"] / result["seconds"]) if reference in values else "-"
            for reference in (HANDWRITTEN, MARIAN, CT2_INT8)
        ]
        bleu = f"{result['bleu']:.2f}" if "bleu" in result else "-"
        rows.append((name, number(result["seconds"]), f"{result['tokens']:,.0f}", *ratios, bleu))
    return Table(
        f"{shape}, {search}: CPU-seconds of one core for {num_sentences:,} sentences",
        (
            "contestant",
            "CPU-s",
            "tokens",
            "hand-written takes",
            "Marian takes",
            "int8 takes",
            "BLEU",
        ),
        tuple(rows),
    )


def _of(shape: str, search: str, results: Mapping[str, Result]) -> dict[str, Result]:
    names = {method: f"{shape} {search} {method}" for method in CONTESTANTS}
    return {method: results[name] for method, name in names.items() if name in results}


def _plot(shapes: list[str], results: Mapping[str, Result]) -> Figure:
    figure, panels = new_plot(len(SEARCHES))
    for axes, search in zip(panels, SEARCHES.values(), strict=True):
        width = 0.8 / len(CONTESTANTS)
        for index, method in enumerate(CONTESTANTS):
            groups = [
                (group + index * width, _of(shape, search, results)[method]["seconds"])
                for group, shape in enumerate(shapes)
                if method in _of(shape, search, results)
            ]
            places, seconds = zip(*groups, strict=True) if groups else ((), ())
            axes.bar(places, seconds, width, label=method)
        axes.set_yscale("log")
        axes.set_xticks([group + 0.4 - width / 2 for group in range(len(shapes))], shapes)
        axes.set_title(f"{search}: CPU-seconds", fontsize=10)
    panels[0].legend(fontsize=7)
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
