"""The microphone: PortAudio through sounddevice, inside the capture process (see capture.py).

PortAudio's thread only copies into a ring that was allocated before; the process's own thread empties it. Whatever the
ring or PortAudio itself had to drop is counted and handed on as `Lost`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from amanuensis.daemon.sources.base import CHUNK_S, Chunk, Lost, SourceError, elapsed_s
from amanuensis.stream.formats import MAX_RATE, MIN_RATE, AudioFormat

RING_S: Final = 10.0  # how long the program may be held up before samples are lost
STALL_S: Final = 5.0  # a device that delivers nothing for so long has gone; Bluetooth takes 3 s to begin
MAX_LOSS_S: Final = 60.0  # of one hole: while a machine sleeps nothing is said to it
STEP_S: Final = 0.5  # a jump of the device's clock that is a hole even if PortAudio does not call it an overflow
STEREO: Final = 2
CARD: Final = re.compile(r"\s*\(hw:\d+,\d+\)$")  # ALSA counts cards anew when one is plugged in again
LATE: Final = "the sound could not be taken from the device in time"
NO_PORTAUDIO: Final = "the microphone needs PortAudio: install it, for example: sudo apt install libportaudio2"
NO_INPUT: Final = (
    "no microphone found: connect one, or start the sound server (PipeWire or PulseAudio); "
    "sound can also come from --input file:PATH, tcp:HOST:PORT, unix:PATH or - (standard input)"
)


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A sound input that PortAudio sees."""

    index: int
    name: str
    host: str  # PortAudio's host API, such as ALSA
    channels: int
    rate: int  # Hz, the one that it prefers
    default: bool


class CaptureRing:
    """Bytes from PortAudio's thread to the asyncio thread, without a lock and without growing.

    One thread calls `put`, another `take`. When the ring is full, everything is dropped until it has been
    emptied, so that the hole lies where the ring ends and its length is exact.
    """

    def __init__(self, capacity_frames: int, frame_bytes: int) -> None:
        self._buffer = bytearray(capacity_frames * frame_bytes)
        self._frame_bytes = frame_bytes
        self._written = 0  # bytes since the start; changed by `put` only
        self._read = 0  # changed by `take` only
        self._lost = 0  # frames; changed by `put` only
        self._reported = 0  # changed by `take` only
        self._full = False

    def put(self, data: Any, also_lost: int = 0) -> None:
        """Copy whole frames in, or drop them all; `also_lost` frames were dropped before they came here."""
        size = len(data)
        self._lost += also_lost
        if self._full or size > len(self._buffer) - (self._written - self._read):
            self._full = True
            self._lost += size // self._frame_bytes
            return
        at = self._written % len(self._buffer)
        first = min(size, len(self._buffer) - at)
        self._buffer[at : at + first] = data[:first]
        self._buffer[: size - first] = data[first:]
        self._written += size

    def take(self) -> bytes | int | None:
        """Return what has come, or how many frames were lost at this place, or None."""
        size = self._written - self._read
        if size:
            at = self._read % len(self._buffer)
            first = min(size, len(self._buffer) - at)
            data = bytes(self._buffer[at : at + first]) + bytes(self._buffer[: size - first])
            self._read += size
            return data
        lost = self._lost - self._reported
        if lost:
            self._reported += lost
            self._full = False
            return lost
        return None


class Microphone:
    """One open sound input.

    Args:
        device: from `choose_device`.
        clock: seconds that never go back and count while the machine sleeps.
        awake_clock: the same without the time asleep, as PortAudio's own clock.

    Raises:
        SourceError: it cannot be opened.

    """

    def __init__(
        self,
        device: InputDevice,
        clock: Callable[[], float] = elapsed_s,
        awake_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = device.name
        self.format = AudioFormat("s16le", min(MAX_RATE, max(MIN_RATE, device.rate)), channels_wanted(device))
        self._clock = clock
        self._awake_clock = awake_clock
        self._ring = CaptureRing(round(RING_S * self.format.rate), self.format.frame_bytes)
        self._heard_s = awake_clock()
        self._due_s: float | None = None  # when the next block should begin; before the first: None
        self._finished = False
        self._stream = self._open(device)

    def take(self) -> Iterator[Chunk]:
        """Yield what was captured since the last time."""
        while (item := self._ring.take()) is not None:
            yield item if isinstance(item, bytes) else Lost(item, LATE)

    @property
    def has_gone(self) -> bool:
        """Whether nothing more comes from the device."""
        return self._finished or self._awake_clock() - self._heard_s > STALL_S

    def _open(self, device: InputDevice) -> Any:
        sounddevice = portaudio()
        try:
            with quiet_stderr():
                stream = sounddevice.RawInputStream(
                    device=device.index,
                    samplerate=self.format.rate,
                    channels=self.format.channels,
                    dtype="int16",
                    blocksize=round(CHUNK_S * self.format.rate),
                    callback=self._captured,
                    finished_callback=self._ended,
                )
                stream.start()
        except sounddevice.PortAudioError as error:
            raise SourceError(
                f"the microphone {device.name!r} cannot be opened: {reason(error)}; "
                "is another program using it? (--list-inputs shows the others)"
            ) from None
        return stream

    def _captured(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """Run in PortAudio's thread for every block.

        A hole is as long as the device's clock has gone on without sound, the machine's sleep included, but MAX_LOSS_S
        at most: after a longer one media time stays behind the clock by the rest, and times in the captions go on from
        there. Where PortAudio reports no overflow, only a step above STEP_S is a hole: the clock trembles. An overflow
        at the first block has nothing before it that could tell the length: it counts as one sample.
        """
        self._heard_s = self._awake_clock()
        begin_s = times.inputBufferAdcTime + self._clock() - self._heard_s
        missed_s = 0.0 if self._due_s is None else min(begin_s - self._due_s, MAX_LOSS_S)
        self._due_s = begin_s + frames / self.format.rate
        missed = max(round(missed_s * self.format.rate), 1) if status.input_overflow or missed_s > STEP_S else 0
        self._ring.put(data, missed)

    def _ended(self) -> None:
        self._finished = True


def input_devices() -> list[InputDevice]:
    """Return the sound inputs that PortAudio sees.

    Raises:
        SourceError: PortAudio is not installed.

    """
    sounddevice = portaudio()
    hosts = sounddevice.query_hostapis()
    default = default_index(sounddevice)
    return [
        InputDevice(
            index=int(row["index"]),
            name=str(row["name"]),
            host=str(hosts[row["hostapi"]]["name"]),
            channels=int(row["max_input_channels"]),
            rate=round(row["default_samplerate"]),
            default=row["index"] == default,
        )
        for row in sounddevice.query_devices()
        if row["max_input_channels"] > 0
    ]


def choose_device(wanted: str | None, devices: list[InputDevice]) -> InputDevice:
    """Return the device that a person means.

    Args:
        wanted: its index, its name, or a part of its name that no other has; None: the default device.
        devices: from `input_devices`.

    Raises:
        SourceError: there is none, or more than one.

    """
    if not devices:
        raise SourceError(NO_INPUT)
    if wanted is None or wanted == "default":
        return next((device for device in devices if device.default), devices[0])
    if wanted.isdecimal():
        found = [device for device in devices if device.index == int(wanted)]
    else:
        name = wanted.casefold()
        found = [device for device in devices if device.name.casefold() == name]
        found = found or [device for device in devices if name in device.name.casefold()]
    if len(found) == 1:
        return found[0]
    problem = "means more than one sound input" if found else "is not a sound input"
    choices = ", ".join(f"{device.index} {device.name!r}" for device in found or devices)
    raise SourceError(f"input {wanted!r} {problem}; choose by index from: {choices}")


def choose_again(name: str, devices: list[InputDevice]) -> InputDevice:
    """Return the device to go on with after `name` was lost: itself if it is there, else the default one.

    Raises:
        SourceError: there is none.

    """
    same = [device for device in devices if is_same(device.name, name)]
    return same[0] if same else choose_device(None, devices)


def is_same(name: str, other: str) -> bool:
    """Tell whether two names are of one device, whatever number its card has now."""
    return CARD.sub("", name) == CARD.sub("", other)


def channels_wanted(device: InputDevice) -> int:
    """Return how many channels to open.

    A stereo input may carry its microphone on either side, so both are taken and mixed. A device of many channels is
    a sound server's, which mixes down itself.
    """
    return device.channels if device.channels <= STEREO else 1


def portaudio() -> ModuleType:
    """Import sounddevice, which starts PortAudio; its search for devices writes to stderr, which is kept quiet."""
    try:
        with quiet_stderr():
            import sounddevice
    except OSError:
        raise SourceError(NO_PORTAUDIO) from None
    module: ModuleType = sounddevice
    return module


def default_index(sounddevice: ModuleType) -> int:
    """Return PortAudio's default input, or -1."""
    try:
        return int(sounddevice.query_devices(kind="input")["index"])
    except (sounddevice.PortAudioError, ValueError):
        return -1


def reason(error: Exception) -> str:
    """Return PortAudio's words for an error, without its number."""
    text = str(error.args[0] if error.args else error)
    return text.removeprefix("Error opening RawInputStream: ").split(" [PaErrorCode")[0].lower()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what C libraries write to stderr nowhere: ALSA complains about every device that it does not find."""
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
