"""Finding what was said."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from amanuensis.daemon.meetings.model import HeardWord, MeetingError, Utterance
from amanuensis.daemon.meetings.search import search
from amanuensis.daemon.meetings.store import Store
from tests.daemon.meetings.conftest import Fill, utterance


def test_a_phrase_is_found_with_its_place(store: Store, fill: Fill) -> None:
    """Words in a row, whatever their case and accents; the newest comes first, with the time of its first word."""
    fill("aaa", [utterance("we meet at the Café tomorrow", 700)], offset_ms=1000)
    fill("bbb", [utterance("the cafe is closed")], meeting="tuesday", track="them")
    hits = search(store, "THE café")
    assert [(hit.meeting, hit.speaker, hit.at_ms) for hit in hits] == [("tuesday", "them", 0), ("monday", "me", 2000)]
    assert search(store, "cafe the") == []
    assert len(search(store, "cafe", limit=1)) == 1


@pytest.mark.parametrize("phrase", ['"', "a OR b", "text:*", "NEAR(", "don't", 'say "yes"'])
def test_signs_of_the_query_language_are_words(store: Store, fill: Fill, phrase: str) -> None:
    """Whatever is typed is looked for, or refused in one line."""
    fill("aaa", [utterance(phrase.replace('"', " ") or "-")] if any(map(str.isalnum, phrase)) else [])
    if any(map(str.isalnum, phrase)):
        assert len(search(store, phrase)) == 1
    else:
        with pytest.raises(MeetingError, match="cannot be looked for: give words"):
            search(store, phrase)


def test_a_phrase_is_found_across_utterances(store: Store, fill: Fill) -> None:
    """Once, with the utterances that it touches, however they were cut; a phrase that does not go on is not."""
    said = ["well", "we", "meet at the", "old", "mill on monday", "we meet at noon"]
    fill("aaa", [utterance(text, 1000 * utt, utt=utt) for utt, text in enumerate(said)])
    fill("bbb", [utterance("mill on tuesday")], track="them")
    (hit,) = search(store, "we meet at the old mill on monday we meet")
    assert (hit.at_ms, hit.text) == (1000, "we meet at the old mill on monday we meet at noon")
    assert [hit.at_ms for hit in search(store, "we meet at")] == [5000, 1000]
    assert [(hit.at_ms, hit.text) for hit in search(store, "the old")] == [(2200, "meet at the old")]
    (hit,) = search(store, "monday we meet")
    assert (hit.at_ms, hit.text) == (4200, "mill on monday we meet at noon")
    assert search(store, "well we meet at the old mill on tuesday") == []
    assert search(store, "old mill on tuesday") == []


def test_a_word_that_is_said_again_and_again_is_found(store: Store, fill: Fill) -> None:
    """However often, also over utterances; a longer row than there was is not."""
    said = ["no no no no", "no no no", "yes no no"]
    fill("aaa", [utterance(text, 1000 * utt, utt=utt) for utt, text in enumerate(said)])
    for n, starts_ms in {1: [2100, 1000, 0], 2: [2100, 1000, 0], 5: [0], 6: [0], 7: [0], 8: []}.items():
        assert [hit.at_ms for hit in search(store, "no " * n)] == starts_ms, n
    assert [hit.at_ms for hit in search(store, "no no no no no no yes")] == [100]
    for rest in ("no ye*", "ye*", "no*"):
        assert search(store, f"no no no no no {rest}"), rest


def test_the_beginning_of_the_last_word_is_enough_before_a_star(store: Store, fill: Fill) -> None:
    """Alone, in a phrase, and over the end of an utterance."""
    fill("aaa", [utterance("the quarterly", utt=0), utterance("budget of the Observatory", 900, utt=1)])
    assert [hit.at_ms for hit in search(store, "observ*")] == [1200]
    assert [hit.at_ms for hit in search(store, "of the ob*")] == [1000]
    assert [hit.at_ms for hit in search(store, "quarterly bud*")] == [100]
    assert search(store, "the quarterly budget of the observatory x*") == []
    assert len(search(store, "the quarterly budget of the observat*")) == 1
    assert search(store, "observ") == []


def test_what_was_replaced_or_removed_is_found_no_more(store: Store, fill: Fill) -> None:
    """Neither by its words nor by phrases into what followed."""
    fill("aaa", [utterance("one two", utt=0), utterance("three", 500, utt=1)])
    fill("bbb", [utterance("one two")], meeting="tuesday")
    fill("aaa", [utterance("four five", utt=0)])
    assert search(store, "two three") == []
    assert [hit.meeting for hit in search(store, "one two")] == ["tuesday"]
    store.remove("tuesday")
    assert search(store, "one") == []
    assert len(search(store, "four five")) == 1
    for index in ("said_words", "said_pairs"):
        assert store.query(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')", ()) == []


def test_languages_without_spaces_are_searched_by_characters(store: Store, fill: Fill) -> None:
    """A part of a row of characters is found, as a reader would see it."""
    words = tuple(HeardWord(text, 100 * at, 100 * at + 100, 0.9) for at, text in enumerate(["今天", "我们", "开会"]))
    fill("aaa", [Utterance(0, None, words)])
    assert [(hit.at_ms, hit.text) for hit in search(store, "我们开")] == [(100, "今天我们开会")]
    assert search(store, "会我") == []


def test_every_phrase_is_found_where_it_begins(store: Store, fill: Fill) -> None:
    """As one who reads all finds them, whatever the words, their number and the cuts."""
    dice = random.Random(5)
    rows: dict[str, list[list[str]]] = {}
    for session in ("aaa", "bbb", "ccc"):
        rows[session] = [dice.choices("ab", k=dice.choice([1, 1, 2, 7])) for _ in range(40)]
        said = [utterance(" ".join(words), 1000 * utt, utt=utt) for utt, words in enumerate(rows[session])]
        fill(session, said, track=session)
    for _ in range(300):
        phrase = dice.choices("ab", k=dice.randint(1, 9))
        found = sorted((hit.session, int(hit.at_ms // 1000)) for hit in search(store, " ".join(phrase), limit=1000))
        assert found == sorted(begins(rows, phrase)), phrase


def begins(rows: dict[str, list[list[str]]], phrase: list[str]) -> Iterator[tuple[str, int]]:
    """Yield the utterances in which a phrase begins."""
    for session, said in rows.items():
        for utt, words in enumerate(said):
            rest = [word for later in said[utt:] for word in later]
            if any(rest[at : at + len(phrase)] == phrase for at in range(len(words))):
                yield session, utt
