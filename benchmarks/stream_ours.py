"""The worker that streams through our own session and engine, in one process, with scripted random weights.

`python -m amanuensis.benchmarks.stream_ours MODEL AUDIO.npy TICK_S RATE THREADS`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.scripted import ScriptedBackend
from amanuensis.benchmarks.worker import serve_runs
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.token_times import Loudness, from_peaks
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import FRAME_S, WindowJob, WindowResult
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Commit, Event
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession, Ticket

SAMPLE_RATE = 16_000
PACKET_S = 0.02  # as sound comes from a microphone
SILENCE_S = 2.0  # ends the utterance
SURE_AFTER_S = 0.2  # of audio after the last word
UNSTABLE_TOKENS = 2  # the end of each hypothesis is heard differently the next time


@dataclass(frozen=True, slots=True)
class Script:
    """What is said: token j is spoken from j / rate to (j + 1) / rate seconds of the stream."""

    tokens: tuple[int, ...]
    alternatives: tuple[int, ...]  # misheard at the edge, never twice the same
    rate: float  # tokens per second of audio

    def heard(self, until_s: float, *, in_pause: bool = False) -> tuple[int, ...]:
        """Return what is understood of the audio up to a time: at the edge it is not sure yet, but in a pause."""
        known = min(int(self.rate * until_s), len(self.tokens))
        over = in_pause or until_s > len(self.tokens) / self.rate + SURE_AFTER_S
        sure = known if over else max(known - UNSTABLE_TOKENS, 0)
        return self.tokens[:sure] + tuple(self.alternatives[known * UNSTABLE_TOKENS + k] for k in range(known - sure))

    def window_start(self, job: WindowJob) -> int:
        """Return the index of the first token in the window of a job."""
        if job.forced:
            return self.tokens.index(job.forced[0])
        return 1 + max((self.tokens.index(token) for token in job.prompt if token in self.tokens), default=-1)


class Streamer:
    """Streams one utterance through a new session."""

    def __init__(self, model: CpuModel, tokenizer: Tokenizer, script: Script, tick_s: float) -> None:
        self._backend = ScriptedBackend(model, tokenizer)
        self._decoder = WindowDecoder(self._backend, tokenizer)
        self._tokenizer = tokenizer
        self._script = script
        self._config = StreamConfig(tick_ms=tick_s * 1000, language="en")
        files = model.files
        self._info = EngineInfo(
            model="random base",
            encoder=model.encoder_device,
            decoder=model.decoder_device,
            why="in process",
            precision=model.precision,
            n_mels=files.dimensions.n_mels,
            multilingual=files.generation.multilingual,
            languages=files.generation.languages,
            audio_context=files.manifest.audio_context,
            max_window_s=files.manifest.window_s,
        )

    def stream(self, audio: NDArray[np.float32]) -> int:
        """Stream the audio and a pause; return the number of decoded tokens, after checking the text."""
        session = StreamSession(self._config, AudioFormat("f32le", SAMPLE_RATE, 1), self._tokenizer, self._info)
        events: list[Event] = []
        decoded = 0
        for packet in packets(audio):
            events += session.receive(packet)
            decoded += self._work(session, events)
        events += session.end()
        decoded += self._work(session, events)
        said = "".join(word.text for event in events if isinstance(event, Commit) for word in event.words)
        wanted = self._tokenizer.decode(self._script.tokens)
        assert said == wanted, f"streamed {said!r} instead of {wanted!r}"
        return decoded

    def _work(self, session: StreamSession, events: list[Event]) -> int:
        decoded = 0
        while (ticket := session.next_job()) is not None:
            result = self._decode(ticket)
            decoded += len(ticket.job.forced) + len(result.tokens)
            events += session.deliver(ticket.id, result)
        return decoded

    def _decode(self, ticket: Ticket) -> WindowResult:
        first = self._script.window_start(ticket.job)
        self._backend.script = self._script.heard(ticket.audio_end_ms / 1000, in_pause=ticket.urgent)[first:]
        result = self._decoder.decode(ticket.job)
        # The attention of random weights follows nothing: the script's times take the place of its peaks.
        start_s = (ticket.audio_start_ms - ticket.lead_ms) / 1000
        spoken = range(first + len(ticket.job.forced), first + len(ticket.job.forced) + len(result.tokens))
        last = ticket.job.features.shape[1] // 2 - 1
        frames = (round(((j + 0.5) / self._script.rate - start_s) / FRAME_S) for j in spoken)
        times = from_peaks([min(max(frame, 0), last) for frame in frames], 0.0, Loudness(ticket.job.features))
        return replace(result, frames=times.frames, starts_ms=times.starts_ms, ends_ms=times.ends_ms)


def packets(audio: NDArray[np.float32]) -> Iterator[bytes]:
    """Yield the audio and a pause in packets of a microphone."""
    sound = np.concatenate([audio, np.zeros(int(SILENCE_S * SAMPLE_RATE), np.float32)])
    step = int(PACKET_S * SAMPLE_RATE)
    for start in range(0, len(sound), step):
        yield sound[start : start + step].tobytes()


def filler_tokens(model: Path, count: int) -> tuple[int, ...]:
    """Return tokens of a random model that each spell one word."""
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    return tuple(vocabulary[f"Ġw{k * 101 + 10_000}"] for k in range(count))


def main() -> None:
    """Serve the case `ours`."""
    parser = argparse.ArgumentParser()
    for name, kind in (("model", Path), ("audio", Path), ("tick_s", float), ("rate", float), ("threads", int)):
        parser.add_argument(name, type=kind)
    args = parser.parse_args()
    audio = np.load(args.audio)
    spoken = int(args.rate * len(audio) / SAMPLE_RATE)
    tokens = filler_tokens(args.model, spoken + UNSTABLE_TOKENS * (spoken + 1))
    script = Script(tokens[:spoken], tokens[spoken:], args.rate)
    model = CpuModel(ModelFiles.load(args.model), "int8", args.threads)
    streamer = Streamer(model, Tokenizer(args.model), script, args.tick_s)
    serve_runs({"ours": lambda: streamer.stream(audio)}, ["onnxruntime"])


if __name__ == "__main__":
    main()
