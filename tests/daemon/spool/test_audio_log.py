"""The audio log: chunks, holes and orders in segments, and the same again when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.daemon.spool.audio_log import AudioLog, Place
from amanuensis.daemon.spool.audio_reader import AudioHistory, Hole, Item, Order, Sound
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.stream.formats import AudioFormat

FORMATS = [AudioFormat("mulaw", 8000), AudioFormat("s16le", 8000, 2), AudioFormat("f32le", 8000, 3)]
STAMP = Stamp(1.5, 2.5, "boot")
CHUNKS = st.tuples(st.just("audio"), st.integers(0, 30_000), st.just(0) | st.integers(1, 9000))
SKIPS = st.tuples(st.just("skip"), st.integers(1, 5000), st.just(0))
MARKS = st.tuples(st.just("mark"), st.integers(0, 9), st.integers(1, 3))
SCRIPTS = st.lists(CHUNKS | SKIPS | MARKS, max_size=40)


def made(folder: Path, fmt: AudioFormat, history: AudioHistory | None = None) -> AudioLog:
    """Return a log that begins, or goes on after what is there."""
    if history is None:
        return AudioLog(folder, fmt, Place(), charge=lambda _: None, clock=lambda: STAMP)
    return AudioLog(
        folder,
        fmt,
        history.place,
        charge=lambda _: None,
        clock=lambda: STAMP,
        closed=history.segments,
        tail=history.tail,
        number=history.next_number,
    )


def noise(start: int, n_bytes: int) -> bytes:
    """Return sound that tells its own position."""
    return bytes((start + i) * 7 % 251 for i in range(n_bytes))


def write(log: AudioLog, script: Sequence[tuple[str, int, int]]) -> list[tuple[int, int, Any]]:
    """Write a script; return its sound and holes by position, and orders."""
    fmt, written = log._format, []
    for kind, size, more in script:
        position = log.place.position
        aligned = -position % fmt.frame_bytes
        if kind == "mark":
            log.append_order("mark", {"id": size}, more)
            written.append((position, position, size))
        elif kind == "skip":
            n_lost = aligned + size * fmt.frame_bytes
            log.append_skip(n_lost, "why")
            written.append((position, position + n_lost, None))
        else:
            n_lost = aligned + more * fmt.frame_bytes if more else 0
            data = noise(position + n_lost, size)
            log.append_audio(log.place.next_chunk, n_lost, data)
            if n_lost:
                written.append((position, position + n_lost, None))
            written.append((position + n_lost, log.place.position, data))
    return written


def timeline(items: Sequence[Item], position: int) -> list[bytes | None]:
    """Return the sound byte by byte, None where it was lost."""
    line: list[bytes | None] = []
    for item in items:
        if isinstance(item, Sound):
            line += [bytes([value]) for value in item.data]
        elif isinstance(item, Hole):
            line += [None] * item.n_bytes
    return line


def expected(written: Sequence[tuple[int, int, Any]], position: int) -> list[bytes | None]:
    """Return the same of what was written."""
    line: list[bytes | None] = []
    for start, stop, what in written:
        if not isinstance(what, int):
            values = [None] * (stop - start) if what is None else [bytes([value]) for value in what]
            line += values[max(0, position - start) :]
    return line


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), SCRIPTS, st.data())
def test_what_was_written_is_played_again(
    fmt: AudioFormat, script: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    """From any sample on, sound, holes and orders come again as they were written, across segments and restarts."""
    cut = data.draw(st.integers(0, len(script)))
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = made(folder, fmt)
        written = write(log, script[:cut])
        log.close()
        log = made(folder, fmt, AudioHistory(folder, fmt.frame_bytes))
        written += write(log, script[cut:])
        log.close()
        history = AudioHistory(folder, fmt.frame_bytes)
        assert (history.place, history.repairs) == (log.place, [])
        n_frames = log.place.position // fmt.frame_bytes
        position = data.draw(st.integers(0, n_frames)) * fmt.frame_bytes
        items = list(history.replay(position, 0))
        assert timeline(items, position) == expected(written, position)
        orders = [what for _, _, what in written if isinstance(what, int)]
        assert [item.content["id"] for item in items if isinstance(item, Order)] == orders
