"""Transcribing files, with an engine that reads tones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile

from amanuensis.daemon.batch import Batch, Job, Printing
from amanuensis.daemon.captioner import Mode
from amanuensis.daemon.config import Config
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.npu.engine.api import EngineError, EngineLostError
from amanuensis.stream.formats import AudioFormat
from tests.helpers.tone_engine import ToneEngine, ToneTokenizer, say, spell

RATE = 16_000
JSON = Printing(as_json=True)
TEXT = Printing(text="txt")


class Starter:
    """Starts pipelines whose engine reads tones, and counts them."""

    def __init__(self, engine: ToneEngine | None = None) -> None:
        self.engine = engine or ToneEngine()
        self.started = 0

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[Pipeline]:
        self.started += 1
        yield Pipeline(self.engine, cast(Any, ToneTokenizer()), Config())


def recording(folder: Path, name: str, words: tuple[int, ...]) -> str:
    """A sound file that says words."""
    sound = say(words) if words else np.zeros(0, np.float32)
    soundfile.write(folder / name, sound, RATE, subtype="FLOAT")
    return str(folder / name)


@pytest.mark.parametrize("mode", ["lockstep", "windows"])
async def test_json_has_the_fixed_form(tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: Mode) -> None:
    """One object a line, with the keys that programs rely on."""
    names = [recording(tmp_path, "a.wav", (0, 1, 2)), recording(tmp_path, "b.wav", (5, 4))]
    starter = Starter()
    assert await Batch(starter, None, JSON, mode).run([Job(name) for name in names]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert list(first) == ["file", "text", "language", "duration_ms", "compute_ms", "words", "engine"]
    assert (first["file"], first["text"], first["language"]) == (names[0], spell((0, 1, 2)), "en")
    assert first["duration_ms"] == pytest.approx(1800)
    assert first["compute_ms"] > 0
    assert first["engine"] == {"encoder": "cpu", "decoder": "cpu", "model": "tones"}
    assert [list(word) for word in first["words"]] == [["text", "from_ms", "to_ms", "conf"]] * 3
    assert "".join(word["text"] for word in first["words"]).strip() == first["text"]
    assert second["text"] == spell((5, 4))
    assert starter.started == 1


async def test_a_bad_file_costs_one_line_and_not_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that cannot be read are named on stderr, the others are done, and the status is 1."""
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound")
    names = [f"{tmp_path}/missing.wav", f"{tmp_path}/empty.wav", f"{tmp_path}/text.wav", str(tmp_path)]
    good = recording(tmp_path, "a.wav", (0, 1, 2))
    assert await Batch(Starter(), None, TEXT).run([Job(name) for name in [*names, good]]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{spell((0, 1, 2))}\n"
    lines = shown.err.splitlines()
    assert len(lines) == len(names)
    assert all(line.startswith(f"amanuensis: {name}: ") for line, name in zip(lines, names, strict=True))


async def test_without_a_file_that_can_be_read_no_engine_is_started(tmp_path: Path) -> None:
    """A wrong name is answered at once."""
    starter = Starter()
    assert await Batch(starter, None, TEXT).run([Job(f"{tmp_path}/missing.wav")]) == 1
    assert starter.started == 0


async def test_a_result_that_could_not_be_written_is_not_worked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A place where nothing can be written is told before the engine is started."""
    (tmp_path / "file").touch()
    starter = Starter()
    job = Job(recording(tmp_path, "a.wav", (0, 1)), ((tmp_path / "file" / "a.srt", "srt"),))
    assert await Batch(starter, None, TEXT).run([job]) == 1
    assert "file is not a folder; name another place" in capsys.readouterr().err
    assert starter.started == 0


async def test_a_file_without_sound_has_an_empty_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording of no length is done and says nothing."""
    assert await Batch(Starter(), None, JSON).run([Job(recording(tmp_path, "a.wav", ()))]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["text"], result["words"], result["duration_ms"]) == ("", [], 0)


async def test_files_are_written_and_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With outputs, standard output stays empty."""
    name = recording(tmp_path, "a.wav", (0, 1, 2))
    outputs = tuple((tmp_path / "out" / f"a.{kind}", kind) for kind in ("txt", "srt", "vtt", "json"))
    assert await Batch(Starter(), None, Printing()).run([Job(name, outputs)]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "out" / "a.txt").read_text() == f"{spell((0, 1, 2))}\n"
    assert all(path.stat().st_size for path, _ in outputs)


async def test_words_come_with_their_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With word times each word is a line, printed and in a file."""
    name, output = recording(tmp_path, "a.wav", (0, 1, 2)), tmp_path / "a.txt"
    printing = Printing(text="txt", word_times=True)
    assert await Batch(Starter(), None, printing).run([Job(name, ((output, "txt"),))]) == 0
    printed = capsys.readouterr().out
    assert output.read_text() == printed
    assert " ".join(line.split("\t")[2] for line in printed.splitlines()) == spell((0, 1, 2))


async def test_a_full_disk_is_one_line_and_the_other_files_are_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be written is named; the next file is transcribed nevertheless."""
    jobs = [
        Job(recording(tmp_path, "a.wav", (0, 1)), ((Path("/dev/full"), "srt"),)),
        Job(recording(tmp_path, "b.wav", (2, 3)), ((tmp_path / "b.txt", "txt"),)),
    ]
    assert await Batch(Starter(), None, Printing()).run(jobs) == 1
    assert capsys.readouterr().err == "amanuensis: /dev/full: cannot be written (No space left on device)\n"
    assert (tmp_path / "b.txt").read_text() == f"{spell((2, 3))}\n"


async def test_titles_tell_whose_text_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The texts of several files are told apart."""
    names = [recording(tmp_path, "a.wav", (0, 1)), recording(tmp_path, "b.wav", (2, 3))]
    await Batch(Starter(), None, Printing(text="txt", titles=True)).run([Job(name) for name in names])
    assert capsys.readouterr().out == f"{names[0]}:\n{spell((0, 1))}\n{names[1]}:\n{spell((2, 3))}\n"


async def test_raw_files_are_read_in_the_format_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without a header needs its format."""
    (tmp_path / "a.pcm").write_bytes(say((0, 1, 2), 8000).astype("<f4").tobytes())
    batch = Batch(Starter(), AudioFormat("f32le", 8000, 1), TEXT)
    assert await batch.run([Job(f"{tmp_path}/a.pcm")]) == 0
    assert capsys.readouterr().out == f"{spell((0, 1, 2))}\n"


async def test_a_window_that_fails_is_told_and_fails_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sound that became a gap is not passed over in silence."""
    engine = ToneEngine(fail_with=EngineError("odd features"))
    assert await Batch(Starter(engine), None, TEXT).run([Job(recording(tmp_path, "a.wav", (0, 1)))]) == 1
    shown = capsys.readouterr().err
    assert "were not transcribed" in shown
    assert "odd features" in shown


async def test_an_engine_that_is_lost_ends_the_run(tmp_path: Path) -> None:
    """Without an engine no file can be done."""
    engine = ToneEngine(fail_with=EngineLostError("it died three times"))
    with pytest.raises(EngineLostError):
        await Batch(Starter(engine), None, TEXT).run([Job(recording(tmp_path, "a.wav", (0, 1)))])
