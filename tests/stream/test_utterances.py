"""Utterances that wait, and what becomes of their audio when the engine cannot do them."""

from __future__ import annotations

import pytest

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Event, Final, Gap
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.jobs import Ticket
from amanuensis.stream.session import StreamSession
from tests.helpers.drive import check_captions, committed
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import cut_in_pieces, pcm, script, speak
from tests.helpers.words import result

SECOND = 32_000  # bytes


class Talk:
    """A session that is fed and answered, until a window is poison.

    Attributes:
        events: that came.
        poison: the windows that killed the engine.

    """

    def __init__(self, said: list[Said], config: StreamConfig | None = None) -> None:
        self.said = said
        self.events: list[Event] = []
        self.poison: list[Ticket] = []
        self.session = StreamSession(config or StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO)
        self._engine = ScriptedEngine(said)

    def hear(self, data: bytes, poison_ms: float | None = None) -> None:
        """Take audio and do all jobs; one whose window has the given moment in it kills the engine."""
        for piece in cut_in_pieces(data, [3_200]):
            self.events += self.session.receive(piece)
            self.work(poison_ms)

    def work(self, poison_ms: float | None = None) -> None:
        """Do all jobs."""
        while ticket := self.session.next_job():
            if poison_ms is not None and ticket.audio_start_ms <= poison_ms < ticket.audio_end_ms:
                self.poison.append(ticket)
                self.events += self.session.failed(ticket.id, "it died twice", poison=True)
            else:
                start_ms, end_ms = ticket.audio_start_ms, ticket.audio_end_ms
                answer = self._engine.answer(ticket.job, start_ms, end_ms, final=ticket.urgent, lead_ms=ticket.lead_ms)
                self.events += self.session.deliver(ticket.id, answer)

    @property
    def gaps(self) -> list[Gap]:
        """The gaps so far."""
        return [event for event in self.events if isinstance(event, Gap)]


def check(talk: Talk, data: bytes) -> None:
    """Assert that all samples have a fate and that gaps tell of those that are lost."""
    totals = talk.session.ledger.totals()
    assert (totals.received, totals.unsettled) == (len(data) // 2, 0)
    assert sum(round(gap.end_ms * 16) - round(gap.start_ms * 16) for gap in talk.gaps) == totals.gap
    check_captions(talk.events, len(data) / 32)


def test_a_poison_window_is_given_up_at_once() -> None:
    """Of a window that kills the engine, what was not heard before is a gap that says so; all other words come."""
    said = script(40, 3)
    data = pcm(speak(said))
    talk = Talk(said)
    poison_ms = said[14].start_ms + 50
    talk.hear(data, poison_ms)
    talk.events += talk.session.end()
    talk.work()
    check(talk, data)
    (ticket,) = talk.poison
    (gap,) = talk.gaps
    assert gap.why == "poison window: it died twice"
    assert gap.end_ms == ticket.audio_end_ms
    assert gap.start_ms <= poison_ms < gap.end_ms
    assert gap.end_ms - gap.start_ms <= 700  # one tick, not the whole window
    missed = [word.text for word in said if word.end_ms > gap.start_ms and word.start_ms < gap.end_ms]
    heard = [word.text for word in committed(talk.events)]
    assert [text for text in heard if text not in missed] == [w.text for w in said if w.text not in missed]
    assert len(missed) <= 3
    assert ticket.job.features.shape[1] * 10 >= ticket.audio_end_ms - ticket.audio_start_ms
    assert (talk.session.counters.poisoned, talk.session.counters.failed) == (1, 1)


def test_the_rest_of_a_closed_utterance_is_heard_after_its_poison() -> None:
    """When the first window of a long utterance that is over kills the engine, the windows after it are decoded."""
    said = script(60, 5)
    data = pcm(speak(said))
    talk = Talk(said)
    talk.session = StreamSession(StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO, ticks=False)
    talk.events += talk.session.receive(data)
    talk.events += talk.session.end()
    talk.work(1_000.0)
    check(talk, data)
    (ticket,), (gap,) = talk.poison, talk.gaps
    assert (gap.start_ms, gap.end_ms) == (ticket.audio_start_ms, ticket.audio_end_ms)
    assert gap.end_ms < said[-1].end_ms / 2
    heard = [word.text for word in committed(talk.events)]
    assert heard[-20:] == [word.text for word in said[-20:]]
    finals = [event for event in talk.events if isinstance(event, Final)]
    assert finals[-1].reason == "pause"


def test_shedding_keeps_the_newer_half_of_one_long_utterance() -> None:
    """Where the audio that waits is one utterance that is over, only its older half is given up."""
    said = script(40, 5)
    data = pcm(speak(said))
    talk = Talk(said, StreamConfig(max_pending_s=10))
    talk.events += talk.session.receive(data[: 9 * SECOND])
    talk.events += talk.session.flush()
    talk.events += talk.session.receive(bytes(4 * SECOND))
    (gap,) = talk.gaps
    assert gap.why == "the engine does not keep up"
    assert 4_000 < gap.end_ms < 8_000
    talk.work()
    talk.events += talk.session.end()
    talk.work()
    kept = [word.text for word in said if gap.end_ms + 400 < word.start_ms and word.end_ms < 9_000]
    assert len(kept) >= 4
    assert set(kept) <= {word.text for word in committed(talk.events)}


def test_what_was_skipped_is_told_once() -> None:
    """Samples that were lost on the way are in one gap only, also when the window around them is given up later."""
    said = script(20, 5)
    data = pcm(speak(said))
    talk = Talk(said)
    talk.events += talk.session.receive(data[: 2 * SECOND])
    talk.events += talk.session.skip(1_600, "lost on the way")
    talk.events += talk.session.receive(data[2 * SECOND : 4 * SECOND])
    for _ in range(3):
        ticket = talk.session.next_job()
        assert ticket is not None
        talk.events += talk.session.failed(ticket.id, "broken")
    gaps = [(gap.start_ms, gap.end_ms) for gap in talk.gaps]
    assert gaps[0] == (2_000.0, 2_100.0)
    assert gaps[1][1] == 2_000.0
    assert gaps[2] == (2_100.0, 4_100.0)


def test_speech_without_words_is_counted() -> None:
    """Speech that was decoded, twice, without words is silence or transcribed, and counted as empty beside that."""
    said = script(12, 5)
    data = pcm(speak(said))
    session = StreamSession(StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO)
    deaf = result((), ())
    events = session.receive(data)
    while ticket := session.next_job():
        events += session.deliver(ticket.id, deaf)
    events += session.end()
    while ticket := session.next_job():
        events += session.deliver(ticket.id, deaf)
    totals = session.ledger.totals()
    spoken_s = sum(word.end_ms - word.start_ms for word in said) / 1000
    assert committed(events) == []
    assert totals.empty <= totals.silence + totals.transcribed
    assert totals.empty / 16_000 == pytest.approx(spoken_s, rel=0.25)
    assert session.counters.empty >= 1


def test_speech_with_words_is_not_empty() -> None:
    """In a stream of which every word is heard, nothing is counted as empty."""
    said = script(40, 3, (0.0, 0.3, 1.2))
    data = pcm(speak(said))
    talk = Talk(said)
    talk.hear(data)
    talk.events += talk.session.end()
    talk.work()
    check(talk, data)
    assert [word.text for word in committed(talk.events)] == [word.text for word in said]
    assert talk.session.ledger.totals().empty == 0
