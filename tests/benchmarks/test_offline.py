"""Throughput on whole recordings: clips, figures, and the processes that are measured."""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks.offline import (
    OURS,
    Driver,
    OfflineRun,
    add_arguments,
    clips_of,
    compare,
    ours,
    readable,
    run,
)
from amanuensis.benchmarks.sound import FRAME, SAMPLE_RATE
from amanuensis.benchmarks.timed_speech import timed_speech
from amanuensis.benchmarks.widened_forms import ConversionError, widened_form
from amanuensis.benchmarks.worker import WorkerError
from amanuensis.daemon.commands.common import UsageError
from amanuensis.stream.english import normalise_english

ECHO = """
import json, sys
print(json.dumps({"echo": "1.0"}), flush=True)
for line in sys.stdin:
    if line.strip() == "die":
        sys.exit("no such case")
    print(json.dumps({"wall_s": 2.0, "cpu_s": 1.0, "text": line.strip()}), flush=True)
"""


def test_clips_cover_the_recording_and_are_not_too_long() -> None:
    """One begins where the last ends."""
    samples = timed_speech(40).samples
    clips = clips_of(samples)
    assert clips[0][0] == 0
    assert clips[-1][1] == pytest.approx(len(samples) / SAMPLE_RATE)
    assert all(end_s == start_s for (_, end_s), (start_s, _) in pairwise(clips))
    assert all(0 < end_s - start_s <= 12 + FRAME / SAMPLE_RATE for start_s, end_s in clips)


def test_clips_are_cut_between_words() -> None:
    """No word of the conversation, whose times are known, is cut in two."""
    speech = timed_speech(40)
    cuts = [end_s for _, end_s in clips_of(speech.samples)[:-1]]
    assert cuts
    assert not [word for word in speech.words for cut_s in cuts if word.start_s + 0.02 < cut_s < word.end_s - 0.02]


def test_sound_without_pauses_is_cut_nevertheless() -> None:
    """At the longest length; silence is cut as well."""
    tone = np.sin(np.arange(30 * SAMPLE_RATE) * 0.05).astype(np.float32) * 0.3
    for samples in (tone, np.zeros_like(tone)):
        assert max(end_s - start_s for start_s, end_s in clips_of(samples)) <= 12.001


def test_ratios_are_medians_of_others_over_ours() -> None:
    """CPU seconds and wall time apart, and word errors where the text is known."""
    mine = [OfflineRun(2.0, 1.0, "old town"), OfflineRun(4.0, 3.0, "old town"), OfflineRun(3.0, 2.0, "old town")]
    figures = compare({OURS: mine, "other": [OfflineRun(9.0, 8.0, "new towel")]}, 10.0, "old new town")
    assert figures["ours"]["cpu_s_per_s"]["median"] == pytest.approx(0.2)
    assert figures["peers"]["other"]["ratio"] == pytest.approx(4.0)
    assert figures["peers"]["other"]["wall_ratio"] == pytest.approx(3.0)
    assert (figures["ours"]["wer"], figures["peers"]["other"]["wer"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    lines = readable(figures | {"missing": {"third": "not installed"}})
    assert lines[2].endswith("2 words, WER 66.7 %: 4.0 times our CPU, 3.0 times our time")
    assert lines[3] == "third: not measured, not installed"


def test_recording_without_text_has_no_word_errors() -> None:
    """Nothing is claimed of it."""
    figures = compare({OURS: [OfflineRun(2.0, 1.0, "old town")]}, 10.0, None)
    assert figures["ours"]["wer"] is None
    assert "WER" not in readable(figures | {"missing": {}})[1]


def test_driver_answers_cases_and_says_why_it_ended(tmp_path: Path) -> None:
    """A real process; its last line on standard error is the reason."""
    script = tmp_path / "echo.py"
    script.write_text(ECHO)
    with Driver(Path(sys.executable), [str(script)], 1) as driver:
        assert driver.versions == {"echo": "1.0"}
        assert driver.case("a b")() == OfflineRun(2.0, 1.0, "a b")
        with pytest.raises(WorkerError, match="status 1: no such case"):
            driver.case("die")()


def test_whole_command_is_measured(builtin_model: Path, tmp_path: Path) -> None:
    """The process of `amanuensis transcribe` and that of its engine count."""
    speech = timed_speech(4)
    soundfile.write(tmp_path / "a.wav", speech.samples, SAMPLE_RATE)
    found = ours(builtin_model, tmp_path / "a.wav", 1)
    assert normalise_english(found.text) == normalise_english(speech.text)
    assert found.cpu_s > 0
    assert found.wall_s > 0


def test_failing_command_is_told(tmp_path: Path) -> None:
    """With what it said."""
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(WorkerError, match=r"status 1: .*a\.wav"):
        ours(tmp_path, tmp_path / "a.wav", 1)


def test_text_needs_its_file(tmp_path: Path) -> None:
    """The text of the bundled conversation is known."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(UsageError, match="name that too"):
        run(parser.parse_args(["--text", str(tmp_path / "a.txt")]))


def test_form_of_another_system_needs_its_interpreter() -> None:
    """One that cannot convert says why, and leaves nothing behind."""
    with pytest.raises(ConversionError, match="'openai' needs an interpreter that has torch"):
        widened_form("openai")
    with pytest.raises(ConversionError, match="status 1: ModuleNotFoundError: No module named 'ctranslate2'"):
        widened_form("ctranslate2", python=Path(sys.executable))
