"""How exact the times of words are: against synthetic speech whose times are known, and the lines of a recorded poem.

Live captions and whole recordings are both measured. Only words that were recognised have times to compare; words whose
times the synthesiser does not tell exactly are left out. The clips are made by
`python -m amanuensis.training word-times`; a few of them are the default.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from amanuensis.benchmarks.clips import RATE, Samples, add_clip_arguments, read_samples
from amanuensis.benchmarks.common import header, report
from amanuensis.benchmarks.measures import pairs
from amanuensis.benchmarks.poem import Aligner, read_lines
from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.daemon.commands.common import UsageError
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import LoadedModel, load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.token_times import Loudness, from_peaks
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Word
from amanuensis.stream.normalise import normalise_word

TIMED: Final = Path(__file__).resolve().parents[1] / "tests" / "data" / "word_times"
WAYS: Final = ("offline", "streaming")


@dataclass(frozen=True, slots=True)
class Said:
    """A word of the reference; None where its time is not known."""

    text: str
    start_ms: float | None
    end_ms: float | None


@dataclass(frozen=True, slots=True)
class TimedClip:
    """A sound and its words; `set` is its voice and condition."""

    set: str
    samples: Samples
    words: tuple[Said, ...]


@dataclass(slots=True)
class Errors:
    """Differences to the reference in milliseconds, late is positive; words of the reference and those recognised."""

    starts_ms: list[float] = field(default_factory=list)
    ends_ms: list[float] = field(default_factory=list)
    words: int = 0
    found: int = 0

    def add(self, reference: Sequence[Said], heard: Sequence[Word]) -> None:
        """Compare what was heard with what was said."""
        self.words += len(reference)
        for said, word in matched(reference, heard):
            self.found += 1
            if said.start_ms is not None:
                self.starts_ms.append(word.start_ms - said.start_ms)
            if said.end_ms is not None:
                self.ends_ms.append(word.end_ms - said.end_ms)

    def figures(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {
            "words": self.words,
            "recognised": self.found,
            "start_ms": summary(self.starts_ms),
            "end_ms": summary(self.ends_ms),
        }


class TimedModel:
    """A model that also measures what the times of its tokens cost."""

    def __init__(self, model: LoadedModel) -> None:
        self.info = model.info
        self.cost_s = 0.0
        self._model = model

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode, and compute the times once more with a watch in hand."""
        result = self._model.decode(job)
        started = time.perf_counter()
        from_peaks(result.frames, 0.0, Loudness(job.features))
        self.cost_s += time.perf_counter() - started
        return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench word-times`."""
    add_clip_arguments(parser, limit=40)
    parser.set_defaults(clips=TIMED)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    clips = load_timed(args.clips, args.limit)
    folder = resolve(args.model)
    model = TimedModel(load_model(EngineConfig(folder, threads=args.threads)))
    listener = Listener(model, Tokenizer(folder), StreamConfig())
    errors = measure(listener, clips)
    seconds = 2 * sum(len(clip.samples) for clip in clips) / RATE
    cost = round(1000 * model.cost_s / max(seconds, 1e-9), 3)
    figures: dict[str, Any] = {"sets": {name: each.figures() for name, each in errors.items()}, "cost_ms_per_s": cost}
    lines = [_line(name, each) for name, each in errors.items()]
    lines.append(f"the times of tokens took {cost:g} ms of CPU a second of sound, beside the attention")
    if args.speech is not None and (args.speech / "turns.jsonl").is_file():
        errors_of_lines = read_lines(Aligner(folder, args.threads), Path(args.speech))
        figures["lines"] = [asdict(each) for each in errors_of_lines]
        lines += [
            f"{each.text:56} start {each.start_error_ms:+5} ms  end {each.end_error_ms:+5} ms"
            for each in errors_of_lines
        ]
    report(header(model.info.model, args.threads), figures, lines, as_json=args.json)
    return 0


def load_timed(folder: Path, limit: int | None = None) -> list[TimedClip]:
    """Read the clips of a folder's `manifest.jsonl` that have `words`: [[text, start_s, end_s], ...], null if unknown.

    Raises:
        UsageError: there are none.

    """
    path = folder / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    clips: dict[str, list[TimedClip]] = {}
    for row in rows:
        if row.get("words"):
            name = f"{row['set']} voices, {'noise or room' if row.get('disturbed') else 'clean'}"
            found = clips.setdefault(name, [])
            if limit is None or len(found) < limit:
                words = tuple(Said(text, _ms(start_s), _ms(end_s)) for text, start_s, end_s in row["words"])
                found.append(TimedClip(name, read_samples(folder / row["path"]), words))
    if not clips:
        raise UsageError(
            f"{folder}: no clips with words and times; `python -m amanuensis.training word-times --work DIR` makes "
            "them in DIR/word-times, --clips names that folder"
        )
    return [clip for found in clips.values() for clip in found]


def measure(listener: Listener, clips: Sequence[TimedClip]) -> dict[str, Errors]:
    """Return the errors by way and set."""
    errors: dict[str, Errors] = {}
    for clip in clips:
        for way, heard in (("offline", listener.offline), ("streaming", listener.streaming)):
            errors.setdefault(f"{way}: {clip.set}", Errors()).add(clip.words, heard(clip.samples).words)
    return dict(sorted(errors.items()))


def matched(reference: Sequence[Said], heard: Sequence[Word]) -> Iterator[tuple[Said, Word]]:
    """Yield the words of the reference that were recognised with what was heard, in order."""
    said, found = ([normalise_word(word.text) for word in words] for words in (reference, heard))
    for a, b in pairs(said, found):
        yield reference[a], heard[b]


def summary(errors_ms: Sequence[float]) -> dict[str, float]:
    """Return the number of errors, their median with its sign, and median and P90 without."""
    if not errors_ms:
        return {"n": 0}
    sizes = np.abs(errors_ms)
    return {
        "n": len(errors_ms),
        "bias": round(float(np.median(errors_ms)), 1),
        "median": round(float(np.median(sizes)), 1),
        "p90": round(float(np.percentile(sizes, 90)), 1),
    }


def _line(name: str, errors: Errors) -> str:
    starts, ends = _shown(errors.starts_ms), _shown(errors.ends_ms)
    return f"{name:40} {errors.found:5} of {errors.words:5} words  start {starts}  end {ends}"


def _shown(errors_ms: Sequence[float]) -> str:
    figures: Mapping[str, float] = summary(errors_ms)
    if not figures["n"]:
        return "-"
    return f"{figures['median']:5.0f} / {figures['p90']:5.0f} ms (median / P90), bias {figures['bias']:4.0f}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds
