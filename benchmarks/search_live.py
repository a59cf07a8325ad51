"""BLEU by the clock while small Transformers are really trained: ours against a plain Optuna study.

    python benchmarks/search_live.py                    # an hour, Linux, two cores
    python benchmarks/search_live.py data/multi30k      # where the corpus's files lie
    python benchmarks/search_live.py --minutes 3

Two searches run at the same time, each with one thread on a core of its own, on the same space,
corpus, fixed settings and training code, from empty folders:

- plain (``plain_search.py``): Optuna's TPE and median pruner at their defaults, one process, the
  study in memory, nothing logged;
- ours: ``automl-tf search`` with one worker, sampler and pruner of kind ``auto``, the time as its
  budget, all else at its defaults, MLflow and SQLite among them.

Neither is given a configuration to start with; the paper's base model, which ``search`` tries first
by itself where nothing is said, is left out as in the studies shipped for real corpora. Ours knows
what it is shipped with: where BLEU was best, and how curves went on, in the tables of Zhang
and Duh (Swahili, Chinese and Japanese with English), and what the literature says (``prior.yaml``
and ``shapes.yaml``, derived by ``derive_prior.py`` and ``derive_shapes.py``). No training on
Multi30k is among that; its authors had seen some, on this space too, when they chose forms and
constants.

The clock starts with each process: imports, subwords and databases count. A search's incumbent is
its best BLEU on the whole validation split so far, of trials that go on, too. What was measured is
written when the time is over, after each seed, and when Ctrl-C or a termination ends it before.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from accounts import Account
from automl_tf.config.files import read_study
from automl_tf.config.settings import Corpus, FilesCorpus, SplitFiles
from automl_tf.signals import StopRequest, stop_on_signals
from contest import STUDY
from race import race
from reporting import RESULTS, Table, new_plot, percent, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAIN, OURS = "plain", "ours"
GOAL = 1 / 3
"""Share of the time in which ours is to have what plain has at the end."""
WHOLE_SPLIT = {"training.validate_sentences": 0}
"""What makes every validation one of the whole split."""

SHORT = {
    "training.batch_tokens": 2048,
    "training.max_steps": 900,
    "training.validate_every": 100,
    "training.warmup_steps": 150,
}
"""The trials of both: short trainings with an end of their own."""

Rounds = Mapping[int, Mapping[str, Account]]
"""What each search has told, by seed and name."""


def main() -> None:
    """Runs both searches with each seed and compares them."""
    options = _options()
    rounds: dict[int, dict[str, Account]] = {}
    with stop_on_signals() as stop, tempfile.TemporaryDirectory(prefix="search-live-") as name:
        work = options.keep or Path(name)
        for turn, seed in enumerate(options.seeds):
            rounds[seed], complaint = _round(options, work / f"seed-{seed}", turn, seed, stop)
            _publish(options, rounds, is_whole=not (complaint or stop.is_set()))
            if complaint:
                sys.exit(complaint)
            if stop.is_set():
                sys.exit("Ended before its time.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where the corpus's files lie")
    parser.add_argument("--study", type=Path, default=STUDY, help="its space, corpus and settings")
    parser.add_argument("--minutes", type=float, default=60.0, help="wall time of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="one after another")
    parser.add_argument("--trials", type=int, default=60, help="of ours; more than the time holds")
    parser.add_argument("--keep", type=Path, help="empty folder for homes and logs, kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")
    return parser.parse_args()


def _round(
    options: argparse.Namespace, folder: Path, turn: int, seed: int, stop: StopRequest
) -> tuple[dict[str, Account], str | None]:
    """Both searches with one seed; what went wrong, if anything."""
    homes = {name: folder / name for name in (PLAIN, OURS)}
    for home in homes.values():
        home.mkdir(parents=True)
    study = _write_study(folder, options, seed)
    plain = Path(__file__).with_name("plain_search.py")
    search = ["-m", "automl_tf", "search", str(study), "--workers", "1", "--json"]
    commands = {
        PLAIN: [sys.executable, str(plain), str(study), str(homes[PLAIN])],
        OURS: [sys.executable, *search, "--home", str(homes[OURS])],
    }
    there_are = sorted(os.sched_getaffinity(0))
    # They change places from seed to seed.
    cores = [there_are[(turn + place) % len(there_are)] for place in range(len(commands))]
    print(f"seed {seed}: {' and '.join(commands)}, {options.minutes:g} minutes", file=sys.stderr)
    return race(commands, cores, folder, options.minutes, stop)


def _write_study(folder: Path, options: argparse.Namespace, seed: int) -> Path:
    """The study of both; plain leaves the sampler, the pruner and the budget alone."""
    config = read_study(options.study).config
    corpus = config.corpus if options.folder is None else in_folder(options.folder, config.corpus)
    # The shipped study trains in full; another one says itself how long a trial is.
    fixed = SHORT if options.study == STUDY else config.fixed
    path = folder / "study.yaml"
    # All JSON is YAML.
    path.write_text(
        json.dumps(
            {
                "name": "search-live",
                "space": str(config.space),
                "corpus": corpus.model_dump(mode="json", exclude_none=True),
                "fixed": {**fixed, **WHOLE_SPLIT},
                "sampler": {"kind": "auto"},
                "pruner": {"kind": "auto"},
                "start_with_base": config.start_with_base,
                "budget": {"trials": options.trials, "hours": options.minutes / 60},
                "seed": seed,
            }
        )
    )
    return path


def in_folder(folder: Path, corpus: Corpus) -> Corpus:
    """The same corpus with its files in another folder."""
    assert isinstance(corpus, FilesCorpus), f"a corpus of kind {corpus.kind} lies in no folder"

    def there(split: SplitFiles) -> SplitFiles:
        paths = {name: folder.absolute() / path.name for name, path in split if path is not None}
        return split.model_copy(update=paths)

    splits = {name: split for name, split in corpus if isinstance(split, SplitFiles)}
    return corpus.model_copy(update={name: there(split) for name, split in splits.items()})


def _publish(options: argparse.Namespace, rounds: Rounds, *, is_whole: bool) -> None:
    measured = {
        "minutes": options.minutes,
        "is_whole": is_whole,
        "seeds": {
            seed: {name: account.to_json() for name, account in accounts.items()}
            for seed, accounts in rounds.items()
        },
    }
    early = "" if is_whole else ", ended before its time"
    tables = [_bleu_table(options.minutes, rounds, early), _time_table(options.minutes, rounds)]
    plot = _plot(options.minutes, rounds)
    publish("search_live", tables, measured, plot, folder=options.results)


def _bleu_table(minutes: float, rounds: Rounds, early: str) -> Table:
    rows = []
    for seed, accounts in rounds.items():
        for name, account in accounts.items():
            bleu = [_two(account.best_at(minutes * share)) for share in (1 / 3, 2 / 3, 1)]
            states = [str(account.count(state)) for state in ("complete", "pruned", "failed")]
            rows.append((f"{name}, seed {seed}", *bleu, *states))
    return Table(
        f"Best validation BLEU so far, {minutes:g} minutes, one core each{early}",
        ("search", "at a third", "at two thirds", "at the end", "complete", "pruned", "failed"),
        tuple(rows),
    )


def _time_table(minutes: float, rounds: Rounds) -> Table:
    rows = []
    for seed, accounts in rounds.items():
        aim = accounts[PLAIN].best_at(minutes)
        times = [None if aim is None else accounts[name].minutes_to(aim) for name in (PLAIN, OURS)]
        shares = [percent(time / minutes) if time else "-" for time in times]
        rows.append((f"seed {seed}", _two(aim), *map(_two, times), *shares, percent(GOAL)))
    return Table(
        "Minutes until the best BLEU that plain has at the end, and their share of the time",
        ("", "that BLEU", PLAIN, OURS, f"{PLAIN}, share", f"{OURS}, share", "goal: under"),
        tuple(rows),
    )


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _plot(minutes: float, rounds: Rounds) -> "Figure":
    figure, panels = new_plot(len(rounds))
    for panel, (seed, accounts) in zip(panels, rounds.items(), strict=True):
        for name, account in accounts.items():
            points = [(point.minutes, point.bleu) for point in account.incumbent]
            # Nothing gets better after the last point.
            points.append((minutes, account.best_at(minutes) or 0.0))
            panel.step(*zip(*points, strict=True), where="post", label=name)
        aim = accounts[PLAIN].best_at(minutes)
        if aim is not None:
            panel.axhline(aim, color="gray", linewidth=0.5)
            panel.plot(GOAL * minutes, aim, "*", color="gray", markersize=10, label="goal")
        panel.set_xlim(0, minutes)
        panel.set_xlabel("minutes of wall time, one core each")
        panel.set_ylabel("best validation BLEU so far")
        panel.set_title(f"seed {seed}", fontsize=10)
        panel.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    main()
