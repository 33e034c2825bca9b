"""Sound out of containers that libsndfile does not know."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.choose import InputRequest, open_source
from amanuensis.daemon.sources.media import MediaSource

av = pytest.importorskip("av")
RATE = 48_000


def container(form: str, codec: str, channels: int = 1, seconds: float = 2.5) -> io.BytesIO:
    """Return a file with a tone on every channel, each an octave above the one before."""
    file = io.BytesIO()
    layout = {1: "mono", 2: "stereo"}[channels]
    with av.open(file, "w", format=form) as out:
        stream = out.add_stream(codec, rate=RATE, layout=layout)
        t = np.arange(round(seconds * RATE)) / RATE
        tones = [np.sin(2 * np.pi * 440 * 2**k * t) * 12_000 for k in range(channels)]
        frame = av.AudioFrame.from_ndarray(
            np.stack(tones, axis=1).reshape(1, -1).astype(np.int16), format="s16", layout=layout
        )
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    file.seek(0)
    return file


async def read(source: MediaSource) -> np.ndarray:
    """Return all of it, [samples, channels]."""
    data = b"".join([piece async for piece in source.chunks() if isinstance(piece, bytes)])
    await source.aclose()
    return np.frombuffer(data, "<f4").reshape(-1, source.format.channels)


@pytest.mark.parametrize(("form", "codec", "channels"), [("mp4", "aac", 2), ("matroska", "pcm_s16le", 1)])
async def test_a_track_is_read_whole(form: str, codec: str, channels: int) -> None:
    """Rate and channels are the track's own, and the tones are there to the end."""
    source = MediaSource(container(form, codec, channels), "talk")
    assert (source.format.rate, source.format.channels, source.format.encoding) == (RATE, channels, "f32le")
    sound = await read(source)
    assert len(sound) == pytest.approx(2.5 * RATE, abs=4096)  # an encoder adds a frame or two of its own
    for channel in range(channels):
        spectrum = np.abs(np.fft.rfft(sound[RATE : 2 * RATE, channel]))
        assert spectrum.argmax() == 440 * 2**channel


async def test_files_of_other_containers_are_transcribed_as_well(tmp_path: Path) -> None:
    """`amanuensis transcribe` reads them by the same way; what nobody can read is refused as before."""
    (tmp_path / "talk.m4a").write_bytes(container("mp4", "aac").getvalue())
    async with open_source(InputRequest(f"file:{tmp_path}/talk.m4a", speed=0.0), print) as source:
        assert isinstance(source, MediaSource)
    (tmp_path / "talk.txt").write_bytes(b"no sound")
    with pytest.raises(SourceError, match="not a sound file that can be read"):
        async with open_source(InputRequest(f"file:{tmp_path}/talk.txt", speed=0.0), print):
            pass


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
        "ffconcat version 1.0\nfile other.wav\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
    ids=["hls", "concat", "concat beside", "sdp"],
)
def test_a_file_cannot_have_others_read(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Playlists and descriptions of sessions, which name files and addresses, are no sound, whoever sends them."""
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other.wav"
    other.write_bytes(container("wav", "pcm_s16le").getvalue())
    with pytest.raises(SourceError, match="not a sound file that can be read"):
        MediaSource(io.BytesIO(text.format(other=other).encode()), "upload")


@pytest.mark.parametrize(
    ("form", "codec"),
    [("ogg", "libopus"), ("webm", "libopus"), ("mpegts", "mp2"), ("avi", "pcm_s16le"), ("mov", "aac"), ("adts", "aac")],
)
async def test_usual_containers_are_read(form: str, codec: str) -> None:
    """What phones, browsers and cameras write."""
    assert len(await read(MediaSource(container(form, codec), "talk"))) == pytest.approx(2.5 * RATE, rel=0.1)


def test_a_film_without_sound_is_refused() -> None:
    """There is nothing to hear in it."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    with pytest.raises(SourceError, match="there is no sound in it"):
        MediaSource(file, "film.mkv")


async def test_a_damaged_file_says_so() -> None:
    """What was read before the damage is not passed off as all of it."""
    data = bytearray(container("mp4", "aac").getvalue())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    with pytest.raises(SourceError, match=r"broken\.m4a: "):
        await read(MediaSource(io.BytesIO(bytes(data)), "broken.m4a"))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(SourceError, match=r"pip install 'amanuensis\[media\]'"):
        MediaSource(io.BytesIO(b"x"), "a.m4a")
