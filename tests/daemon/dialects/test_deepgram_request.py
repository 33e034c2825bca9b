"""The query of `/v1/listen`."""

from __future__ import annotations

import pytest

from amanuensis.daemon.dialects.deepgram_request import ListenError, parse_listen
from amanuensis.stream.formats import AudioFormat

RAW = "/v1/listen?encoding=linear16&sample_rate=16000"


def test_everything_that_is_asked_for_is_read() -> None:
    """Sound, switches, timers, language and words come out as they are meant."""
    request = parse_listen(
        "/v1/listen?model=nova-3&encoding=linear16&sample_rate=8000&channels=2&multichannel=true&interim_results=true"
        "&endpointing=300&utterance_end_ms=1000&vad_events=true&diarize=false&language=en-US&keyterm=Ada"
        "&keywords=Turing:2&punctuate=true&smart_format=true"
    )
    assert request.format == AudioFormat("s16le", 8000, 2)
    assert (request.multichannel, request.interim_results, request.vad_events) == (True, True, True)
    assert (request.utterance_end_ms, request.options.silence_ms) == (1000, 300)
    assert (request.options.lang, request.options.hotwords) == ("en", ("Ada", "Turing"))
    assert request.warnings == ()


def test_without_an_encoding_a_header_is_expected() -> None:
    """A file that is streamed as it is says its own format."""
    assert parse_listen("/v1/listen?model=nova-3&sample_rate=16000").format is None


@pytest.mark.parametrize("value", ["25", "0", "true", ""])
def test_a_short_endpoint_means_the_rules_of_the_daemon(value: str) -> None:
    """Pauses within a word end nothing."""
    request = parse_listen(f"{RAW}&endpointing={value}")
    assert (request.options.silence_ms, request.has_endpoints) == (None, True)


@pytest.mark.parametrize("query", ["&diarize=true", "&diarize_model=v1"])
def test_speakers_may_be_asked_for_in_two_ways(query: str) -> None:
    """Either way it is told that they are not always known."""
    request = parse_listen(RAW + query)
    assert request.diarize
    assert request.warnings == ("diarize: speakers are told only where the session knows them",)


def test_endpoints_can_be_switched_off() -> None:
    """`endpointing=false`."""
    assert not parse_listen(f"{RAW}&endpointing=false").has_endpoints


def test_what_has_no_effect_is_named() -> None:
    """Somebody who relies on redaction must know that there is none; a slip of the pen is pointed out."""
    warnings = parse_listen(f"{RAW}&redact=pci&interim_result=true&dictation=false").warnings
    assert warnings == (
        "redact has no effect here",
        "unknown parameter 'interim_result' (did you mean 'interim_results'?) has no effect",
    )


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("encoding=opus&sample_rate=48000", "encoding is 'opus'; it must be one of linear16, linear32, mulaw"),
        ("encoding=linear16", "sample_rate is missing"),
        ("encoding=linear16&sample_rate=4000", "sample_rate is '4000'; it must be a whole number from 8000 to 192000"),
        ("channels=9", "channels is '9'; it must be a whole number from 1 to 8"),
        ("interim_results=maybe", "interim_results is 'maybe'; it must be true or false"),
        ("interim_results=true&utterance_end_ms=10", "utterance_end_ms is '10'; it must be a whole number from 1000"),
        ("utterance_end_ms=1000", "utterance_end_ms needs interim_results=true"),
        ("endpointing=soon", "endpointing is 'soon'; it must be a whole number"),
        ("language=%00", "it must be a code such as en or en-US"),
        ("&".join(["keyterm=a"] * 101), "101 were given; at most 100"),
        ("&".join(["a=b"] * 300), "more than 256 parameters"),
    ],
)
def test_what_cannot_be_is_refused(query: str, says: str) -> None:
    """The error names the parameter, its value and what is allowed."""
    with pytest.raises(ListenError) as refused:
        parse_listen(f"/v1/listen?{query}")
    assert says in str(refused.value)
