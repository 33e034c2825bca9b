"""Word errors of live captions against those of whole recordings, with the same model, and how soon words come.

Both ways run in this process without any clock: a word's delay is counted in audio that had come when it was shown,
as if computing took no time (what the policy alone costs); `compute_ratio` tells what computing took.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from amanuensis.benchmarks.clips import RATE, Clip, add_clip_arguments, join, load_clips
from amanuensis.benchmarks.common import header, report
from amanuensis.npu.engine.api import EngineConfig, EngineInfo
from amanuensis.npu.loading import load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.english import normalise_english
from amanuensis.stream.events import Commit, Event, Partial, Word
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.offline import OfflineTranscriber
from amanuensis.stream.session import StreamSession
from amanuensis.stream.wer import Errors, word_errors

CHUNK_MS = 100  # of audio sent at a time
FORMAT = AudioFormat("s16le", RATE)


@dataclass(slots=True)
class Heard:
    """What was made of one piece of audio."""

    words: list[Word]
    compute_s: float
    commit_delays_ms: list[float] = field(default_factory=list)  # audio between a word's end and its commit
    show_gaps_ms: list[float] = field(default_factory=list)  # audio between two moments at which a new word came

    @property
    def text(self) -> str:
        """All words."""
        return "".join(word.text for word in self.words)


@dataclass(slots=True)
class Score:
    """Figures of one set."""

    clips: int = 0
    seconds: float = 0.0
    offline: Errors = field(default_factory=Errors)
    streaming: Errors = field(default_factory=Errors)
    compute_s: float = 0.0
    commit_delays_ms: list[float] = field(default_factory=list)

    def add(self, clip: Clip, offline: Heard, streaming: Heard) -> None:
        """Count one clip."""
        reference = normalise_english(clip.text).split()
        self.clips += 1
        self.seconds += clip.seconds
        self.offline += word_errors(reference, normalise_english(offline.text).split())
        self.streaming += word_errors(reference, normalise_english(streaming.text).split())
        self.compute_s += streaming.compute_s
        self.commit_delays_ms += streaming.commit_delays_ms

    def figures(self) -> dict[str, Any]:
        """Return the set's figures by name."""
        delays = self.commit_delays_ms or [0.0]
        return {
            "clips": self.clips,
            "seconds": round(self.seconds, 1),
            "words": self.offline.n,
            "offline_wer": round(100 * self.offline.rate, 2),
            "streaming_wer": round(100 * self.streaming.rate, 2),
            "offline_errors": asdict(self.offline),
            "streaming_errors": asdict(self.streaming),
            "commit_delay_ms": {f"p{p}": round(float(np.percentile(delays, p))) for p in (50, 95)},
            "compute_ratio": round(self.compute_s / max(self.seconds, 1e-9), 4),
        }


class Model(Protocol):
    """What decodes windows."""

    @property
    def info(self) -> EngineInfo: ...

    def decode(self, job: WindowJob) -> WindowResult: ...


class Listener:
    """Runs audio through the pipeline with one model."""

    def __init__(self, model: Model, tokenizer: Tokenizer, config: StreamConfig) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._config = config

    def offline(self, samples: np.ndarray) -> Heard:
        """Transcribe a whole recording, float32 at RATE."""
        transcriber = OfflineTranscriber(self._config, FORMAT, self._tokenizer, self._model.info)
        compute_s = 0.0
        for piece in pieces(samples, 1000):
            transcriber.receive(piece)
            compute_s += self._work(transcriber, lambda _: None)
        transcriber.end()
        compute_s += self._work(transcriber, lambda _: None)
        return Heard(list(transcriber.words), compute_s)

    def streaming(
        self,
        samples: np.ndarray,
        on_event: Callable[[float, Event], None] | None = None,
        packet_ms: int = CHUNK_MS,
    ) -> Heard:
        """Caption live audio, float32 at RATE; `on_event` gets the media time received so far and the event."""
        session = StreamSession(self._config, FORMAT, self._tokenizer, self._model.info)
        heard = Heard([], 0.0)
        newest = _Newest()

        def take(events: Sequence[Event]) -> None:
            for event in events:
                if on_event:
                    on_event(session.received_ms, event)
                if isinstance(event, Commit):
                    heard.words += event.words
                    heard.commit_delays_ms += [session.received_ms - word.end_ms for word in event.words]
            newest.see(events, session.received_ms)

        for piece in pieces(samples, packet_ms):
            take(session.receive(piece))
            heard.compute_s += self._work(session, take)
        take(session.end())
        heard.compute_s += self._work(session, take)
        heard.show_gaps_ms = newest.gaps_ms
        return heard

    def _work(self, session: StreamSession | OfflineTranscriber, take: Callable[[list[Event]], None]) -> float:
        started = time.perf_counter()
        while ticket := session.next_job():
            take(session.deliver(ticket.id, self._model.decode(ticket.job)))
        return time.perf_counter() - started


class _Newest:
    """Notes when a new word came: the text, committed and partial, changed and reaches further into the sound.

    Not the number of words counts: a word too many in a partial, taken back later, would hide the next new one.
    """

    def __init__(self) -> None:
        self.gaps_ms: list[float] = []
        self._committed: list[str] = []
        self._partial: list[str] = []
        self._shown: list[str] = []
        self._reach_ms = -1.0  # end of the furthest word so far
        self._came_ms: float | None = None

    def see(self, events: Iterable[Event], now_ms: float) -> None:
        """Take the events that came when `now_ms` of audio had been received."""
        reach_ms = self._reach_ms
        for event in events:
            if isinstance(event, Commit):
                self._committed += [word.text.strip() for word in event.words]
                reach_ms = max(reach_ms, event.words[-1].end_ms)
            elif isinstance(event, Partial):
                self._partial = event.text.split()
                reach_ms = max(reach_ms, event.end_ms if self._partial else reach_ms)
        shown = self._committed + self._partial
        if reach_ms > self._reach_ms and shown != self._shown:
            if self._came_ms is not None:
                self.gaps_ms.append(now_ms - self._came_ms)
            self._came_ms = now_ms
        self._reach_ms, self._shown = reach_ms, shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench wer`."""
    add_clip_arguments(parser, limit=40)
    parser.add_argument("--policy", choices=("agreement", "alignatt"), default="agreement", help="when words commit")
    parser.add_argument("--window", type=float, metavar="S", help="longest window (default: the model's)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    folder = resolve(args.model)
    model = load_model(EngineConfig(folder, threads=args.threads))
    config = StreamConfig(policy=args.policy, max_window_s=args.window)
    scores = measure(Listener(model, Tokenizer(folder), config), collect(args.clips, args.speech, args.limit))
    figures = {name: score.figures() for name, score in scores.items()}
    lines = [_line(name, score.figures()) for name, score in scores.items()]
    report(header(model.info.model, args.threads), {"sets": figures}, lines, as_json=args.json)
    return 0


def collect(synthetic: Path | None, recorded: Path | None, limit: int | None) -> list[Clip]:
    """Return the clips of both folders, those that exist, and a long mixture of each."""
    clips: list[Clip] = []
    for name, folder in (("synthetic", synthetic), ("recorded", recorded)):
        if folder is not None and (folder / "manifest.jsonl").is_file():
            found = load_clips(folder, limit)
            clips += [*found, join(found * 2 if name == "synthetic" else found[::2], f"long {name}")]
    return clips


def measure(listener: Listener, clips: Sequence[Clip]) -> dict[str, Score]:
    """Return the scores by set; a long mixture is a set of its own."""
    scores: dict[str, Score] = {}
    for clip in clips:
        score = scores.setdefault(clip.name if clip.set == "long" else clip.set, Score())
        score.add(clip, listener.offline(clip.samples), listener.streaming(clip.samples))
    return scores


def pieces(samples: np.ndarray, milliseconds: int = CHUNK_MS) -> Iterable[bytes]:
    """Return float32 samples at RATE as s16le, so many milliseconds at a time."""
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    step = 2 * RATE * milliseconds // 1000
    return (pcm[at : at + step] for at in range(0, len(pcm), step))


def _line(name: str, figures: dict[str, Any]) -> str:
    delay = figures["commit_delay_ms"]
    return (
        f"{name:18} {figures['seconds']:7.1f} s {figures['words']:5} words  "
        f"offline {figures['offline_wer']:6.2f} %  streaming {figures['streaming_wer']:6.2f} %  "
        f"commit delay {delay['p50']:5} / {delay['p95']:5} ms (P50 / P95)  compute {figures['compute_ratio']:.3f}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run as `python -m amanuensis.benchmarks.streaming_wer`."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
