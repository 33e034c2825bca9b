"""The settings of a session."""

from __future__ import annotations

from dataclasses import replace

from amanuensis.daemon.protocol import Options
from amanuensis.daemon.session_config import session_config
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.segmenter import SILENCES
from tests.helpers.scripted_engine import INFO


def test_who_asks_for_a_silence_gets_it_and_nothing_earlier() -> None:
    """It ends every utterance, and no text is final before it."""
    config = session_config(StreamConfig(), replace(Options(), silence_ms=900), INFO)
    assert {getattr(config.endpoint, name) for name in SILENCES} == {900}
    assert session_config(StreamConfig(), Options(), INFO).endpoint == StreamConfig().endpoint
