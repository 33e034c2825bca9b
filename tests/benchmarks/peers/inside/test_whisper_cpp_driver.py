"""The sliding window of whisper.cpp's stream mode."""

from __future__ import annotations

import io

import numpy as np
import pytest

from amanuensis.benchmarks.peers.inside import whisper_cpp_driver
from amanuensis.benchmarks.peers.inside.whisper_cpp_driver import SAMPLE_RATE, Inbox, Window, stream

STEP = SAMPLE_RATE // 2


def sound(steps: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """So many steps of silence."""
    return np.zeros(round(steps * STEP), np.float32)


def test_a_line_stands_after_nine_steps_and_the_next_keeps_a_fifth_of_a_second() -> None:
    """5 s in steps of 0.5 s: each step adds to the window until its line stands."""
    window = Window(STEP, 10 * STEP)
    jobs = [window.next(sound(1)) for _ in range(10)]
    assert [job[1] for job in jobs if job] == ["partial"] * 8 + ["commit", "partial"]
    assert [len(job[0]) / SAMPLE_RATE for job in jobs if job] == [0.5 * k for k in range(1, 10)] + [0.7]


def test_sound_that_comes_too_fast_is_dropped() -> None:
    """More than two steps waiting: the decoder is too slow, and what waits is lost."""
    window = Window(STEP, 10 * STEP)
    assert window.next(sound(2.5)) is None
    assert window.dropped == round(2.5 * STEP)
    assert window.next(sound(2)) is not None


def test_the_line_on_the_screen_stays_when_the_sound_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input is read as it comes; less than a step at its end is not decoded."""

    class Input:
        buffer = io.BytesIO(bytes(2 * round(1.5 * STEP)))

    monkeypatch.setattr(whisper_cpp_driver.sys, "stdin", Input)
    inbox = Inbox()
    inbox.fill()
    rows: list[object] = []
    stream(inbox, Window(STEP, 10 * STEP), lambda samples: f"{len(samples)} samples ", rows.append)
    text = f" {round(1.5 * STEP)} samples"
    assert rows == [{"kind": "partial", "text": text}, {"kind": "commit", "text": text}]
