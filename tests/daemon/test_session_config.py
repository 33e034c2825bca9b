"""The settings of a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.daemon.protocol import Options, ProtocolError
from amanuensis.daemon.session_config import session_config
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.segmenter import SILENCES
from tests.helpers.tone_engine import ToneEngine

INFO = ToneEngine().info


def test_who_asks_for_a_silence_gets_it_and_nothing_earlier() -> None:
    """It ends every utterance, and no text is final before it."""
    config = session_config(StreamConfig(), replace(Options(), silence_ms=900), INFO)
    assert {getattr(config.endpoint, name) for name in SILENCES} == {900}
    assert session_config(StreamConfig(), Options(), INFO).endpoint == StreamConfig().endpoint


@pytest.mark.parametrize(
    ("usual", "asked", "found"),
    [
        ((None, None), (None, None), (None, None)),
        ((4, None), (None, None), (4, None)),
        ((4, None), (2, None), (2, None)),
        ((4, None), (None, 2), (None, 2)),
        ((4, None), (None, 6), (4, 6)),
        ((None, 2), (3, None), (3, None)),
        ((0, None), (None, 3), (0, 3)),
        ((2, None), (0, None), (0, None)),
    ],
)
def test_what_the_hello_says_of_speakers_goes_before_the_daemon(
    usual: tuple[int | None, int | None], asked: tuple[int | None, int | None], found: tuple[int | None, int | None]
) -> None:
    """Where a number and a bound do not agree, the one that was asked for holds."""
    config = session_config(
        StreamConfig(speakers=usual[0], max_speakers=usual[1]),
        Options(speakers=asked[0], max_speakers=asked[1]),
        INFO,
    )
    assert (config.speakers, config.max_speakers) == found


def test_a_hello_that_contradicts_itself_is_refused() -> None:
    """More speakers than it allows; the message names both."""
    with pytest.raises(ProtocolError, match="speakers 3 is not allowed beside max_speakers 2"):
        session_config(StreamConfig(), Options(speakers=3, max_speakers=2), INFO)
