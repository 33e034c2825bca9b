"""What the machine plays: all of it (`system`) or one application (`app:NAME`), by `parec` or `pw-record`.

PortAudio cannot see it. The recorder is a program of the sound server's own, which is started again when it ends, when
the default output changes, and when the application plays anew.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from amanuensis.daemon.sources.base import Chunk, Lost, SourceError, elapsed_s
from amanuensis.daemon.sources.process import Process, ProcessSource, last_words, send, start
from amanuensis.daemon.sources.sample_clock import SampleClock
from amanuensis.daemon.sources.sound_server import (
    Playing,
    ask,
    choose_playing,
    parse_default_sink,
    parse_pipewire,
    parse_sink_inputs,
)
from amanuensis.stream.formats import AudioFormat

FORMAT: Final = AudioFormat("s16le", 48_000, 1)  # the rate of nearly all sound servers, mixed by them
NO_RECORDER: Final = (
    "sound that the machine plays needs parec and pactl, or pw-record and pw-dump: "
    "install one, for example: sudo apt install pulseaudio-utils"
)
NO_OUTPUT: Final = "the sound server has no output that could be heard"
MISSED: Final = "no sound came from the sound server"
MAX_NAMED: Final = 8  # applications in a message


@dataclass(frozen=True, slots=True)
class Recorder:
    """How the programs of a sound server are called.

    Attributes:
        with_pactl: PulseAudio's programs, which PipeWire understands as well; else PipeWire's own.
        raw: what makes a newer `pw-record` write bare samples, as older ones do anyway.

    """

    with_pactl: bool
    raw: tuple[str, ...] = ()

    @classmethod
    async def find(cls, which: Callable[[str], str | None] = shutil.which) -> Recorder:
        """Return what is installed and has a server.

        Raises:
            SourceError: nothing is.

        """
        problem = NO_RECORDER
        if which("pactl") and which("parec"):
            try:
                await ask("pactl", "info")
            except SourceError as error:
                problem = str(error)
            else:
                return cls(with_pactl=True)
        if which("pw-dump") and which("pw-record"):
            flags = await ask("pw-record", "--help")
            return cls(with_pactl=False, raw=("--raw",) if "--raw" in flags else ())
        raise SourceError(problem)

    async def playing(self) -> list[Playing]:
        """Return what plays now; SourceError where no server answers."""
        if self.with_pactl:
            return parse_sink_inputs(await ask("pactl", "list", "sink-inputs"))
        return parse_pipewire(await ask("pw-dump"))

    def system(self, sink: str | None) -> list[str]:
        """Return the command that records what a sink plays; None with PipeWire, which follows the default one."""
        if self.with_pactl:
            return [*_parec(), f"--device={sink}.monitor"]
        return [*_pw_record(), *self.raw, "-P", "{ stream.capture.sink=true }", "-"]

    def application(self, target: str) -> list[str]:
        """Return the command that records one stream."""
        if self.with_pactl:
            return [*_parec(), f"--monitor-stream={target}"]
        return [*_pw_record(), *self.raw, "--target", target, "-"]


class RecordedSound(ProcessSource):
    """What a recorder writes: bare PCM; what the clock says should have come and did not is `Lost`."""

    def __init__(self, process: Process, name: str, sink: str | None = None) -> None:
        super().__init__(process, name, FORMAT)
        self.sink = sink
        self._clock = SampleClock(FORMAT.rate, elapsed_s)
        self._rest = b""

    def _taken(self, data: bytes) -> Iterator[Chunk]:
        data = self._rest + data
        whole = len(data) - len(data) % FORMAT.frame_bytes
        self._rest = data[whole:]
        if lost := self._clock.missing(whole // FORMAT.frame_bytes):
            yield Lost(lost, MISSED)
        if whole:
            yield data[:whole]

    def _ask_to_stop(self) -> None:
        send(self._process, signal.SIGTERM)

    async def _why(self) -> str:
        said = await last_words(self._process)
        return f"{self.name} has gone" + (f" ({said})" if said else "")


class SystemSound:
    """All that the machine plays, through its default output."""

    what = "system sound"
    most_wait_s = 4.0

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def open(self) -> RecordedSound:
        sink = await self._default_sink()
        process = await start(self._recorder.system(sink), _environment())
        return RecordedSound(process, f"{self.what} ({sink})" if sink else self.what, sink)

    async def better(self, current: ProcessSource) -> RecordedSound | None:
        """Follow the default output when another one has become it."""
        has_moved = isinstance(current, RecordedSound) and await self._default_sink() != current.sink
        return await self.open() if has_moved else None

    async def _default_sink(self) -> str | None:
        if not self._recorder.with_pactl:
            await ask("pw-dump", "0")  # whether there is a server
            return None
        sink = parse_default_sink(await ask("pactl", "info"))
        if sink is None:
            raise SourceError(NO_OUTPUT)
        return sink


class ApplicationSound:
    """What one application plays.

    What the sound server has taken from it before it is noticed is not heard: half a second, and as much as it buffers
    (2 s at most, for players that ask for it).

    Args:
        recorder: that is there.
        wanted: its name, or a part of it.
        say: told once for whom it waits.

    """

    most_wait_s = 0.5

    def __init__(self, recorder: Recorder, wanted: str, say: Callable[[str], None]) -> None:
        self.what = f"app:{wanted}"
        self._recorder = recorder
        self._wanted = wanted
        self._say = say
        self._told = False

    async def open(self) -> RecordedSound:
        playing = await self._recorder.playing()
        chosen = choose_playing(self._wanted, playing)
        if chosen is None:
            names = ", ".join(sorted({stream.name for stream in playing})[:MAX_NAMED]) or "nothing"
            text = f"waiting for {self._wanted!r} to play (now playing: {names})"
            if not self._told:
                self._say(text)
            self._told = True
            raise SourceError(text)
        process = await start(self._recorder.application(chosen.target), _environment())
        return RecordedSound(process, f"{chosen.name} (application)")

    async def better(self, current: ProcessSource) -> None:
        """One stream is as good as another; `open` takes the newest."""


def _parec() -> list[str]:
    return [
        *("parec", "--raw", "--format=s16le", f"--rate={FORMAT.rate}", f"--channels={FORMAT.channels}"),
        *("--latency-msec=20", "--client-name=amanuensis"),
    ]


def _pw_record() -> list[str]:
    return ["pw-record", "--format", "s16", "--rate", str(FORMAT.rate), "--channels", str(FORMAT.channels)]


def _environment() -> Mapping[str, str]:
    """Return ours without the source that is chosen for microphones."""
    return {name: value for name, value in os.environ.items() if name != "PULSE_SOURCE"}
