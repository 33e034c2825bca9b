"""`amanuensis listen` with a real PortAudio, a real sound server and a sound that plays."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from amanuensis.stream.wer import wer
from tests.helpers.programs import ANSWER_S, COMMAND, Process, line_with, over
from tests.microphone.conftest import HEADSET, SINK, SoundServer, running_server

CLIPS = ("narrow_seen_010.flac", "narrow_seen_012.flac")
MAX_WER = 0.34  # of two short sentences: one word in three may be wrong, none may be missing as a whole


@pytest.fixture(scope="module")
def clips(repository: Path) -> dict[Path, str]:
    """Synthetic sentences that the model has not seen, and their texts."""
    folder = repository / "tests" / "data" / "synthetic"
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return {folder / row["path"]: row["text"] for row in rows if row["path"] in CLIPS}


@asynccontextmanager
async def listening(server: SoundServer, *flags: str) -> AsyncIterator[Process]:
    """`amanuensis listen` that hears the microphone already."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, "listen", *flags, env=server.env, stdout=pipe, stderr=pipe)
    try:
        await line_with(process.stderr, "listening to")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def next_event(process: Process, kind: str) -> dict[str, Any]:
    """The next event of a kind."""
    event: dict[str, Any] = json.loads(await line_with(process.stdout, f'"type":"{kind}"'))
    return event


def plain(text: str) -> str:
    """Words without case and punctuation; numbers stay words, so that one wrong digit is one error."""
    return re.sub(r"[^a-z' ]", " ", text.lower())


@pytest.mark.parametrize("device", ["cpu", "sim"])
async def test_the_words_come_out(sound_server: SoundServer, clips: dict[Path, str], device: str) -> None:
    """What is played into the sink is captioned, with words before the utterance is over; Ctrl-C ends in good order."""
    async with listening(sound_server, "--json", "--device", device) as process:
        heard = []
        for path in clips:
            player = sound_server.play(path)
            await next_event(process, "partial")
            final = await next_event(process, "final")
            heard.append(final["text"])
            assert (final["engine"]["encoder"], final["engine"]["decoder"]) == (device, device)
            assert await asyncio.to_thread(player.wait, ANSWER_S) == 0
        process.send_signal(signal.SIGINT)
        status, out, _ = await over(process)
    heard += [event["text"] for event in map(json.loads, out.splitlines()) if event["type"] == "final"]
    assert status == 0
    reference, text = " ".join(clips.values()), " ".join(heard)
    assert wer(plain(reference), plain(text)) <= MAX_WER, text


@pytest.mark.parametrize("what", ["card", pytest.param("server", marks=pytest.mark.long)])
async def test_a_microphone_that_comes_back_is_heard_again(
    sound_server: SoundServer, clips: dict[Path, str], what: str
) -> None:
    """When the sound card, or the sound server, goes the program says so and waits; then words come behind one gap."""
    lose, back = {
        "card": (sound_server.unplug, sound_server.replugged),
        "server": (sound_server.kill, sound_server.again),
    }[what]
    async with listening(sound_server, "--json") as process:
        await asyncio.to_thread(lose)
        assert "the microphone 'default' has gone" in await line_with(process.stderr, "has gone")
        with back():
            await line_with(process.stderr, "listening to default")
            player = sound_server.play(next(iter(clips)))
            gap = await next_event(process, "gap")
            final = await next_event(process, "final")
            await asyncio.to_thread(player.wait, ANSWER_S)
            process.send_signal(signal.SIGINT)
            status, _, _ = await over(process)
    assert status == 0
    assert final["text"].strip()
    assert gap["why"] == "the input was away"
    assert gap["to"] > gap["from"]


@pytest.mark.long
async def test_a_capture_process_that_dies_is_replaced(sound_server: SoundServer, clips: dict[Path, str]) -> None:
    """Killed without a word, it is told and started again, and the time without it is one gap."""
    async with listening(sound_server, "--json") as process:
        os.kill(capture_of(process), signal.SIGKILL)
        await line_with(process.stderr, "the capture of the microphone 'default' ended")
        await line_with(process.stderr, "listening to default")
        await asyncio.to_thread(sound_server.play(next(iter(clips))).wait, ANSWER_S)
        gap = await next_event(process, "gap")
        assert (await next_event(process, "final"))["text"].strip()
        process.send_signal(signal.SIGTERM)
        assert (await over(process))[0] == 0
    assert gap["why"] == "the input was away"


def capture_of(process: Process) -> int:
    """The capture process of a program."""
    children = [
        child for file in Path(f"/proc/{process.pid}/task").glob("*/children") for child in file.read_text().split()
    ]
    (found,) = [child for child in children if b"sources.capture" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return int(found)


@pytest.mark.long
async def test_another_microphone_takes_over_until_the_first_is_back(
    sound_server: SoundServer, clips: dict[Path, str], tmp_path: Path
) -> None:
    """The headset goes: the default one is heard, and said to be; the headset comes back and is taken again."""
    with running_server(tmp_path / "headset") as headset:
        sound_server.add_headset(headset)
        async with listening(sound_server, "--json", "--input", HEADSET) as process:
            headset.kill()
            await line_with(process.stderr, "the microphone 'headset' has gone")
            await line_with(process.stderr, "listening to default")
            await asyncio.to_thread(sound_server.play(next(iter(clips))).wait, ANSWER_S)
            assert (await next_event(process, "final"))["text"].strip()
            with headset.again():
                await line_with(process.stderr, "listening to headset")
                process.send_signal(signal.SIGINT)
                assert (await over(process))[0] == 0


async def test_what_the_machine_plays_is_heard(sound_server: SoundServer, clips: dict[Path, str]) -> None:
    """`--input system` hears the default output, also after another one has become it."""
    path, text = next(iter(clips.items()))
    async with listening(sound_server, "--json", "--input", "system") as process:
        await asyncio.to_thread(sound_server.play(path).wait, ANSWER_S)
        first = await next_event(process, "final")
        sound_server.add_output(HEADSET)
        sound_server.pactl("set-default-sink", HEADSET)
        await line_with(process.stderr, f"listening to system sound ({HEADSET})")
        await asyncio.to_thread(sound_server.play(path, HEADSET).wait, ANSWER_S)
        second = await next_event(process, "final")
        process.send_signal(signal.SIGINT)
        assert (await over(process))[0] == 0
    for final in (first, second):
        assert wer(plain(text), plain(final["text"])) <= MAX_WER, final["text"]


@pytest.mark.long
async def test_an_output_that_is_gone_is_waited_for(sound_server: SoundServer) -> None:
    """Without any output the program waits and says so, not again and again; the next output is heard."""
    async with listening(sound_server, "--json", "--input", "system") as process:
        sound_server.unplug()
        told = [await line_with(process.stderr, f"system sound ({SINK}) has gone")]
        sound_server.add_output(HEADSET)
        while f"listening to system sound ({HEADSET})" not in told[-1]:
            told.append(await line_with(process.stderr, ""))
        process.send_signal(signal.SIGINT)
        assert (await over(process))[0] == 0
    assert len(told) <= 4, told


@pytest.mark.long
async def test_sound_that_is_not_taken_in_time_is_a_gap(
    sound_server: SoundServer, clips: dict[Path, str], tmp_path: Path
) -> None:
    """The program is held up for longer than the sound can be kept; what comes then is heard, behind the gap."""
    held_up_s = 30
    soundfile.write(tmp_path / "silence.wav", np.zeros(held_up_s * 8000, np.int16), 8000)
    async with listening(sound_server, "--json") as process:
        process.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(sound_server.play(tmp_path / "silence.wav").wait, ANSWER_S)
        process.send_signal(signal.SIGCONT)
        gap = await next_event(process, "gap")
        await asyncio.to_thread(sound_server.play(next(iter(clips))).wait, ANSWER_S)
        final = await next_event(process, "final")
        process.send_signal(signal.SIGINT)
        assert (await over(process))[0] == 0
    assert gap["why"] == "the sound could not be taken from the device in time"
    assert 0 < gap["to"] - gap["from"] < 1000 * held_up_s
    assert final["from"] > gap["to"]
    assert wer(plain(next(iter(clips.values()))), plain(final["text"])) <= MAX_WER


def later(clip: Path, folder: Path) -> Path:
    """The clip behind as much silence as PulseAudio buffers for a player that does not hurry."""
    samples, rate = soundfile.read(clip, dtype="int16")
    soundfile.write(folder / f"{clip.stem}.wav", np.concatenate([np.zeros(3 * rate, np.int16), samples]), rate)
    return folder / f"{clip.stem}.wav"


@pytest.mark.long
async def test_one_application_is_heard(sound_server: SoundServer, clips: dict[Path, str], tmp_path: Path) -> None:
    """`--input app:NAME` waits until the application plays, and hears nothing of the others."""
    wanted, other = (later(clip, tmp_path) for clip in clips)
    text = next(iter(clips.values()))
    pipe = asyncio.subprocess.PIPE
    words = ("listen", "--json", "--input", "app:paplay-b")
    process = await asyncio.create_subprocess_exec(*COMMAND, *words, env=sound_server.env, stdout=pipe, stderr=pipe)
    try:
        assert "waiting for 'paplay-b' to play" in await line_with(process.stderr, "waiting for")
        noise = sound_server.play(other, client="paplay-a")
        player = sound_server.play(wanted, client="paplay-b")
        await line_with(process.stderr, "listening to paplay-b (application)")
        final = await next_event(process, "final")
        await asyncio.to_thread(player.wait, ANSWER_S)
        await asyncio.to_thread(noise.wait, ANSWER_S)
        process.send_signal(signal.SIGINT)
        assert (await over(process))[0] == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert wer(plain(text), plain(final["text"])) <= MAX_WER, final["text"]


async def test_inputs_are_listed(sound_server: SoundServer) -> None:
    """The microphone of the sound server stands in the list, with its index."""
    pipe = asyncio.subprocess.PIPE
    for words in (("listen", "--list-inputs"), ("devices",)):
        process = await asyncio.create_subprocess_exec(*COMMAND, *words, env=sound_server.env, stdout=pipe, stderr=pipe)
        status, out, err = await over(process)
        assert (status, err) == (0, "")
        assert "*  0  default  (ALSA, " in out
        assert "   system  what the machine plays" in out


async def test_an_unknown_microphone_lists_the_choices(sound_server: SoundServer) -> None:
    """A name that is not there is answered with those that are."""
    pipe = asyncio.subprocess.PIPE
    words = ("listen", "--input", "piano")
    process = await asyncio.create_subprocess_exec(*COMMAND, *words, env=sound_server.env, stdout=pipe, stderr=pipe)
    status, out, err = await over(process)
    assert (status, out) == (1, "")
    assert err == "amanuensis: input 'piano' is not a sound input; choose by index from: 0 'default'\n"


async def test_our_own_loudspeaker_is_heard(sound_server: SoundServer, clips: dict[Path, str]) -> None:
    """What `demo --play` plays reaches the sink, and so the microphone."""
    code = (
        "import sys, sounddevice; from pathlib import Path; from amanuensis.daemon.loudspeaker import start_playing\n"
        "stop = start_playing(Path(sys.argv[1])); sounddevice.wait(); stop()"
    )
    async with listening(sound_server, "--json") as process:
        player = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(next(iter(clips))), env=sound_server.env
        )
        assert (await next_event(process, "final"))["text"].strip()
        assert await player.wait() == 0
