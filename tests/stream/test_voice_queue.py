"""What waits until there is time for voices: bounded, and in order."""

from __future__ import annotations

import numpy as np

from amanuensis.stream.speakers import Speakers
from amanuensis.stream.vad import FRAME_SAMPLES
from amanuensis.stream.voice_queue import MAX_PAUSES, MAX_WAITING, VoiceQueue
from amanuensis.stream.voice_windows import StretchEnd, VoiceItem, VoiceWindow
from tests.helpers.voices import Talk, sound

NOTHING = np.zeros(0, np.int16)


def items(queue: VoiceQueue) -> list[VoiceItem]:
    """Take all items."""
    found = []
    while (item := queue.next) is not None:
        found.append(item)
        queue.pop()
    return found


def test_what_was_put_comes_in_order() -> None:
    """Windows may be looked at before it is their turn."""
    queue = VoiceQueue()
    window, pause, other = VoiceWindow(0, 9, 9, NOTHING), StretchEnd(0, 9), VoiceWindow(20, 29, 9, NOTHING)
    queue.put([window, pause, other])
    assert (len(queue), queue.n_windows, queue.windows(1), queue.windows(9)) == (3, 2, [window], [window, other])
    assert items(queue) == [window, pause, other]
    assert (len(queue), queue.n_windows, queue.next) == (0, 0, None)


def test_more_windows_than_may_wait_are_left_out() -> None:
    """The oldest stay; pauses are still taken."""
    queue = VoiceQueue()
    queue.put(VoiceWindow(k, k + 1, 1, NOTHING) for k in range(2 * MAX_WAITING))
    queue.put([StretchEnd(0, 2 * MAX_WAITING)])
    assert (queue.n_windows, len(queue)) == (MAX_WAITING, MAX_WAITING + 1)
    assert [window.start for window in queue.windows(99)] == list(range(MAX_WAITING))


def test_more_pauses_than_may_wait_become_one() -> None:
    """Nothing between the first and the last of them is forgotten, and a window keeps its own."""
    queue = VoiceQueue()
    queue.put(StretchEnd(10 * k, 10 * k + 5) for k in range(100 * MAX_PAUSES))
    assert len(queue) == MAX_PAUSES
    queue.put([VoiceWindow(7, 8, 1, NOTHING), StretchEnd(7, 9), StretchEnd(11, 12)])
    found = items(queue)
    assert found[-3] == StretchEnd(10 * (MAX_PAUSES - 1), 10 * (100 * MAX_PAUSES - 1) + 5)
    assert found[-1] == StretchEnd(7, 12)


def test_a_job_that_does_not_come_back_lets_nothing_grow() -> None:
    """Hours of short remarks behind it: what waits has a bound, and afterwards words still have their speaker."""
    talk = Talk().play([(0, 4.0), (None, 0.6), (1, 3.0)])
    job = None
    while job is None:
        talk.speakers.hear(talk.latest, sound(1, 0.5), [True] * 25)
        talk.latest += 25 * FRAME_SAMPLES
        job = talk.speakers.due(words_over=False)
    remark = np.concatenate([sound(1, 0.1), sound(None, 0.4)])
    for _ in range(4 * MAX_PAUSES):
        talk.speakers.hear(talk.latest, remark, [True] * 5 + [False] * 20)
        talk.latest += remark.size
    assert waiting(talk.speakers) <= 2 * (MAX_WAITING + MAX_PAUSES)
    talk.events += talk.speakers.deliver(job.id, job.work(talk.embedder))
    talk.work()
    talk.play([(None, 0.5), (0, 4.0)]).end()
    assert set(talk.last) == {"A", "B"}


def waiting(speakers: Speakers) -> int:
    """Return how many windows and pauses wait."""
    return len(speakers._waiting)
