"""Who speaks: told while people talk, put right later, whatever is heard."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import pytest

from amanuensis.stream.events import Commit, SpeakerRevised, Turn, Warning, Word  # noqa: A004 - the name on the wire
from amanuensis.stream.plain import from_plain, to_plain
from amanuensis.stream.speaker_state import SpeakerState
from amanuensis.stream.speakers import MAX_REVISED, SpeakerRules, Speakers
from amanuensis.stream.voice_queue import MAX_WAITING
from tests.helpers.voices import RATE, SAME_ABOVE, BandEmbedder, Talk, chord, share_right, sound

DIALOGUE = [(0, 4.0), (None, 0.6), (1, 5.0), (None, 0.6), (0, 3.0), (None, 0.5), (1, 3.0), (None, 0.5), (0, 4.0)]


def test_two_voices_that_take_turns_are_told_apart() -> None:
    """Each word ends with its own voice's name, and most have it when they are committed."""
    talk = Talk().play(DIALOGUE).end()
    assert share_right(talk.truth, talk.last) == 1.0
    assert share_right(talk.truth, talk.first) > 0.8
    assert talk.speakers.names == ["A", "B"]


def test_a_turn_is_told_where_it_begins() -> None:
    """The first one of each turn is provisional, its place the first speech of the voice."""
    turns = [event for event in Talk().play(DIALOGUE).end().events if isinstance(event, Turn)]
    assert [turn.spk for turn in turns] == ["A", "B", "A", "B", "A"]
    assert turns[0].provisional
    starts = [0, 4600, 10200, 13700, 17200]
    assert all(abs(turn.at_ms - start) < 100 for turn, start in zip(turns, starts, strict=True))


def test_a_change_without_a_pause_is_found() -> None:
    """Two seconds that are unlike the two before are another's, to about half a second."""
    talk = Talk().play([(0, 6.0), (1, 6.0), (0, 5.0)]).end()
    assert share_right(talk.truth, talk.last) > 0.9
    turns = [event.at_ms for event in talk.events if isinstance(event, Turn)]
    assert any(abs(at - 6000) <= 600 for at in turns)


def test_no_word_is_revised_twice_while_people_talk() -> None:
    """Once when its speech is settled and once at the end; with voices that are never joined."""
    talk = Talk().play(DIALOGUE * 3)
    assert max(talk.revisions()) <= 1
    assert max(talk.end().revisions()) <= 2


def test_a_look_while_people_talk_leaves_a_new_voice_in_peace() -> None:
    """Who has said little so far stays somebody until the end, when it is not more than a door."""
    talk = Talk().play([(0, 6.0), (None, 0.5), (1, 6.0), (None, 0.5), (2, 2.4), (None, 0.5)])
    before = talk.speakers.state().memory.n_looks
    talk.play([(0, 4.0), (None, 0.5), (1, 4.0), (None, 0.5)])
    assert talk.speakers.state().memory.n_looks > before
    assert share_right(talk.truth, talk.last) == 1.0
    assert set(talk.end().last) == {"A", "B"}


def test_a_stream_that_ends_during_a_look_is_heard_to_its_end() -> None:
    """The look that was under way is not the last one: what still waits is worked off, and all is looked at then."""
    talk = Talk().play(DIALOGUE)
    speakers = talk.speakers
    speakers.hear(talk.latest, sound(1, 6.0), [True] * 300)
    while (job := speakers.due(words_over=False)) is not None and job.review is None:
        talk.events += speakers.deliver(job.id, job.work(talk.embedder))
    assert job is not None
    speakers.hear(talk.latest + 6 * RATE, sound(0, 6.0), [True] * 300)
    speakers.end()
    speakers.deliver(job.id, job.work(talk.embedder))
    assert not speakers.done
    talk.work(words_over=True)
    assert speakers.done
    assert [name for name, _ in groupby(name for *_, name in speakers.turns())][-2:] == ["B", "A"]


def test_swapped_voices_swap_the_names() -> None:
    """Names come from the sound alone: they follow the order in which voices are first heard."""
    swapped = [(None if voice is None else 1 - voice, seconds) for voice, seconds in DIALOGUE]
    one, other = Talk().play(DIALOGUE).end(), Talk().play(swapped).end()
    assert one.last == other.last
    assert one.truth == [1 - voice for voice in other.truth]
    assert Talk().play([(2, 4.0), (None, 0.5), *swapped]).end().last[-1] == "B"


def test_one_voice_is_one() -> None:
    """Nobody is invented beside the only one, in a minute with pauses."""
    talk = Talk().play([(0, 3.0), (None, 0.5), (0, 1.0), (None, 1.0), (0, 6.0), (None, 0.4)] * 5).end()
    assert set(talk.last) == {"A"}
    assert not any(isinstance(event, SpeakerRevised) and len(event.words) > 3 for event in talk.events)


def test_silence_says_nothing() -> None:
    """Without speech there are no speakers and no events, and nothing is computed."""
    talk = Talk().play([(None, 30.0)]).end()
    assert (talk.events, talk.speakers.names, talk.embedder.calls) == ([], [], 0)
    assert talk.speakers.done


def test_turns_of_a_fifth_of_a_second_invent_nobody() -> None:
    """There is too little in them to know a voice by: their words stay with who spoke before."""
    script = [(0, 4.0), (None, 0.5), *[(1, 0.2), (None, 0.4), (2, 0.2), (None, 0.4)] * 10, (0, 4.0)]
    talk = Talk().play(script).end()
    assert talk.speakers.names == ["A"]


def test_crosstalk_ends_with_the_two_voices() -> None:
    """Where both speak at once a third is not kept, if there is little of it."""
    talk = Talk().play(DIALOGUE)
    both = sound(0, 1.5) + sound(1, 1.5)
    talk.speakers.hear(talk.latest, both, [True] * (both.size // 320))
    talk.latest += both.size
    talk.work()
    talk.play([(None, 0.5), (0, 4.0), (None, 0.5), (1, 4.0)]).end()
    assert set(talk.last) == {"A", "B"}


def test_identical_voices_are_one() -> None:
    """Two people who sound alike cannot be told apart, and are not."""
    talk = Talk().play([(0, 3.0), (None, 0.5)] * 6).end()
    assert talk.speakers.names == ["A"]


def test_music_that_passes_for_speech_is_a_few_voices_at_most() -> None:
    """A chord that changes every second does not fill the book."""
    script = [(10 + k % 7, 1.0) for k in range(60)]
    talk = Talk(SpeakerRules(SAME_ABOVE, most=4)).play(script).end()
    assert 1 <= len(talk.speakers.names) <= 4


def test_at_most_so_many_are_told_apart() -> None:
    """With a bound of two the third voice goes to one of them."""
    script = [(voice, 4.0) if voice is not None else (None, 0.5) for voice in (0, None, 1, None, 2, None, 0)]
    assert len(Talk(SpeakerRules(SAME_ABOVE, most=2)).play(script).end().speakers.names) == 2


def test_the_number_of_speakers_can_be_known() -> None:
    """The second look then finds just so many, although two are much alike."""
    script = [(voice, 5.0) if voice is not None else (None, 0.5) for voice in (0, None, 1, None, 2, None, 0, None, 1)]
    talk = Talk(SpeakerRules(SAME_ABOVE, exactly=3)).play(script).end()
    assert len(set(talk.last)) == 3
    assert share_right(talk.truth, talk.last) == 1.0


def test_an_enrolled_voice_has_its_name_and_others_have_letters() -> None:
    """The vector of a voice that is not there does nothing."""
    embedder = BandEmbedder()
    known = {"Anna": embedder.embed(sound(1, 8.0)), "Zoe": embedder.embed(sound(9, 8.0))}
    talk = Talk(SpeakerRules(SAME_ABOVE, known=known)).play(DIALOGUE).end()
    names = {voice: {name for who, name in talk.ended() if who == voice} for voice in (0, 1)}
    assert names == {0: {"A"}, 1: {"Anna"}}


def test_a_stream_that_is_taken_up_keeps_its_speakers() -> None:
    """After a restart the same voices have the same names; the state is small and goes through plain values."""
    talk = Talk().play(DIALOGUE)
    plain = to_plain(talk.speakers.state())
    state = from_plain(SpeakerState, plain, "speakers")
    again = Talk()
    again.speakers = Speakers(again.rules, state)
    again.latest, again.utt = talk.latest, 1
    again.play([(None, 0.5), (1, 4.0), (None, 0.5), (0, 4.0), (None, 0.5), (2, 4.0)]).end()
    names = {voice: {name for who, name in again.ended() if who == voice} for voice in range(3)}
    assert names == {0: {"A"}, 1: {"B"}, 2: {"C"}}
    assert sum(len(voice.packed) for voice in state.voices) == 2 * BandEmbedder().dim


def test_another_model_knows_nobody() -> None:
    """Vectors of another embedder, of whatever length, say nothing: voices are new, and no name is given twice."""
    state = replace(Talk().play(DIALOGUE).speakers.state(), model="other")
    again = Talk()
    again.speakers = Speakers(again.rules, state)
    again.utt = 1
    again.play([(1, 4.0)]).end()
    assert set(again.last) == {"C"}


def test_words_never_wait_for_voices() -> None:
    """Without a single vector words are told at once, without a speaker, and waiting windows are bounded."""
    talk = Talk()
    speakers = talk.speakers
    for k in range(300):
        speakers.hear(k * RATE, sound(0, 1.0), [True] * 50)
        (told,) = speakers.commit(Commit(0, (Word(" w", k * 1000.0, k * 1000.0 + 300, 0.9),)))
        assert isinstance(told, Commit)
        assert told.words[0].spk is None
    assert speakers.n_waiting == MAX_WAITING


def test_a_model_that_fails_stops_the_speakers_and_not_the_words() -> None:
    """It is told once; later words have no speaker, and the end comes."""
    talk = Talk().play(DIALOGUE[:3])
    (told,) = talk.speakers.failed("no memory")
    assert isinstance(told, Warning)
    assert (told.code, "no memory" in told.message) == ("speakers_stopped", True)
    talk.play(DIALOGUE[3:]).end()
    assert talk.first[-1] is None
    assert talk.speakers.done


def test_an_answer_to_another_job_is_not_taken() -> None:
    """Only what is outstanding is worked off."""
    talk = Talk()
    talk.speakers.hear(0, sound(0, 2.0), [True] * 100)
    job = talk.speakers.due(words_over=False)
    assert job is not None
    assert talk.speakers.due(words_over=False) is None
    answer = job.work(talk.embedder)
    assert talk.speakers.deliver(job.id + 1, answer) == []
    assert talk.speakers.n_waiting == len(job.windows)
    talk.speakers.deliver(job.id, answer)
    assert talk.speakers.n_waiting == 0


def test_many_revised_words_are_told_in_parts() -> None:
    """A message has a bound, however long the meeting was."""
    talk = Talk(SpeakerRules(SAME_ABOVE, exactly=1)).play([(0, 3.0), (None, 0.5)])
    for k in range(1200):
        talk.speakers._words.add(3, k, RATE, 7)  # said to be of somebody who turns out to be nobody
    talk.end()
    parts = [event.words for event in talk.events if isinstance(event, SpeakerRevised)]
    assert max(map(len, parts)) <= MAX_REVISED
    assert sum(utt == 3 for words in parts for utt, _, _ in words) == 1200


@pytest.mark.parametrize("n_voices", [2, 5])
def test_voices_of_the_helper_differ(n_voices: int) -> None:
    """What these tests stand on: one voice is like itself and unlike the others."""
    embedder = BandEmbedder()
    vectors = [embedder.embed(sound(voice, 2.0, seed)) for voice in range(n_voices) for seed in (1, 2)]
    same = [float(a @ b) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    other = [float(a @ b) for a, b in pairwise(vectors[::2])]
    assert min(same) > SAME_ABOVE > max(other)
    assert len({chord(voice) for voice in range(n_voices)}) == n_voices
    assert np.isclose(np.linalg.norm(vectors[0]), 1)
