"""Times of words against those of the synthesisers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from amanuensis.benchmarks import word_times
from amanuensis.benchmarks.poem import line_errors
from amanuensis.benchmarks.streaming_wer import Listener
from amanuensis.benchmarks.word_times import TIMED, WAYS, Errors, Said, load_timed, matched, measure, summary
from amanuensis.daemon.commands.common import UsageError
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Word

MEDIAN_MS, P90_MS = 60, 150  # what subtitles and click-to-play can rely on


def heard(text: str, start_ms: float = 0.0) -> list[Word]:
    """Return words of 100 ms each."""
    return [Word(f" {word}", start_ms + 100 * k, start_ms + 100 * (k + 1), 0.9) for k, word in enumerate(text.split())]


def said(text: str) -> list[Said]:
    """Return the same words as a reference."""
    return [Said(word.text.strip(), word.start_ms, word.end_ms) for word in heard(text)]


def test_only_words_that_were_recognised_are_compared() -> None:
    """Words are matched in order by their normalised text; what was missed or made up counts for nothing."""
    pairs = list(matched(said("turn on the light"), heard("Turn the big light.")))
    assert [(reference.text, word.text) for reference, word in pairs] == [
        ("turn", " Turn"),
        ("the", " the"),
        ("light", " light."),
    ]


def test_errors_have_a_sign() -> None:
    """Late is positive, unknown times are left out, and the median is of the sizes."""
    errors = Errors()
    errors.add([*said("one two"), Said("three", None, 300.0)], heard("one two three", 20.0))
    assert errors.starts_ms == [20.0, 20.0]
    assert errors.ends_ms == [20.0, 20.0, 20.0]
    assert (errors.words, errors.found) == (3, 3)
    assert summary([-30.0, 10.0, 20.0]) == {"n": 3, "bias": 10.0, "median": 20.0, "p90": 28.0}
    assert summary([]) == {"n": 0}


def test_a_folder_without_times_is_refused(tmp_path: Path) -> None:
    """The message says how clips with times are made."""
    (tmp_path / "manifest.jsonl").write_text('{"path": "a.flac", "text": "a"}\n')
    with pytest.raises(UsageError, match=r"no clips with words and times; `python -m amanuensis\.training word-times"):
        load_timed(tmp_path)


def test_limit_counts_by_voice_and_condition(tmp_path: Path) -> None:
    """At most so many clips of each kind are read."""
    soundfile.write(tmp_path / "a.flac", np.zeros(160, np.float32), 16_000)
    row = {"path": "a.flac", "set": "seen", "disturbed": False, "words": [["a", 0.0, None]]}
    (tmp_path / "manifest.jsonl").write_text(
        "".join(json.dumps(row | {"disturbed": k % 2 == 0}) + "\n" for k in range(6))
    )
    clips = load_timed(tmp_path, 2)
    assert [clip.set for clip in clips] == ["seen voices, noise or room"] * 2 + ["seen voices, clean"] * 2
    assert clips[0].words == (Said("a", 0.0, None),)


class Ruler:
    """Puts the words of a text one second apart."""

    def times_ms(self, samples: np.ndarray, words: list[str]) -> list[tuple[int, int]]:
        """Return times from the window's start."""
        assert len(samples) == 16_000 * len(words)
        return [(1_000 * k, 1_000 * k + 900) for k in range(len(words))]


def test_lines_are_looked_at_with_their_neighbours() -> None:
    """The first word of a line is found behind those of the line before, its last one before those of the next."""
    lines = [(0.0, 2.0, "One, two"), (2.0, 4.0, "three four"), (4.0, 5.0, "- five!")]
    found = list(line_errors(Ruler(), np.zeros(80_000, np.float32), lines))
    assert [(each.text, each.start_error_ms, each.end_error_ms) for each in found] == [
        ("One, two", 0, -100),
        ("three four", 0, -100),
        ("- five!", 0, -100),
    ]


def test_the_built_in_model_keeps_time() -> None:
    """Starts and ends of words in seen and unseen voices, clean and in noise, are exact enough, offline and live."""
    folder = resolve("builtin")
    listener = Listener(load_model(EngineConfig(folder, threads=1)), Tokenizer(folder), StreamConfig())
    measured = measure(listener, load_timed(TIMED))
    assert len(measured) == 8
    for way in WAYS:
        found = [errors for name, errors in measured.items() if name.startswith(way)]
        assert sum(errors.found for errors in found) > 0.8 * sum(errors.words for errors in found)
        for edge in ("starts_ms", "ends_ms"):
            sizes = np.abs([each for errors in found for each in getattr(errors, edge)])
            assert np.median(sizes) <= MEDIAN_MS, (way, edge)
            assert np.percentile(sizes, 90) <= P90_MS, (way, edge)


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """`amanuensis bench word-times --json` prints the figures of every kind of clip, and what the times cost."""
    parser = argparse.ArgumentParser()
    word_times.add_arguments(parser)
    arguments = parser.parse_args(["--model", "builtin", "--limit", "1", "--json"])
    arguments.speech = None
    assert word_times.run(arguments) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"sets", "cost_ms_per_s", "header"}
    assert figures["sets"]["streaming: seen voices, clean"]["start_ms"]["n"] > 0
