"""One example of every message of the protocol; `python -m tests.helpers.protocol_cases` writes the golden fixtures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack

from amanuensis.daemon.wire import encode_event
from amanuensis.stream import events as ev

FOLDER = Path(__file__).resolve().parents[1] / "data" / "protocol"
ENGINE = ev.EngineUse("cpu", "cpu", "builtin", "no NPU was found")
WORDS = (ev.Word(" guten", 450.0, 700.25, 0.98), ev.Word(" Tag — “été”", 720.5, 1180.0, 0.9712345, "B"))

SERVER: dict[str, tuple[ev.Event, int | None]] = {
    "ready_speak": (
        ev.Ready("4f0c2e9a71d3", "c2VjcmV0LXRva2VuLTEyMw", "amanuensis.v1", {"message_bytes": 1048576}, 0, ENGINE),
        None,
    ),
    "ready_again": (
        ev.Ready("4f0c2e9a71d3", "c2VjcmV0LXRva2VuLTEyMw", "amanuensis.v1", {"resume_s": 30.0}, 42, ENGINE, 1),
        None,
    ),
    "ready_watch": (ev.Ready("4f0c2e9a71d3", "", "amanuensis.v1", {"message_bytes": 1048576}, 0, ENGINE), None),
    "speech": (ev.Speech(True, 140.0), 1),
    "partial": (ev.Partial(0, 3, " guten Tag", 450.0, 1200.0), None),
    "commit": (ev.Commit(0, WORDS), 2),
    "turn": (ev.Turn(0, "B", 720.5, True), 3),
    "speaker_revised": (ev.SpeakerRevised(((0, 1, "A"), (2, 0, "B"))), 4),
    "final": (ev.Final(0, "pause", " guten Tag — “été”", 450.0, 1180.0, ENGINE), 5),
    "marked": (ev.Marked("m-1", 1500.0), 6),
    "noted": (ev.Noted("n-1", 1600.5, "Kim sends the minutes"), 9),
    "gap": (ev.Gap(2000.0, 2512.3456, "the engine does not keep up"), 7),
    "warning": (ev.Warning("clipped", "the audio is clipped: lower the level at the source"), 8),
    "stats": (ev.Stats(320.0, 120.0, 41.87654, 500.0, 0.0834, ENGINE), None),
    "ack": (ev.Ack(41), None),
    "pong": (ev.Pong(7), None),
    "pong_bare": (ev.Pong(), None),
    "error": (ev.Error("full", "all 32 sessions are taken; try again later", True, 5.0), None),
    "bye": (ev.Bye("end"), None),
    "bye_shutdown": (ev.Bye("shutdown", 1790000030.5), None),
    "snapshot": (ev.Snapshot(6, "guten Tag — “été”", WORDS, 40, ((3, 5, 1), (4, 0, 1))), None),
}

HELLO = {
    "type": "hello",
    "proto": "amanuensis.v1",
    "role": "speak",
    "audio": {"enc": "s16le", "rate": 16000, "ch": 1},
}
CLIENT_TEXT: dict[str, dict[str, Any]] = {
    "hello_speak": HELLO,
    "hello_speak_all": HELLO
    | {
        "audio": {"enc": "f32le", "rate": 48000, "ch": 2, "framing": "raw"},
        "lang": "en",
        "task": "transcribe",
        "prompt": "Minutes of the meeting.",
        "hotwords": ["Amanuensis", "xclbin"],
        "want": ["partial", "words"],
        "events": "msgpack",
        "auth": "0123456789abcdef",
    },
    "hello_again": HELLO | {"session": "4f0c2e9a71d3", "resume_token": "c2VjcmV0LXRva2VuLTEyMw", "after_seq": 12},
    "hello_watch": {
        "type": "hello",
        "proto": "amanuensis.v1",
        "role": "watch",
        "session": "4f0c2e9a71d3",
        "after_seq": 12,
    },
    "hello_meeting": HELLO | {"meeting": {"id": "monday", "title": "Weekly", "track": "them", "at": 12.5}},
    "note": {"type": "note", "id": "n-1", "text": "Kim sends the minutes", "at": 1600.5},
    "note_bare": {"type": "note", "id": 2},
    "skip": {"type": "skip", "samples": 16000, "why": "paused"},
    "flush": {"type": "flush", "id": "f-1"},
    "flush_bare": {"type": "flush"},
    "mark": {"type": "mark", "id": 3},
    "config": {"type": "config", "lang": "en", "prompt": "", "hotwords": [], "want": ["words"]},
    "ping": {"type": "ping", "id": "p"},
    "end": {"type": "end"},
}
CLIENT_BINARY: dict[str, dict[str, Any]] = {
    "audio": {"t": "a", "n": 2, "at": 640, "d": bytes(range(8))},
    "audio_bare": {"t": "a", "n": 0, "d": b""},
}


def write() -> None:
    """Write all fixtures."""
    for kind in ("server", "client"):
        (FOLDER / kind).mkdir(parents=True, exist_ok=True)
    for name, (event, seq) in SERVER.items():
        text, packed = encode_event(event, seq, "json"), encode_event(event, seq, "msgpack")
        assert isinstance(text, str)
        assert isinstance(packed, bytes)
        (FOLDER / "server" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        (FOLDER / "server" / f"{name}.msgpack").write_bytes(packed)
    for name, message in CLIENT_TEXT.items():
        text = json.dumps(message, ensure_ascii=False)
        (FOLDER / "client" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    for name, message in CLIENT_BINARY.items():
        (FOLDER / "client" / f"{name}.msgpack").write_bytes(msgpack.packb(message))


if __name__ == "__main__":
    write()
