"""Computes what tells voices apart, for all streams, in one thread behind everything else: words never wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from amanuensis.daemon.enrolled import VoiceFile
from amanuensis.daemon.known_voices import KnownVoices
from amanuensis.daemon.voice_network import WAIT_S, EngineNetwork
from amanuensis.npu.engine.api import VoiceEngine
from amanuensis.npu.speaker_builtin import BuiltinEmbedder
from amanuensis.npu.speakers import load_embedder
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.speakers import MAX_SPEAKERS, SpeakerRules
from amanuensis.stream.voice_jobs import VoiceAnswer, VoiceEmbedder, VoiceJob

NICE: Final = 10  # added to that of the process: what captions need goes first
MOST_NICE: Final = 19
LIMIT_S: Final = 60.0  # of a job, waiting included: usual ones take some milliseconds, on a busy machine seconds


class VoiceDesk:
    """One embedder and the thread in which it works.

    Args:
        embedder: makes the vectors.
        known: voices with a name; used by streams that want them.
        limit_s: of a job, after which it is given up: the end of a stream waits for it.

    Attributes:
        embedder: as given.
        on_vector: called with the device that computed the network's part of a vector, in the thread of the voices.

    """

    def __init__(self, embedder: VoiceEmbedder, known: KnownVoices | None = None, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self.embedder = embedder
        self.on_vector: Callable[[str], None] = lambda _: None
        self._on_device: BuiltinEmbedder | None = None
        self._known = known
        self._thread = ThreadPoolExecutor(1, "voices", initializer=_give_way)

    @classmethod
    def open(cls, model_folder: Path, enrolled: VoiceFile, *, known: bool) -> VoiceDesk:
        """Load the embedder that a model brings, else the built-in one.

        Args:
            model_folder: of the model.
            enrolled: voices, for streams that want to know them.
            known: read them now; else when the first stream wants to.

        Raises:
            amanuensis.npu.model_error.ModelError: the model's own cannot be used.
            amanuensis.daemon.enrolled.EnrolError: the file of voices cannot be read.

        """
        embedder = load_embedder(model_folder)
        voices = KnownVoices(enrolled, embedder)
        if known:
            voices.read()
        return cls(embedder, voices)

    def use(self, engine: VoiceEngine, wait_s: float = WAIT_S) -> None:
        """Have the built-in network computed on the engine's device from now on, where there is one that does it.

        Args:
            engine: of the running event loop.
            wait_s: for a vector, before the CPU makes it.

        """
        if isinstance(self.embedder, BuiltinEmbedder) and engine.info.voices:
            loop, cpu = asyncio.get_running_loop(), self.embedder.network
            self._on_device = self.embedder.with_network(EngineNetwork(cpu, engine, loop, self._count, wait_s))

    def rules(self, config: StreamConfig, *, live: bool) -> SpeakerRules | None:
        """Return how the speakers of a stream are told apart; None: they are not.

        Args:
            config: of the stream.
            live: somebody speaks now; the speakers of a recording are told apart when that is asked for.

        """
        if config.speakers == 0 or not (live or config.asks_for_speakers):
            return None
        return SpeakerRules(
            self.embedder.same_above,
            config.max_speakers or MAX_SPEAKERS,
            config.speakers,
            self._known.vectors() if self._known and config.known_speakers else None,
            self.embedder.name,
        )

    async def work(self, job: VoiceJob) -> VoiceAnswer:
        """Do a job after those that came before it.

        Raises:
            ValueError: the embedder gave no vector, or not in time.

        """
        answer = asyncio.get_running_loop().run_in_executor(self._thread, self._work, job)
        try:
            async with asyncio.timeout(self._limit_s):
                return await answer
        except TimeoutError:
            raise ValueError(f"speaker model {self.embedder.name} took more than {self._limit_s:g} s") from None

    def _work(self, job: VoiceJob) -> VoiceAnswer:
        if self._on_device is not None:
            return job.work(self._on_device)
        answer = job.work(self.embedder)
        for _ in answer.vectors:
            self._count("cpu")
        return answer

    def _count(self, device: str) -> None:
        self.on_vector(device)

    def close(self) -> None:
        """Take no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    """Let all other threads go first; on Linux niceness is of a thread."""
    with contextlib.suppress(OSError):
        nice = os.getpriority(os.PRIO_PROCESS, 0) + NICE
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(nice, MOST_NICE))
