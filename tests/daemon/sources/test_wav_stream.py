"""Headers of WAV streams that nobody can seek in."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.sources.wav_stream import MAX_HEADER_BYTES, HeaderError, parse_wav_header
from amanuensis.stream.formats import AudioFormat, FormatError


def wav(subtype: str = "PCM_16", rate: int = 16_000, channels: int = 1, format_name: str = "WAV") -> bytes:
    """A WAV file of 100 sample frames."""
    memory = io.BytesIO()
    soundfile.write(memory, np.zeros((100, channels)), rate, format=format_name, subtype=subtype)
    return memory.getvalue()


@pytest.mark.parametrize(
    ("subtype", "encoding", "width"), [("PCM_16", "s16le", 2), ("FLOAT", "f32le", 4), ("ULAW", "mulaw", 1)]
)
@pytest.mark.parametrize("format_name", ["WAV", "WAVEX"])
def test_headers_of_plain_streams(subtype: str, encoding: str, width: int, format_name: str) -> None:
    """The three encodings of the pipeline are known in plain and in extensible headers."""
    data = wav(subtype, 44_100, 2, format_name)
    header = parse_wav_header(data)
    assert header is not None
    assert header.format == AudioFormat(encoding, 44_100, 2)  # type: ignore[arg-type]
    assert len(data) - header.data_at in (200 * width, 200 * width + 24)  # libsndfile may add a chunk at the end


def test_a_codec_that_is_no_plain_stream_has_no_format() -> None:
    """24-bit samples are left to libsndfile."""
    header = parse_wav_header(wav("PCM_24"))
    assert header is not None
    assert header.format is None


@given(cut=st.integers(0, 200))
def test_a_header_that_is_cut_asks_for_more(cut: int) -> None:
    """Any beginning of a file either gives the whole file's header or asks for more bytes."""
    data = wav()
    whole = parse_wav_header(data)
    assert whole is not None
    assert parse_wav_header(data[:cut]) == (whole if cut >= whole.data_at else None)


def test_the_length_of_the_data_is_not_believed() -> None:
    """Programs that write into a pipe put any length there."""
    data = bytearray(wav())
    header = parse_wav_header(bytes(data))
    assert header is not None
    for length in (0, 0xFFFFFFFF):
        struct.pack_into("<I", data, header.data_at - 4, length)
        assert parse_wav_header(bytes(data)) == header


def test_chunks_before_the_sound_are_skipped() -> None:
    """Tags of odd length are padded."""
    data = wav()
    tagged = data[:12] + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + data[12:]
    header = parse_wav_header(tagged)
    assert header is not None
    assert header.format == AudioFormat()
    assert tagged[header.data_at :] == data[44:]


@pytest.mark.parametrize(
    "data",
    [
        b"fLaC" + bytes(100),
        b"RIFF\0\0\0\0AVI " + bytes(100),
        wav()[:12] + b"data" + bytes(50),
        wav()[:12] + b"LIST" + struct.pack("<I", MAX_HEADER_BYTES),
    ],
)
def test_what_is_no_wav_stream_is_refused(data: bytes) -> None:
    """Other containers, sound without a format and endless tags are refused at once."""
    with pytest.raises(HeaderError):
        parse_wav_header(data)


def test_a_rate_out_of_bounds_is_refused() -> None:
    """A header of 4 kHz is refused with what is allowed."""
    with pytest.raises(FormatError, match="8000 to 192000"):
        parse_wav_header(wav(rate=4000))


@given(data=st.binary(max_size=300))
def test_no_bytes_confuse_the_parser(data: bytes) -> None:
    """Whatever comes, the answer is a header, more, or one of two errors."""
    for head in (data, b"RIFF1234WAVE" + data, b"RIFF1234WAVEfmt \x10\0\0\0" + data):
        try:
            parse_wav_header(head)
        except (HeaderError, FormatError):
            continue
