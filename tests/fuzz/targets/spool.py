"""The journal reader: the folder of a session after a crash, with any bytes and any records in its files.

An input is a sequence of pieces: kind (u8), length (u16), so many bytes. Kinds, modulo 5: 0 takes the next file in
order (header, events, sound); 1 appends raw bytes to it; 2 appends a record with this payload and the right checksum;
3 begins another segment of events; 4 another one of sound.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from amanuensis.daemon.cursor import Chunk
from amanuensis.daemon.journal import Journal, JournalLimits
from amanuensis.daemon.protocol import Flush, Mark, Options
from amanuensis.daemon.recovery import revive
from amanuensis.daemon.spool.clock import Stamp, machine_clock
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.daemon.spool.log_file import SpoolError
from amanuensis.daemon.spool.records import HEAD as RECORD_HEAD
from amanuensis.daemon.spool.records import LENGTH, MAX_RECORD_BYTES
from amanuensis.daemon.spool.recovered import RecoveredSession
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.session import StreamSession
from tests.fuzz.target import Target, check_line
from tests.helpers.daemon_client import pcm
from tests.helpers.tone_engine import INFO, ToneTokenizer, read_tones, say
from tests.helpers.words import result

HEAD: Final = struct.Struct("<BH")
NEXT, RAW, RECORD, EVENTS, AUDIO = range(5)
NAMES: Final = ("session.log", "events-00000000.log", "audio-00000000.log")
SESSION: Final = "abc"  # a session's folder bears its name
LIMITS: Final = JournalLimits(events=16, words=64, snapshot_words=16)
FORMAT: Final = AudioFormat("s16le", 16_000, 1)
MAX_ITEMS: Final = 1000  # of what is to be heard again


def seeds() -> list[bytes]:
    """Return a session as a killed daemon leaves it, in pieces, and with each file alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, SESSION)
        folder.mkdir()
        _speak(folder)
        files = [(folder / file).read_bytes() for file in NAMES]
    as_records = [[_piece(RECORD, payload) for payload in _payloads(data)] for data in files]
    whole = _piece(NEXT).join(b"".join(pieces) for pieces in as_records)
    raw = _piece(NEXT).join(_piece(RAW, data) for data in files)
    header, events, audio = (b"".join(pieces) for pieces in as_records)
    twice = _piece(NEXT).join((header, events + _piece(EVENTS) + events, audio + _piece(AUDIO) + audio))
    return [whole, raw, twice, header, header + _piece(NEXT) + events, header + 2 * _piece(NEXT) + audio]


def _speak(folder: Path) -> None:
    """Write the logs of a session of three words, a mark and a flush, and leave it."""
    header = SessionHeader(
        SESSION, "secret", FORMAT, Options("en"), INFO.model, "client", False, Stamp(1.5, 2.5, "boot")
    )
    header.write(folder)
    journal, stream = Journal(LIMITS), StreamSession(StreamConfig(), FORMAT, ToneTokenizer(), INFO)
    spool = RecoveredSession(folder, LIMITS).reopen(lambda _: None, machine_clock)
    sound = pcm(say([0, 1, 2]))[: 3 * 16_000 * 2]
    for n, start in enumerate(range(0, len(sound), 16_000)):
        chunk = Chunk(n, 0, sound[start : start + 64])  # the sound itself is of no interest to the reader
        spool.append_audio(chunk)
        events = stream.receive(sound[start : start + 16_000])
        while (ticket := stream.next_job()) is not None:
            heard = read_tones(ticket.job.features)[len(ticket.job.forced) :]
            tokens, frames = tuple(word for word, _ in heard), tuple(frame // 2 for _, frame in heard)
            events += stream.deliver(ticket.id, result(tokens, frames))
        spool.append_step([journal.add(event) for event in events if event.durable], stream)
    spool.append_order(Mark("m"), 1)
    spool.append_order(Flush(None), 2)
    spool.append_skip(160, "lost")
    spool.close()


def _piece(kind: int, content: bytes = b"") -> bytes:
    return HEAD.pack(kind, len(content)) + content


def _payloads(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, _ = RECORD_HEAD.unpack_from(data, at)
        yield data[at + RECORD_HEAD.size : at + RECORD_HEAD.size + length]
        at += RECORD_HEAD.size + length


def prepare(folder: Path) -> Callable[[bytes], None]:
    """Return what takes up one session."""
    session = folder / SESSION

    def read(data: bytes) -> None:
        session.mkdir()
        try:
            _write(session, data)
            _take_up(session)
        finally:
            shutil.rmtree(session)

    return read


def _write(folder: Path, data: bytes) -> None:
    """Write the files that an input describes."""
    files, current, numbers, at = {name: bytearray() for name in NAMES}, 0, {EVENTS: 0, AUDIO: 0}, 0
    name = NAMES[0]
    while at + HEAD.size <= len(data):
        kind, length = HEAD.unpack_from(data, at)
        content = data[at + HEAD.size : at + HEAD.size + length]
        at += HEAD.size + length
        match kind % 5:
            case 0:
                current = (current + 1) % len(NAMES)
                name = NAMES[current]
            case 1:
                files[name] += content
            case 2:
                crc = zlib.crc32(content, zlib.crc32(LENGTH.pack(len(content))))
                files[name] += RECORD_HEAD.pack(len(content), crc) + content
            case kind:
                numbers[kind] += 1
                name = f"{'events' if kind == EVENTS else 'audio'}-{numbers[kind]:08}.log"
                files.setdefault(name, bytearray())
    for name, content in files.items():
        if content:
            (folder / name).write_bytes(content)


def _take_up(folder: Path) -> None:
    """Read a session, repair it, restore its stream; what was repaired once needs no second repair."""
    try:
        found = RecoveredSession(folder, LIMITS)
    except SpoolError as error:
        check_line(error)
        return
    for repair in found.repairs:
        assert len(repair) < 500
    assert found.journal.replay(None)
    _ = (found.ended, found.last_seen, found.fed_from)
    for count, _item in enumerate(found.replay()):
        if count == MAX_ITEMS:
            break
    revive(found, StreamConfig(), ToneTokenizer(), INFO)
    again = RecoveredSession(folder, LIMITS)
    assert not any("at byte" in repair for repair in again.repairs), f"repaired again: {again.repairs}"
    assert (again.journal.last_seq, again.place) == (found.journal.last_seq, found.place)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MAX_RECORD_BYTES


TARGET: Final = Target(seeds, prepare, max_bytes=16_384)
