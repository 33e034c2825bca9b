"""A speaker that is cut off anywhere and comes back: what it knows in the end is what it knows without a cut."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanuensis.daemon.protocol import EventEncoding, Framing
from amanuensis.stream.formats import AudioFormat, Encoding
from tests.helpers.pure_session import Cut, Message, PureClient, PureServer, Recording, encoded, record, talk
from tests.helpers.tone_engine import say

WORDS = [0, 1, 2, 3, 4, 5]
SIZES_S = (0.02, 0.1, 0.31, 0.07, 0.5)
WAYS = list(product(get_args(Encoding), get_args(Framing), get_args(EventEncoding)))


@cache
def recording(encoding: Encoding) -> Recording:
    """Return what a real stream said to sound with orders between."""
    fmt = AudioFormat(encoding, 8000)
    data = encoded(say(WORDS, 8000, pauses_s=[0.0, 0.0, 1.0]), fmt)
    script: list[Message] = []
    while data:
        size = round(SIZES_S[len(script) % len(SIZES_S)] * fmt.rate) * fmt.frame_bytes
        script.append(data[:size])
        data = data[size:]
        if len(script) % 6 == 4:
            script += [("mark", {"id": len(script)}), ("flush", {})]
        if len(script) == 8:
            script += [("config", {"prompt": "alfa"}), ("flush", {"id": "f"})]
    return record([*script, ("end", {})], fmt)


@cache
def uncut(encoding: Encoding, framing: Framing, events: EventEncoding) -> tuple[PureServer, PureClient]:
    """Return the session that nobody cuts."""
    server, client = PureServer.of(recording(encoding)), PureClient(AudioFormat(encoding, 8000), framing, events)
    talk(server, client, [])
    return server, client


def check(server: PureServer, client: PureClient, way: tuple[Encoding, Framing, EventEncoding]) -> None:
    """What was heard and what is known equals the uncut session."""
    whole_server, whole_client = uncut(*way)
    assert server.heard == whole_server.heard == list(server.recording.script)
    assert client.view.words == whole_client.view.words
    assert client.durable == whole_client.durable
    assert client.view.seq == server.journal.last_seq == whole_client.view.seq


def told_after(way: tuple[Encoding, Framing, EventEncoding], n: int) -> int:
    """Return how many frames the server has said to the first `n` messages."""
    server, client = PureServer.of(recording(way[0])), PureClient(AudioFormat(way[0], 8000), way[1], way[2])
    client.take(server.connect(client.hello()))
    return sum(len(server.receive(client.put(message))) for message in server.recording.script[:n])


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_cut_anywhere_changes_nothing(way: tuple[Encoding, Framing, EventEncoding]) -> None:
    """Cut after every message, with every number of events told by then: nothing is heard or told twice or not at all.

    One way is cut at every event, the others at none, the last and the one before it.
    """
    whole = uncut(*way)[1]
    assert whole.view.committed >= len(WORDS)
    assert len(whole.durable) > 20
    n_messages = len(recording(way[0]).script)
    for n in range(n_messages + 1):
        told = told_after(way, n)
        for k in range(told + 1) if way == WAYS[0] else {0, max(0, told - 1), told}:
            server, client = PureServer.of(recording(way[0])), PureClient(AudioFormat(way[0], 8000), way[1], way[2])
            talk(server, client, [Cut(n, k, in_flight=(n + k) % 4)])
            check(server, client, way)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(WAYS),
    st.lists(st.builds(Cut, st.integers(0, 12), st.integers(0, 12), st.integers(0, 5)), min_size=2, max_size=8),
)
def test_many_cuts_change_nothing(way: tuple[Encoding, Framing, EventEncoding], cuts: list[Cut]) -> None:
    """A connection that is cut again and again, also while the past is told, ends with the same view."""
    server, client = PureServer.of(recording(way[0])), PureClient(AudioFormat(way[0], 8000), way[1], way[2])
    talk(server, client, cuts)
    check(server, client, way)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.builds(Cut, st.integers(0, 25), st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=4),
    st.integers(1, 12),
)
def test_what_has_left_the_ring_is_told_as_words(cuts: list[Cut], ring: int) -> None:
    """With a ring too short for what was missed, a snapshot brings the words: each is known once, in order."""
    way = WAYS[0]
    server, client = PureServer.of(recording(way[0]), ring), PureClient(AudioFormat(way[0], 8000), way[1], way[2])
    talk(server, client, cuts)
    whole = uncut(*way)[1]
    assert client.view.words == whole.view.words
    assert (client.view.committed, client.view.untold) == (whole.view.committed, 0)
    assert client.view.seq == whole.view.seq
