"""The scripts of the page that are pure, each by itself in a real browser: what goes in, what must come out."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest
import pytest_asyncio

from amanuensis.stream.events import Word
from amanuensis.stream.subtitles import to_json, to_srt, to_text, to_vtt
from tests.helpers.browser import Tab
from tests.helpers.daemon_client import running

pytestmark = pytest.mark.asyncio(loop_scope="session")

PIECES = (
    " so",
    " it",
    " goes.",
    " well,",
    " no!",
    " <b>",
    " a&b",
    " {\\an8}",
    "-->",
    "  wide ",
    " x" * 30,
    " 漢字。",
    "𝄞",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Tab) -> AsyncIterator[Tab]:
    """A page from which the scripts can be imported."""
    async with running() as (_, address):
        await browser.go(f"http://{address}/captions")
        yield browser


async def run(page: Tab, script: str, name: str, *given: Any) -> Any:
    """Run a function of one of the scripts: `name` stands for the module, `given` for the arguments."""
    arguments = ", ".join(json.dumps(value) for value in given)
    return await page.value(f"import('/page/{script}').then((module) => ({name})({arguments}))")


def random_words(rng: random.Random) -> list[dict[str, Any]]:
    """Words of one utterance as they come in a commit."""
    at, words = rng.randrange(0, 4_000_000) / 2, []
    spk = rng.choice([None, "Anna", "Bob <x>"])
    for _ in range(rng.randrange(1, 40)):
        at += rng.choice([0, 0, 10.5, 200, 2000])
        word = {"text": rng.choice(PIECES), "from": at, "to": (at := at + rng.randrange(0, 1600) / 2), "conf": 0.5}
        spk = rng.choice(["Anna", "Bob <x>"]) if rng.random() < 0.1 else spk
        words.append(word | ({"spk": spk} if spk else {}))
    return words


async def test_files_of_the_page_are_those_of_the_server(page: Tab) -> None:
    """What the page writes by itself is, to the letter, what the server writes of the same words."""
    rng = random.Random(5)
    for _ in range(40):
        said = sorted((random_words(rng) for _ in range(rng.randrange(5))), key=lambda words: words[0]["from"])
        words = [[Word(w["text"], w["from"], w["to"], w["conf"], w.get("spk")) for w in each] for each in said]
        assert await run(page, "subtitles.js", "module.toText", said) == to_text(words)
        assert await run(page, "subtitles.js", "module.toSrt", said) == to_srt(words)
        assert await run(page, "subtitles.js", "module.toVtt", said) == to_vtt(words)
        assert json.loads(await run(page, "subtitles.js", "module.toJson", said)) == json.loads(to_json(words))


SHOW = """(events) => {
  const model = new module.SessionModel(); model.begin("a");
  const said = events.map((event) => model.take(event).map((change) => change.what));
  return { said, seq: model.seq, items: model.items.map((item) => item.text ?? module.textOf(item.words)),
           turns: model.utterances().map((words) => module.turnsOf(words).map((turn) => turn[0].spk ?? "")) };
}"""


def commit(seq: int, utt: int, *texts: str, spk: str | None = None) -> dict[str, Any]:
    """Return a commit of words that last 100 ms each."""
    named = {"spk": spk} if spk else {}
    words = [
        {"text": f" {text}", "from": 100 * i, "to": 100 * i + 100, "conf": 1} | named for i, text in enumerate(texts)
    ]
    return {"type": "commit", "seq": seq, "utt": utt, "words": words}


def snapshot(seq: int, first: int, *texts: str, spk: str | None = None) -> dict[str, Any]:
    """Return a snapshot of words of one utterance."""
    places = [{"utt": 0, "i": first, "n": len(texts)}]
    words = commit(0, 0, *texts, spk=spk)["words"]
    return {"type": "snapshot", "seq": seq, "first": first, "words": words, "places": places}


async def test_events_become_utterances(page: Tab) -> None:
    """Words are joined to their utterance, what comes again changes nothing, and gaps stand where they were."""
    shown = await run(page, "session_model.js", SHOW, [
        {"type": "partial", "utt": 0, "rev": 1, "text": " good", "from": 0, "to": 1},
        commit(1, 0, "good"), commit(1, 0, "good"), commit(2, 0, "morning"),
        {"type": "final", "seq": 3, "utt": 0, "text": " good morning"},
        {"type": "gap", "seq": 4, "from": 0, "to": 1500, "why": "lost"},
        commit(5, 1, "all"), {"type": "gap", "seq": 6, "from": 1500, "to": 1520.3, "why": "lost"},
    ])  # fmt: skip
    notes = ["1.5 s were not transcribed: lost", "21 ms were not transcribed: lost"]
    assert shown["items"] == ["good morning", notes[0], "all", notes[1]]
    assert shown["said"] == [["partial"], ["partial", "words"], [], ["words"], [], ["note"], ["words"], ["note"]]
    assert shown["seq"] == 6


async def test_missing_events_are_noticed(page: Tab) -> None:
    """An event that others must have come before is not taken."""
    with pytest.raises(AssertionError, match="event 3 came after event 1"):
        await run(page, "session_model.js", SHOW, [commit(1, 0, "one"), commit(3, 0, "three")])


async def test_a_snapshot_is_joined_to_what_is_known(page: Tab) -> None:
    """Words of a snapshot come once; words that it leaves out are told; one that knows less replaces everything."""
    shown = await run(
        page, "session_model.js", SHOW, [commit(1, 0, "a", "b"), snapshot(9, 1, "b", "c"), commit(10, 0, "d")]
    )
    assert shown["items"] == ["a b c d"]
    shown = await run(page, "session_model.js", SHOW, [commit(1, 0, "a"), snapshot(9, 3, "d")])
    assert shown["items"] == ["a", "2 earlier words are not shown here; downloads have them", "d"]
    shown = await run(page, "session_model.js", SHOW, [commit(1, 0, "a"), commit(2, 0, "b"), snapshot(1, 0, "a")])
    assert shown["items"] == ["a"]


async def test_a_snapshot_says_who_spoke_and_what_is_put_right_after_it(page: Tab) -> None:
    """Words that were known get the speaker that they have now; words of the snapshot can be revised, by utterance."""
    revised = [{"utt": 0, "i": 3, "spk": "B"}, {"utt": 0, "i": 4, "spk": "B"}, {"utt": 0, "i": 0, "spk": "B"}]
    shown = await run(page, "session_model.js", SHOW, [
        commit(1, 0, "a", "b", spk="A"),
        snapshot(9, 1, "b", "c", "d", spk="C"), commit(10, 0, "e", spk="C"),
        {"type": "speaker_revised", "seq": 11, "words": revised},
    ])  # fmt: skip
    assert shown["items"] == ["a b c d e"]
    assert shown["turns"] == [["B", "C", "B"]]
    late = await run(page, "session_model.js", SHOW, [
        snapshot(9, 1, "b", "c", "d", spk="C"), commit(10, 0, "e", spk="C"),
        {"type": "speaker_revised", "seq": 11, "words": revised},
    ])  # fmt: skip
    assert late["turns"] == [["C", "B"]]


async def test_words_have_no_name_once_voices_are_not_told_apart(page: Tab) -> None:
    """The newest turn says nothing of what is said after the speaker model has failed."""
    shown = await run(page, "session_model.js", SHOW, [
        {"type": "turn", "seq": 1, "utt": 0, "spk": "Anna", "at": 0, "provisional": True}, commit(2, 0, "a"),
        {"type": "warning", "seq": 3, "code": "speakers_stopped", "message": "no memory"}, commit(4, 0, "b"),
    ])  # fmt: skip
    assert shown["turns"] == [["Anna", ""]]


KEPT = """([before, after]) => {
  const model = new module.SessionModel(), texts = (utterances) => utterances.map(module.textOf);
  model.begin("a"); model.take(before);
  model.begin("b", { keep: true }); model.take(after);
  return [texts(model.said()), texts(model.utterances())];
}"""


async def test_what_was_said_in_a_session_before_stays_but_is_not_of_this_one(page: Tab) -> None:
    """Copying takes all that is in sight; files are of one session."""
    said, of_this_one = await run(page, "session_model.js", KEPT, [commit(1, 0, "a", "b"), commit(1, 0, "c")])
    assert (said, of_this_one) == (["a b", "c"], ["c"])


async def test_speakers_are_taken_from_words_turns_and_revisions(page: Tab) -> None:
    """A word's own speaker counts, else that of the turn; a revision names words by utterance and index."""
    shown = await run(page, "session_model.js", SHOW, [
        {"type": "turn", "seq": 1, "utt": 0, "spk": "Anna", "at": 100, "provisional": True},
        commit(2, 0, "a", "b", "c"), commit(3, 1, "d", "e", spk="Bob"),
        {"type": "speaker_revised", "seq": 4,
         "words": [{"utt": 1, "i": 1, "spk": "Anna"}, {"utt": 7, "i": 0, "spk": "x"}]},
    ])  # fmt: skip
    assert shown["turns"] == [["", "Anna"], ["Bob", "Anna"]]
    assert shown["said"][-1] == ["speakers"]


VIEW = """(events) => import("/page/session_model.js").then(({ SessionModel }) => {
  const root = document.getElementById("text"), view = new module.TranscriptView(root), model = new SessionModel();
  model.begin("a");
  for (const event of events) view.apply(model.take(event));
  const look = (element) => [element.innerText.replace(/\\s+/g, " "), getComputedStyle(element).direction];
  return { colours: [...root.querySelectorAll(".speaker, .said, .partial")].map((e) => getComputedStyle(e).color),
           shown: [...root.querySelectorAll("p")].map(look) };
})"""


async def test_turns_are_shown_with_names_and_in_their_direction(page: Tab) -> None:
    """Each turn is a paragraph with its speaker's name in colour, unless the same goes on; Arabic runs leftwards."""
    seen = await run(page, "transcript_view.js", VIEW, [
        commit(1, 0, "hello", spk="Anna"), commit(2, 0, "there", spk="Anna"), commit(3, 0, "yes", spk="Bob"),
        {"type": "final", "seq": 4, "utt": 0}, commit(5, 1, "مرحبا", "بالعالم"),
        {"type": "partial", "utt": 1, "rev": 1, "text": " غدا", "from": 0, "to": 1},
    ])  # fmt: skip
    ann, said, goes_on, bob, *_, partial = seen["colours"]
    assert said == goes_on
    assert len({ann, bob, said, partial}) == 4
    assert [direction for _, direction in seen["shown"]] == ["ltr", "ltr", "rtl"]
    assert [text for text, _ in seen["shown"]] == ["Anna: hello there", "Bob: yes", "مرحبا بالعالم غدا"]


async def test_a_speaker_that_is_put_right_is_shown(page: Tab) -> None:
    """The words move to the turn of the speaker whose they are, in what stands already."""
    seen = await run(page, "transcript_view.js", VIEW, [
        commit(1, 0, "hello", "there", spk="A"), commit(2, 0, "yes", spk="B"),
        {"type": "speaker_revised", "seq": 3, "words": [{"utt": 0, "i": 1, "spk": "B"}]},
    ])  # fmt: skip
    assert [text for text, _ in seen["shown"]][-2:] == ["A: hello", "B: there yes"]


FOLLOW = """() => {
  const make = (tag, css) => document.body.appendChild(Object.assign(document.createElement(tag), { style: css }));
  const box = make("div", "height: 100px; flex: none; overflow-y: auto"), button = make("button", "");
  const content = box.appendChild(document.createElement("div")), heights = [1000, 3000, 9000];
  const follow = new module.Follow({ box, content, button });
  return new Promise((done) => new ResizeObserver(() => {  // after that of Follow, and before it is told of its scroll
    const next = heights.shift();
    if (next) content.style.height = `${next}px`;
    else requestAnimationFrame(() => done([follow.isOn, box.scrollTop]));
  }).observe(content));
}"""


async def test_words_that_come_thick_and_fast_are_followed(page: Tab) -> None:
    """More that comes between a scroll and its event does not count as scrolled back by the reader."""
    assert await run(page, "follow.js", FOLLOW) == [True, 8900]


QUEUE = """(steps) => {
  const queue = new module.SendQueue(100), out = [];
  for (const [what, value] of steps) {
    if (what === "push") queue.push(new Uint8Array(value));
    else if (what !== "take") queue[what](value);
    else { for (let c; (c = queue.take()); ) out.push([c.n, c.at, c.data.length]); out.push(null); }
  }
  return { out, isSent: queue.isSent, bytes: queue.bytes };
}"""


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        ([["push", 8], ["push", 4], ["take", 0], ["push", 2], ["take", 0]],
         [[0, 0, 8], [1, 4, 4], None, [2, 6, 2], None]),
        # What was not acknowledged is sent again from where the server stands, acknowledged or not.
        ([["push", 2], ["push", 2], ["push", 2], ["take", 0], ["acked", 0], ["resumeAt", 2], ["take", 0]],
         [[0, 0, 2], [1, 1, 2], [2, 2, 2], None, [2, 2, 2], None]),
        # A new session gets what is left as its beginning.
        ([["push", 2], ["push", 2], ["take", 0], ["acked", 0], ["restart", 0], ["take", 0], ["push", 2], ["take", 0]],
         [[0, 0, 2], [1, 1, 2], None, [0, 0, 2], None, [1, 1, 2], None]),
        # Lost sound is a jump; one longer than a chunk may declare is several.
        ([["push", 2], ["lose", 15_000], ["push", 2], ["lose", 7], ["finish", 0], ["take", 0]],
         [[0, 0, 2], [1, 6001, 0], [2, 12_001, 0], [3, 15_001, 2], [4, 15_009, 0], None]),
        # When there is no more room, sound is lost and told.
        ([["push", 2**24], ["push", 2**24], ["push", 4000], ["acked", 1], ["push", 2], ["take", 0]],
         [[2, 2**24 + 2000, 2], None]),
    ],
)  # fmt: skip
async def test_sound_waits_until_it_is_acknowledged(page: Tab, steps: list[Any], sent: list[Any]) -> None:
    """Chunks are numbered without holes, each is sent once a connection, and every sample has its place."""
    found = await run(page, "send_queue.js", QUEUE, steps)
    assert found["out"] == sent
    assert found["isSent"]


async def test_frames_are_msgpack(page: Tab) -> None:
    """A chunk goes over the wire as the map of the protocol."""
    make = "(n, at, size) => [...module.frameOf({ n, at, data: new Uint8Array(size).fill(7) })]"
    frame = bytes(await run(page, "send_queue.js", make, 2**40, 2**41 + 1, 3840))
    assert msgpack.unpackb(frame) == {"t": "a", "n": 2**40, "at": 2**41 + 1, "d": b"\x07" * 3840}


async def test_parameters_of_the_overlay(page: Tab) -> None:
    """Values within bounds are taken; each other one is named, with what is allowed, and the usual one holds."""
    read = "(query) => module.readOverlay(new URLSearchParams(query))"
    good = await run(
        page, "overlay.js", read, "lines=3&size=80&position=top-left&fade=0&background=0000&font=DejaVu Sans"
    )
    assert good["mistakes"] == []
    assert (good["values"]["lines"], good["values"]["fade"], good["values"]["background"]) == (3, 0, {"css": "#0000"})
    bad = await run(page, "overlay.js", read, "lines=0&color=red&outline=yes&font=a;b&align=&fade=")
    assert [line.split(" is not allowed")[0] for line in bad["mistakes"]] == [
        *("lines=0", "align=", "fade=", "color=red", "outline=yes", "font=a;b"),
    ]
    assert bad["values"]["lines"] == 2
    strange = await run(page, "overlay.js", read, "overlay=1&token=x&colour=ff0000&Lines=3")
    assert len(strange["mistakes"]) == 1
    assert strange["mistakes"][0].startswith("colour, Lines is not known: there are lines, size, position,")


@pytest.mark.parametrize("stored", [None, "", "[]", "null", "{", '{"size": 99, "theme": "pink", "announce": 0}'])
async def test_settings_that_cannot_be_read_are_the_usual_ones(page: Tab, stored: str | None) -> None:
    """Whatever stands in the browser's storage, the page can be read."""
    read = await run(page, "settings.js", "module.readSettings", stored)
    assert read == {"size": 1.75, "theme": "auto", "announce": True}
