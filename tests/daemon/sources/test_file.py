"""Sound files as sources."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from amanuensis.daemon.sources.base import SourceError
from amanuensis.daemon.sources.file import FileSource
from amanuensis.stream.formats import AudioFormat

RATE = 22_050


def noise(seconds: float = 2.5, channels: int = 1) -> NDArray[np.float32]:
    """Sound that no codec can guess."""
    rng = np.random.default_rng(7)
    return rng.uniform(-0.5, 0.5, (round(seconds * RATE), channels)).astype(np.float32)


async def read_all(source: FileSource) -> NDArray[np.float32]:
    """Everything a source gives, [n, channels]."""
    data = b"".join([chunk async for chunk in source.chunks() if isinstance(chunk, bytes)])
    await source.aclose()
    return np.frombuffer(data, "<f4").reshape(-1, source.format.channels)


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.wav", "FLOAT"), ("a.w64", "FLOAT"), ("a.aiff", "FLOAT"), ("a.au", "FLOAT")]
)
async def test_every_sample_comes_out_as_it_is_stored(tmp_path: Path, name: str, subtype: str) -> None:
    """A float file comes out bit for bit, whatever its container."""
    sound = noise(channels=2)
    soundfile.write(tmp_path / name, sound, RATE, subtype=subtype)
    source = FileSource(tmp_path / name)
    assert source.format == AudioFormat("f32le", RATE, 2)
    assert source.duration_s == pytest.approx(len(sound) / RATE)
    np.testing.assert_array_equal(await read_all(source), sound)


@pytest.mark.parametrize(("name", "tolerance"), [("a.flac", 1 / 32768), ("a.ogg", None), ("a.mp3", None)])
async def test_compressed_files_keep_their_length(tmp_path: Path, name: str, tolerance: float | None) -> None:
    """FLAC, Ogg and MP3 give every sample; FLAC within a step of 16 bits."""
    sound = noise()
    soundfile.write(tmp_path / name, sound, RATE)
    heard = await read_all(FileSource(tmp_path / name))
    assert len(heard) == len(sound)
    if tolerance is not None:
        np.testing.assert_allclose(heard, sound, atol=tolerance)


async def test_more_channels_than_the_pipeline_takes_are_mixed(tmp_path: Path) -> None:
    """A file of ten channels becomes their mean."""
    sound = noise(channels=10)
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    heard = await read_all(FileSource(tmp_path / "a.wav"))
    np.testing.assert_allclose(heard[:, 0], sound.mean(axis=1), atol=1e-6)


async def test_a_file_without_sound_is_read_to_its_end(tmp_path: Path) -> None:
    """A header alone is a recording of no length, not an error."""
    soundfile.write(tmp_path / "a.wav", noise(0.0), RATE)
    assert len(await read_all(FileSource(tmp_path / "a.wav"))) == 0


async def test_raw_files_are_read_as_they_are_said_to_be(tmp_path: Path) -> None:
    """--raw gives a file without a header its format."""
    values = np.arange(-3000, 3000, dtype="<i2")
    (tmp_path / "a.pcm").write_bytes(values.tobytes())
    source = FileSource(tmp_path / "a.pcm", raw=AudioFormat("s16le", 8000, 2))
    assert source.format.channels == 2
    np.testing.assert_array_equal(await read_all(source), values.reshape(-1, 2) / np.float32(32768))


async def test_a_stream_is_read_and_named(tmp_path: Path) -> None:
    """A seekable stream is a source like a file."""
    memory = io.BytesIO()
    soundfile.write(memory, noise(), RATE, format="FLAC")
    memory.seek(0)
    source = FileSource.from_stream(memory, "-")
    assert source.name == "-"
    assert len(await read_all(source)) == len(noise())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        (b"", "the file is empty (0 bytes)"),
        (b"these are words and not sound", "ffmpeg -i "),
        (b"RIFF\x24", "ffmpeg -i "),
    ],
)
def test_what_is_no_sound_file_gets_one_line(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """A missing, empty or foreign file is named together with the remedy."""
    path = tmp_path / "a b.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        FileSource(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert expected in message
    assert "\n" not in message


def test_a_folder_is_no_sound_file(tmp_path: Path) -> None:
    """A folder is refused with a hint at its files."""
    with pytest.raises(SourceError, match="a folder, not a sound file"):
        FileSource(tmp_path)


def test_a_rate_that_cannot_be_taken_is_named(tmp_path: Path) -> None:
    """A file of 4 kHz is refused with what is allowed."""
    soundfile.write(tmp_path / "a.wav", noise(0.1), 4000)
    with pytest.raises(SourceError, match=r"4000.*8000 to 192000"):
        FileSource(tmp_path / "a.wav")


async def test_a_file_that_breaks_off_says_so(tmp_path: Path) -> None:
    """A FLAC file that was cut off is an error, never a shorter text."""
    soundfile.write(tmp_path / "a.flac", noise(), RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="the file is damaged"):
        await read_all(FileSource(tmp_path / "a.flac"))


async def test_closing_waits_for_a_read_that_was_cancelled(tmp_path: Path) -> None:
    """A thread that reads goes on after its task was cancelled; the file is closed only when it is done."""
    soundfile.write(tmp_path / "a.wav", noise(), RATE)
    source = FileSource(tmp_path / "a.wav")
    reading, go_on, order = threading.Event(), threading.Event(), list[str]()
    read, close = source._file.read, source._file.close

    def slow_read(*args: object, **options: object) -> object:
        reading.set()
        go_on.wait()
        block = read(*args, **options)
        order.append("read")
        return block

    def told_close() -> None:
        order.append("close")
        close()

    source._file.read, source._file.close = slow_read, told_close
    task = asyncio.ensure_future(anext(source.chunks()))
    await asyncio.to_thread(reading.wait)
    task.cancel()
    closing = asyncio.create_task(source.aclose())
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await closing
    assert order == ["read", "close"]
    assert source._read(10) == b""
