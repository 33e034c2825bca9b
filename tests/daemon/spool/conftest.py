"""What the tests of the spool share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amanuensis.daemon.protocol import Options
from amanuensis.daemon.spool.clock import Stamp
from amanuensis.daemon.spool.header import SessionHeader
from amanuensis.stream.formats import AudioFormat

MakeHeader = Callable[..., SessionHeader]


@pytest.fixture
def make_header() -> MakeHeader:
    """Make headers of sessions, mono at 8 kHz unless said otherwise."""

    def make(session: str = "4f0c2e9a71d3", *, recorded: bool = False, fmt: AudioFormat | None = None) -> SessionHeader:
        return SessionHeader(
            id=session,
            resume_token="secret-token",
            audio=fmt or AudioFormat("s16le", 8000, 1),
            options=Options("en", "transcribe", "Minutes.", ("Amanuensis",)),
            model="tones",
            source="client",
            recorded=recorded,
            opened=Stamp(1_795_000_000.0, 100.0, "boot"),
        )

    return make
