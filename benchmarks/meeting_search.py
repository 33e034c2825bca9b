"""How long it takes to find a phrase in many hours of meetings: synthetic text, in the index that meetings have."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.daemon.commands.common import bounded_int
from amanuensis.daemon.meetings.model import HeardWord, Track, Utterance
from amanuensis.daemon.meetings.search import MAX_QUERY_CHARS, search
from amanuensis.daemon.meetings.store import Store

WORDS_AN_HOUR: Final = 9000  # 150 a minute
WORDS_OF_UTTERANCE: Final = 12
VOCABULARY: Final = 20_000  # words, drawn by Zipf's law as those of languages are
SYLLABLES: Final = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
PLANTED: Final = "the quarterly budget of the observatory"
PLANTED_AT: Final = 50 * WORDS_OF_UTTERANCE - 3  # it goes over two utterances


@dataclass(frozen=True, slots=True)
class SearchCost:
    """One kind of phrase: how many were found (at most 50 are looked for), and the milliseconds of a search."""

    phrase: str
    hits: int
    ms: Spread


def measure(hours: int, rounds: int, folder: Path) -> dict[str, SearchCost]:
    """Fill an index and search it; each search opens the index anew, as the command does."""
    path = folder / "meetings.db"
    rng = np.random.default_rng(7)
    names = vocabulary(rng)
    with Store(path) as store:
        for hour in range(hours):
            fill(store, hour, names, rng, planted=hour == hours // 2)
    return {kind: timed(path, phrase, rounds) for kind, phrase in phrases(names).items()}


def phrases(names: list[str]) -> dict[str, str]:
    """Return what is looked for, the easy and the hard; words are by how common they are."""
    most = names[0]
    again = " ".join([most] * ((MAX_QUERY_CHARS + 1) // (len(most) + 1)))
    in_turn = " ".join(names[:2] * 6)
    return {
        "rare phrase": PLANTED,
        "common word": most,
        "common phrase": " ".join(names[:2]),
        "common words, nowhere": " ".join(names[:7]),
        "one word again and again": again,
        "two words in turn": in_turn,
        "beginning of a word": "observ*",
        "beginning of many words": f"{most[:2]}*",
        "phrase with a beginning": f"{most} {names[1][:2]}*",
        "common words, then a beginning": f"{' '.join(names[:4])} {most[:2]}*",
    }


def timed(path: Path, phrase: str, rounds: int) -> SearchCost:
    """Search for one phrase so many times."""
    took_ms = []
    hits = 0
    for _ in range(rounds):
        started_s = time.perf_counter()
        with Store(path) as store:
            hits = len(search(store, phrase))
        took_ms.append(1000 * (time.perf_counter() - started_s))
    return SearchCost(phrase, hits, Spread.of(took_ms))


def fill(store: Store, hour: int, names: list[str], rng: np.random.Generator, *, planted: bool) -> None:
    """Put a meeting of an hour into the index."""
    session = f"{hour:012x}"
    track = Track(session, "me", 0, 3.6e6, 16_000, "-", "finished")
    store.begin(session, f"Meeting {hour}", 1.7e9 + 3600 * hour, track)
    ranks = np.minimum(rng.zipf(1.2, WORDS_AN_HOUR), VOCABULARY) - 1
    words = [names[rank] for rank in ranks]
    if planted:
        words[PLANTED_AT : PLANTED_AT + 6] = PLANTED.split()
    store.fill(session, utterances(words), (), ())


def utterances(words: list[str]) -> Iterator[Utterance]:
    """Yield words as utterances."""
    step_ms = 3.6e6 / WORDS_AN_HOUR
    for start in range(0, len(words), WORDS_OF_UTTERANCE):
        run = enumerate(words[start : start + WORDS_OF_UTTERANCE], start)
        heard = tuple(HeardWord(f" {word}", at * step_ms, (at + 1) * step_ms, 0.9) for at, word in run)
        yield Utterance(start // WORDS_OF_UTTERANCE, None, heard)


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Return words of two to four syllables, all different."""
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        words["".join(rng.choice(SYLLABLES, rng.integers(2, 5)))] = None
    return list(words)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of this measurement."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--hours", type=bounded_int("hours", 1, 100_000), default=1000, help="default: 1000")
    parser.add_argument("--rounds", type=bounded_int("rounds", 1, 1000), default=20, help="searches each (default: 20)")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        costs = measure(args.hours, args.rounds, Path(name))
        n_bytes = sum(path.stat().st_size for path in Path(name).iterdir())
    facts = header("none: synthetic text", threads=1)
    content = {kind: asdict(cost) for kind, cost in costs.items()}
    lines = [f"{args.hours} hours, {n_bytes / 1e6:.0f} MB"]
    lines += [f"{kind:<30} {cost.hits:>3} hits  {cost.ms} ms" for kind, cost in costs.items()]
    report(facts, {"hours": args.hours, "index_bytes": n_bytes, "searches": content}, lines, as_json=args.json)
    return 0
