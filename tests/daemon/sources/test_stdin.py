"""Standard input as a source."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import os
import threading
from collections.abc import AsyncIterator
from typing import IO

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.sources import stdin
from amanuensis.daemon.sources.base import Source, SourceError
from amanuensis.daemon.sources.stdin import open_stdin, pieces, whole_frames
from amanuensis.stream.formats import AudioFormat

RAW = AudioFormat("s16le", 16_000, 1)


def piped(data: bytes) -> IO[bytes]:
    """A pipe that a thread fills and closes."""
    read, write = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as end:
            end.write(data)

    threading.Thread(target=fill, daemon=True).start()
    return os.fdopen(read, "rb")


def encoded(samples: np.ndarray, format_name: str, subtype: str | None = None) -> bytes:
    """A sound file in memory."""
    memory = io.BytesIO()
    soundfile.write(memory, samples, 16_000, format=format_name, subtype=subtype)
    return memory.getvalue()


async def read_all(source: Source) -> bytes:
    """Everything a source gives."""
    data = b"".join([chunk async for chunk in source.chunks() if isinstance(chunk, bytes)])
    await source.aclose()
    return data


SOUND = np.random.default_rng(3).integers(-9000, 9000, 20_000).astype("<i2")


async def test_raw_bytes_come_through() -> None:
    """PCM without a header comes out byte for byte; half a sample at its end is no sample."""
    source = await open_stdin(piped(SOUND.tobytes() + b"\1"), RAW)
    assert source.format == RAW
    assert await read_all(source) == SOUND.tobytes()


async def test_a_wav_stream_is_read_while_it_comes() -> None:
    """The sound of a WAV stream is handed over before the stream ends."""
    read, write = os.pipe()
    with os.fdopen(write, "wb", buffering=0) as sender:
        sender.write(encoded(SOUND, "WAV")[: 44 + 6400])
        source = await open_stdin(os.fdopen(read, "rb"), None)
        chunks = source.chunks()
        first = await anext(chunks)
        assert isinstance(first, bytes)
        assert first == SOUND.tobytes()[: len(first)]
        sender.close()
        rest = b"".join([chunk async for chunk in chunks if isinstance(chunk, bytes)])
    assert first + rest == SOUND.tobytes()[:6400]


@pytest.mark.parametrize(("format_name", "subtype"), [("FLAC", None), ("WAV", "PCM_24"), ("OGG", None)])
async def test_files_that_need_seeking_are_copied_first(format_name: str, subtype: str | None) -> None:
    """FLAC, 24-bit WAV and Ogg are read through a pipe as well."""
    source = await open_stdin(piped(encoded(SOUND, format_name, subtype)), None)
    heard = np.frombuffer(await read_all(source), "<f4")
    assert len(heard) == len(SOUND)
    if format_name != "OGG":
        np.testing.assert_allclose(heard, SOUND / np.float32(32768), atol=1e-6)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", r"empty \(0 bytes\)"), (b"words, not sound", "not a sound file"), (b"RIFF", "not a sound file")],
)
async def test_what_is_no_sound_gets_one_line(data: bytes, expected: str) -> None:
    """Nothing, text and half a header are refused in words."""
    with pytest.raises(SourceError, match=expected):
        await open_stdin(piped(data), None)


async def test_a_terminal_is_refused() -> None:
    """Nobody types sound."""
    controller, terminal = os.openpty()
    try:
        with os.fdopen(terminal, "rb", buffering=0) as stream, pytest.raises(SourceError, match="is a terminal"):
            await open_stdin(stream, RAW)
    finally:
        os.close(controller)


async def test_the_temporary_copy_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that does not end is refused instead of filling the disk."""
    monkeypatch.setattr(stdin, "MAX_COPY_BYTES", 1 << 16)
    with pytest.raises(SourceError, match="more than"):
        await open_stdin(piped(encoded(SOUND.repeat(20), "FLAC")), None)


async def test_a_fast_sender_is_held_back() -> None:
    """Only a few reads wait for a consumer that is slow; the sender waits in the pipe."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    reader = stdin.PipeReader(os.fdopen(read, "rb"))
    limit = (stdin.MAX_QUEUED + 2) * stdin.READ_BYTES + (1 << 20)  # queued, in the thread's hands, in the pipe
    sent, idle = 0, 0
    while idle < 50 and sent <= limit:
        await asyncio.sleep(0)
        try:
            sent += os.write(write, bytes(stdin.READ_BYTES))
            idle = 0
        except BlockingIOError:
            idle += 1
            await asyncio.to_thread(lambda: None)  # lets the reader's thread run
    os.close(write)
    assert sent <= limit
    received = 0
    while data := await reader.read():
        received += len(data)
    assert received == sent


@given(
    data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=6), frame=st.sampled_from([1, 2, 4, 6])
)
def test_blocks_are_cut_at_sample_frames(data: bytes, cuts: list[int], frame: int) -> None:
    """However bytes arrive, only whole frames leave, in order, and only an incomplete last one stays behind."""

    async def blocks() -> AsyncIterator[bytes]:
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        for start, stop in itertools.pairwise(edges):
            yield data[start:stop]

    async def collect() -> list[bytes]:
        return [block async for block in whole_frames(blocks(), frame)]

    out = asyncio.run(collect())
    assert all(block and len(block) % frame == 0 for block in out)
    assert b"".join(out) == data[: len(data) - len(data) % frame]


@pytest.mark.parametrize(("speed", "size"), [(0.0, 32_000), (1.0, 640), (5.0, 3200)])
def test_pieces_are_as_long_as_the_pace_needs(speed: float, size: int) -> None:
    """At real time a piece is 20 ms; at full speed what came is handed on as it is."""
    cut = pieces(bytes(32_000), RAW, speed)
    assert b"".join(cut) == bytes(32_000)
    assert len(cut[0]) == size
