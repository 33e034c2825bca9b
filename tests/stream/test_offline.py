"""Recordings."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.stream.config import StreamConfig
from amanuensis.stream.events import Final
from amanuensis.stream.formats import AudioFormat
from amanuensis.stream.offline import OfflineTranscriber
from tests.helpers.drive import check_captions
from tests.helpers.scripted_engine import INFO, Said, ScriptedEngine, ScriptedTokenizer
from tests.helpers.talk import cut_in_pieces, pcm, script, speak


def transcribe(said: list[Said], seed: int = 0, config: StreamConfig | None = None) -> tuple[OfflineTranscriber, list]:
    """Transcribe a script; return the transcriber and its events."""
    data = pcm(speak(said))
    engine = ScriptedEngine(said, seed, p_edge=0.8)
    transcriber = OfflineTranscriber(
        config or StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO, len(data) / 32
    )
    events = []
    for piece in [*cut_in_pieces(data, [128_000]), None]:
        events += transcriber.end() if piece is None else transcriber.receive(piece)
        shares = [transcriber.progress]
        while ticket := transcriber.next_job():
            assert ticket.urgent
            result = engine.answer(
                ticket.job, ticket.audio_start_ms, ticket.audio_end_ms, final=True, lead_ms=ticket.lead_ms
            )
            events += transcriber.deliver(ticket.id, result)
            shares.append(transcriber.progress)
        assert shares == sorted(shares)
        assert transcriber.wants_audio
    assert transcriber.done
    return transcriber, events


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 30), pause=st.sampled_from([0.0, 0.3, 1.2]))
def test_every_word_is_transcribed_once(seed: int, pause: float) -> None:
    """With and without pauses, each word comes once, though windows are cut between them."""
    said = script(80, seed, (0.0, 0.0, 0.0, pause))
    transcriber, events = transcribe(said, seed)
    assert [word.text for word in transcriber.words] == [word.text for word in said]
    assert transcriber.text == "".join(word.text for word in said).strip()
    check_captions(events, said[-1].end_ms + 1500)
    totals = transcriber.session.ledger.totals()
    assert (totals.unsettled, totals.gap) == (0, 0)


def test_progress_ends_at_one() -> None:
    """Progress rises from 0 to 1."""
    transcriber, _ = transcribe(script(20, 1))
    assert transcriber.progress == 1.0


def test_progress_of_unknown_length_is_unknown() -> None:
    """Without a duration there is no share before the end."""
    said = script(4, 1)
    transcriber = OfflineTranscriber(StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO)
    transcriber.receive(pcm(speak(said))[:32_000])
    assert transcriber.progress is None


def test_a_pending_recording_wants_no_more_audio() -> None:
    """The feeder is told to wait while windows wait for the engine."""
    said = script(200, 2)
    transcriber = OfflineTranscriber(StreamConfig(max_pending_s=20), AudioFormat(), ScriptedTokenizer(said), INFO)
    data = pcm(speak(said))
    n_taken = 0
    for piece in cut_in_pieces(data, [32_000]):
        if not transcriber.wants_audio:
            break
        transcriber.receive(piece)
        n_taken += 1
    assert 9 <= n_taken <= 14


def test_a_failing_engine_leaves_gaps() -> None:
    """Windows that cannot be decoded are left out, and said to be."""
    said = script(10, 2)
    transcriber = OfflineTranscriber(StreamConfig(), AudioFormat(), ScriptedTokenizer(said), INFO)
    events = transcriber.receive(pcm(speak(said))) + transcriber.end()
    while ticket := transcriber.next_job():
        events += transcriber.failed(ticket.id, "no engine")
    assert transcriber.done
    assert transcriber.words == ()
    assert not any(isinstance(event, Final) for event in events)
    assert transcriber.session.ledger.totals().gap > 0
