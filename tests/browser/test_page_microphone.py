"""The browser's microphone, through the captions page to the daemon: a fake device plays a recording in real time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from amanuensis.benchmarks.sound import SAMPLE_RATE, conversation
from amanuensis.daemon.live_session import LiveSession
from amanuensis.daemon.server import Daemon
from amanuensis.stream.english import normalise_english
from amanuensis.stream.wer import word_errors
from tests.helpers.browser import Tab, browser_path, fake_microphone, open_tab
from tests.helpers.captions_page import COMMITTED, MICROPHONE, NOTES, STATE, click, type_into
from tests.helpers.daemon_client import running
from tests.helpers.daemon_process import running_daemon
from tests.helpers.tcp_proxy import proxy
from tests.helpers.tone_engine import say, spell

pytestmark = pytest.mark.skipif(browser_path() is None, reason="no chromium: apt-get install chromium")

WORDS = [0, 1, 2, 3, 4]
LEAD_S = 2.0  # of silence: a browser plays it while the page prepares to listen
REST_S = 30  # of silence behind the words: the recording goes on while they are looked for, on a slow machine as well
RECORDED_S = 6  # two sentences of the bundled conversation
MAX_WRONG_WORDS = 3  # of 13, through the microphone of a browser and a killed daemon
IS_OFF = f"{MICROPHONE}.textContent === 'Use my microphone'"
IS_LIVE = f"{STATE} === 'live'"
IS_LOST = f"{STATE}.startsWith('connection lost')"
# What a device says of itself; the browser then hands its sound on at that rate.
RATE = "MediaStreamTrack.prototype.getSettings = () => ({{ sampleRate: {} }})"
# Keeps the highest level that the meter has shown.
LOUDEST = """{
  const level = document.getElementById("level");
  globalThis.loudest = 0;
  new MutationObserver(() => { loudest = Math.max(loudest, level.value); }).observe(level, { attributes: true });
}"""


@asynccontextmanager
async def page_with_microphone(folder: Path, sound: NDArray[np.float32], rate: int) -> AsyncIterator[Tab]:
    """Open a browser whose microphone plays a recording once."""
    wav = folder / "microphone.wav"
    soundfile.write(wav, sound, rate, subtype="PCM_16")
    async with open_tab(folder / "browser", fake_microphone(wav)) as tab:
        yield tab


def only_session(daemon: Daemon) -> LiveSession:
    """Return the one session that goes on."""
    (session,) = daemon.sessions.live
    return session


async def test_words_of_the_microphone_come_before_its_recording_ends(tmp_path: Path) -> None:
    """Words are in the page while the recording plays, here of a device of 96 kHz; what was heard last is flushed."""
    recording = np.concatenate([say(WORDS, 44_100, LEAD_S), np.zeros(REST_S * 44_100, np.float32)])
    async with running() as (daemon, address), page_with_microphone(tmp_path, recording, 44_100) as tab:
        await tab.go(f"http://{address}/captions")
        await tab.value(RATE.format(96_000))
        await tab.value(LOUDEST)
        await tab.value(click("microphone"))
        await tab.until(f"{COMMITTED}.split(' ').length >= 3")
        session = only_session(daemon)
        assert session.audio_s < len(recording) / 44_100
        assert session.cursor.format.rate == 96_000
        assert await tab.value("loudest") > 0.2
        assert await tab.value("document.getElementById('device').options.length") > 1
        await tab.until(f"{COMMITTED}.includes('{spell(WORDS[-3:-1])}')")
        await tab.value(click("microphone"))
        await tab.until(f"{STATE} === 'ended (end)' && {IS_OFF}")
        assert await tab.value(COMMITTED) == spell(WORDS)
        assert session.ledger()["samples"]["gap"] == 0
        assert tab.problems == []


@pytest.mark.long
async def test_devices_of_any_rate_are_heard_at_their_own(tmp_path: Path) -> None:
    """The sound goes out as the device has it; at the browser's rate where that is beyond what all browsers know."""
    rates: dict[int, int] = {}
    async with running() as (daemon, address), page_with_microphone(tmp_path, say(WORDS), 16_000) as tab:
        for rate in (8000, 22_050, 96_000, 384_000):
            await tab.go(f"http://{address}/captions")
            await tab.value(RATE.format(rate))
            await tab.value(click("microphone"))
            await tab.until(f"{COMMITTED}.split(' ').length >= 2")
            rates[rate] = only_session(daemon).cursor.format.rate
            await tab.value(click("microphone"))
            await tab.until(f"{STATE} === 'ended (end)'")
    usual = rates.pop(384_000)
    assert all(rate == own for rate, own in rates.items())
    assert 8000 <= usual <= 192_000


@pytest.mark.long  # the killed daemon is the harder case of the same
async def test_a_microphone_survives_its_connection(tmp_path: Path) -> None:
    """The connection is cut in the middle of speech: the page comes back to its session with what is missing."""
    async with proxy() as network, running() as (daemon, address):
        network.target = address.port
        async with page_with_microphone(tmp_path, say(WORDS, rate=48_000), 48_000) as tab:
            await tab.go(f"http://127.0.0.1:{network.port}/captions")
            await tab.value(click("microphone"))
            await tab.until(f"{COMMITTED}.split(' ').length >= 3")
            session = only_session(daemon)
            network.cut()
            await tab.until(IS_LOST)
            await tab.until(IS_LIVE)
            await tab.until(f"{COMMITTED}.includes('{spell(WORDS[-3:-1])}')")
            await tab.value(click("microphone"))
            await tab.until(f"{STATE} === 'ended (end)'")
            assert await tab.value(COMMITTED) == spell(WORDS)
            assert session.ledger()["samples"]["gap"] == 0
            assert [ended.identity for ended in daemon.sessions.ended] == [session.identity]


@pytest.mark.long
async def test_a_microphone_survives_a_network_that_falls_silent(tmp_path: Path) -> None:
    """Nothing is forwarded any more, and nobody says so: the page takes another connection with all that is missing."""
    async with proxy() as network, running() as (daemon, address):
        network.target = address.port
        async with page_with_microphone(tmp_path, say(WORDS, 16_000, LEAD_S), 16_000) as tab:
            await tab.go(f"http://127.0.0.1:{network.port}/captions")
            await tab.value(click("microphone"))
            await tab.until(f"{COMMITTED}.split(' ').length >= 2")
            session = only_session(daemon)
            network.freeze()
            await tab.until(IS_LOST)
            await tab.until(f"{IS_LIVE} && {COMMITTED} === '{spell(WORDS)}'")
            await tab.value(click("microphone"))
            await tab.until(f"{STATE} === 'ended (end)'")
            assert session.ledger()["samples"]["gap"] == 0
            assert daemon.sessions.ended[-1].identity == session.identity


@pytest.mark.long
async def test_a_microphone_opens_another_session_when_its_own_is_gone(tmp_path: Path) -> None:
    """A daemon that kept nothing comes back: what was not acknowledged opens a new session, and the old text stays."""
    async with proxy() as network, page_with_microphone(tmp_path, say(WORDS, rate=48_000), 48_000) as tab:
        async with running() as (_, address):
            network.target = address.port
            await tab.go(f"http://127.0.0.1:{network.port}/captions")
            await tab.value(click("microphone"))
            before = await tab.until(f"{COMMITTED}.split(' ').length >= 2 && {COMMITTED}")
        await tab.until(IS_LOST)
        async with running() as (daemon, address):
            network.target = address.port
            await tab.until(IS_LIVE)
            assert await tab.value(NOTES) == ["the session before this one is over; a new one has begun"]
            await tab.until(f"{COMMITTED}.endsWith('{spell(WORDS[-1:])}')")
            await tab.value(click("microphone"))
            await tab.until(f"{STATE} === 'ended (end)'")
            assert (await tab.value(COMMITTED)).startswith(before)
            assert daemon.sessions.ended[-1].ledger()["samples"]["gap"] == 0


# The devices as the page sees them: `lose()` takes the one away that is open, `give()` plugs it in again. `pass()` is a
# third of a second by the clock of the sound.
DEVICES = """{
  let context = null;
  AudioContext = class extends AudioContext { constructor(options) { super(options); context = this; } };
  globalThis.pass = () => new Promise((done) => {
    const begin = context.currentTime, look = () => context.currentTime > begin + 0.33 ? done() : setTimeout(look, 10);
    look();
  });
  const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
  const asked = [];
  const open = (wanted) => { asked.push(ask(wanted)); return asked.at(-1); };
  const tracks = async () => (await Promise.all(asked)).flatMap((stream) => stream.getTracks());
  devices.getUserMedia = open;
  globalThis.lose = async () => {
    devices.getUserMedia = () => Promise.reject(new DOMException("gone", "NotFoundError"));
    const track = (await tracks()).at(-1);
    track.stop();
    track.dispatchEvent(new Event("ended"));
  };
  globalThis.give = () => { devices.getUserMedia = open; devices.dispatchEvent(new Event("devicechange")); };
  globalThis.open = async () => (await tracks()).filter((track) => track.readyState === "live").length;
}"""


async def hear(tab: Tab, blocks: int = 10) -> None:
    """Wait until so many blocks of sound have come from the microphone, silent or not: each moves the meter."""
    await tab.value("globalThis.blocks = 0")
    await tab.until(f"blocks++ > {blocks}")


async def test_a_microphone_that_is_pulled_out_is_waited_for(tmp_path: Path) -> None:
    """The page says that there is none, goes on when one is there, and tells the time between as a gap.

    It can open another session afterwards, which ends when the page is left. No device stays open.
    """
    async with running() as (daemon, address), page_with_microphone(tmp_path, say([0]), 16_000) as tab:
        await tab.go(f"http://{address}/captions")
        await tab.value(DEVICES)
        await tab.value(RATE.format(8000))
        await tab.value(click("microphone"))
        await tab.until(IS_LIVE)
        await hear(tab)
        session = only_session(daemon)
        await tab.value("lose()")
        await tab.until(f"{STATE}.startsWith('no microphone')")
        await tab.value("pass()")
        await tab.value("give()")
        await tab.until(IS_LIVE)
        await hear(tab)
        # The same again: opened anew, too; and it is stopped while it is opened.
        await tab.value(f"{type_into('device', '', 'change')}; {click('microphone')}")
        await tab.until(f"{STATE} === 'ended (end)' && {IS_OFF}")
        assert await tab.value("open()") == 0
        assert (await tab.value(NOTES))[0].endswith("the client lost this audio")
        assert session.ledger()["samples"]["gap"] > 0
        await tab.value(click("microphone"))
        await tab.until(IS_LIVE)
        second = only_session(daemon)
        await tab.value("void dispatchEvent(new Event('pagehide'))")  # as a browser does, which then may not wait
        assert second.task is not None
        await second.task
        assert daemon.sessions.ended[-1].reason == "speaker_left"  # at once: a page that is left does not come back


def export(document: str) -> dict[str, Any]:
    """Return what the server tells, JSON."""
    found: dict[str, Any] = json.loads(document)
    return found


async def test_a_microphone_survives_a_daemon_that_is_killed(builtin_model: Path, tmp_path: Path) -> None:
    """The real model: words come while speech plays, `kill -9`, and the next daemon goes on without a hole."""
    sound = conversation()[: RECORDED_S * SAMPLE_RATE]
    after = await killed_while_it_plays(builtin_model, tmp_path, sound, SAMPLE_RATE)
    script = json.loads((files("amanuensis.daemon") / "data/demo.json").read_text())
    said = " ".join(turn["text"] for turn in script if turn["end_s"] < RECORDED_S)
    errors = word_errors(normalise_english(said).split(), normalise_english(after).split())
    assert errors.total <= MAX_WRONG_WORDS, f"{after!r} instead of {said!r}"


@pytest.mark.long
async def test_recorded_speech_survives_a_daemon_that_is_killed(
    builtin_model: Path, speech_dir: Path, tmp_path: Path
) -> None:
    """The same with a recording of a person, whom the built-in model understands less well."""
    sound, rate = soundfile.read(speech_dir / "jfk.flac", dtype="float32")
    assert len((await killed_while_it_plays(builtin_model, tmp_path, sound, rate)).split()) > 10


async def killed_while_it_plays(model: Path, folder: Path, sound: NDArray[np.float32], rate: int) -> str:
    """Speak through the page, kill the daemon once words are there, start it again; return what the page says then.

    What was on the page stays there, the session is the same, and every sample has its fate.
    """
    recording = np.concatenate([sound, np.zeros(REST_S * rate, np.float32)])
    async with proxy() as network, page_with_microphone(folder, recording, rate) as tab:
        with running_daemon(model, folder) as daemon:
            network.target = int(daemon.address.rpartition(":")[2])
            await tab.go(f"http://127.0.0.1:{network.port}/captions")
            await tab.value(click("microphone"))
            before = await tab.until(f"{COMMITTED}.split(' ').length >= 3 && {COMMITTED}")
            heard = export(daemon.get("/v1/sessions/latest.json"))["ledger"]
            assert heard["seconds"]["received"] < len(recording) / rate
            daemon.process.kill()
            daemon.process.wait()
        await tab.until(IS_LOST)
        with running_daemon(model, folder) as daemon:
            network.target = int(daemon.address.rpartition(":")[2])
            await tab.until(IS_LIVE)
            while export(daemon.get("/v1/sessions"))["sessions"][0]["audio_s"] < len(sound) / rate + 0.3:
                await hear(tab)
            (session,) = export(daemon.get("/v1/sessions"))["sessions"]
            await tab.value(click("microphone"))
            await tab.until(f"{STATE} === 'ended (end)'")
            after = await tab.value(COMMITTED)
            told = export(daemon.get(f"/v1/sessions/{session['id']}.json"))
    assert after.startswith(before)
    assert after.split() == told["text"].split()
    assert told["ledger"]["samples"]["gap"] == 0
    return str(after)
