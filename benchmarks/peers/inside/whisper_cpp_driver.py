"""whisper.cpp's stream mode through pywhispercpp (both MIT). See `../library.py`.

The example `stream` of whisper.cpp is a program for a microphone; its sliding window is followed here step by step
with `--step 500 --length 5000`, as its README has it, or its defaults of 3 and 10 s: each step decodes the window;
when a line is full it stands, and the next begins with the last 0.2 s. Sound that comes faster than it is decoded is
dropped, as there.
Run in its environment: `python FILE MODEL THREADS STEP_S LENGTH_S < PCM`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
KEEP_S = 0.2
MAX_TOKENS = 32
READ_BYTES = 640  # 20 ms


@dataclass(slots=True)
class Window:
    """The sliding window of `stream`, without its voice detection.

    Args:
        step: samples of new sound for each decode.
        length: samples of a window.

    """

    step: int
    length: int
    dropped: int = 0  # samples
    _old: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    _steps: int = 0

    def next(self, new: NDArray[np.float32]) -> tuple[NDArray[np.float32], Literal["partial", "commit"]] | None:
        """Return the sound to decode and what its text is; None where decoding is too slow and sound is dropped."""
        if len(new) > 2 * self.step:
            self.dropped += len(new)
            return None
        room = round(KEEP_S * SAMPLE_RATE) + self.length - len(new)
        taken = min(len(self._old), max(0, room))
        sound = np.concatenate([self._old[len(self._old) - taken :], new])
        self._old = sound
        self._steps += 1
        if self._steps % max(1, self.length // self.step - 1):
            return sound, "partial"
        self._old = sound[-round(KEEP_S * SAMPLE_RATE) :]
        return sound, "commit"


@dataclass(slots=True)
class Inbox:
    """Sound from standard input, taken by whoever decodes."""

    _parts: list[bytes] = field(default_factory=list)
    _ready: threading.Condition = field(default_factory=threading.Condition)
    _over: bool = False

    def fill(self) -> None:
        """Read until standard input ends."""
        while pcm := sys.stdin.buffer.read(READ_BYTES):
            with self._ready:
                self._parts.append(pcm)
                self._ready.notify()
        with self._ready:
            self._over = True
            self._ready.notify()

    def take(self, at_least: int) -> NDArray[np.float32]:
        """Return all sound that is there, once there are so many samples; less than those only at the end."""
        with self._ready:
            self._ready.wait_for(lambda: self._over or sum(map(len, self._parts)) >= 2 * at_least)
            pcm = b"".join(self._parts)
            self._parts.clear()
        return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


def stream(
    inbox: Inbox, window: Window, decode: Callable[[NDArray[np.float32]], str], show: Callable[[object], None]
) -> None:
    """Decode the window at each step until the sound ends; the line that is then on the screen stays there."""
    kind, text = "commit", ""
    while len(new := inbox.take(window.step)) >= window.step:
        job = window.next(new)
        if job is None:
            continue
        sound, kind = job
        text = " " + decode(sound).strip()
        show({"kind": kind, "text": text})
    if kind == "partial":
        show({"kind": "commit", "text": text})


def main() -> None:
    """Stream standard input."""
    model_file, threads, step_s, length_s = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from pywhispercpp.model import Model

    model = Model(model_file, n_threads=int(threads), single_segment=True, no_context=True, max_tokens=MAX_TOKENS)

    def decode(sound: NDArray[np.float32]) -> str:
        return "".join(segment.text for segment in model.transcribe(sound, language="en"))

    decode(np.zeros(SAMPLE_RATE, np.float32))
    inbox = Inbox()
    threading.Thread(target=inbox.fill, daemon=True).start()
    out.write(json.dumps({"ready": True}) + "\n")
    window = Window(round(float(step_s) * SAMPLE_RATE), round(float(length_s) * SAMPLE_RATE))
    stream(inbox, window, decode, lambda row: print(json.dumps(row), file=out))
    if window.dropped:
        print(f"dropped {window.dropped / SAMPLE_RATE:.1f} s of sound", file=sys.stderr)


if __name__ == "__main__":
    main()
