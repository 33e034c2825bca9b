"""Channels of interleaved sound, taken apart so that each can be heard by itself. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from amanuensis.stream.formats import AudioFormat


class Channels:
    """Cuts sound into what each session hears.

    Args:
        fmt: of what comes.
        split: each channel by itself; else one session hears their mix.

    Attributes:
        format: of what each session hears.
        n_sessions: that are needed.
        n_heard: channels of what comes.

    """

    def __init__(self, fmt: AudioFormat, *, split: bool) -> None:
        self.n_heard = fmt.channels
        self.n_sessions = fmt.channels if split else 1
        self.format = replace(fmt, channels=1) if split else fmt
        self._fmt = fmt
        self._rest = b""

    def pieces(self, data: bytes) -> list[bytes]:
        """Return the sound of each session; bytes of an incomplete frame wait for the rest of it."""
        if self.n_sessions == 1:
            return [data]
        data = self._rest + data
        whole = len(data) - len(data) % self._fmt.frame_bytes
        self._rest = data[whole:]
        frames = np.frombuffer(data[:whole], self._fmt.dtype).reshape(-1, self._fmt.channels)
        return [frames[:, channel].tobytes() for channel in range(self._fmt.channels)]
