"""Choosing a microphone, and the ring between PortAudio's thread and ours; tests/microphone captures for real."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanuensis.daemon.sources.base import Chunk, Lost, SourceError
from amanuensis.daemon.sources.microphone import (
    MAX_LOSS_S,
    CaptureRing,
    InputDevice,
    Microphone,
    channels_wanted,
    choose_again,
    choose_device,
    portaudio,
    quiet_stderr,
)

DEVICES = [
    InputDevice(0, "HDA Intel: ALC257 (hw:0,0)", "ALSA", 2, 48_000, False),
    InputDevice(3, "USB Headset", "ALSA", 1, 16_000, True),
    InputDevice(5, "USB Camera", "ALSA", 1, 16_000, False),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(None, 3), ("default", 3), ("5", 5), ("hda", 0), ("usb headset", 3), ("(hw:0,0)", 0), ("Camera", 5)],
)
def test_a_device_is_found_by_index_name_or_part_of_it(wanted: str | None, index: int) -> None:
    """An index, a name in any case and an unambiguous part of one all mean a device."""
    assert choose_device(wanted, DEVICES).index == index


def test_an_exact_name_wins_over_a_part() -> None:
    """A device whose whole name is given is meant even if others contain it."""
    devices = [*DEVICES, InputDevice(7, "USB", "ALSA", 1, 16_000, False)]
    assert choose_device("usb", devices).index == 7


@pytest.mark.parametrize(("wanted", "problem"), [("usb", "means more than one"), ("4", "is not"), ("piano", "is not")])
def test_a_wrong_name_lists_the_choices(wanted: str, problem: str) -> None:
    """Ambiguous and unknown names are answered with the devices that could be meant."""
    with pytest.raises(SourceError, match=problem) as caught:
        choose_device(wanted, DEVICES)
    assert "3 'USB Headset'" in str(caught.value)
    assert "5 'USB Camera'" in str(caught.value)


def test_no_device_says_what_to_do() -> None:
    """A machine without a microphone is told how sound can come otherwise."""
    with pytest.raises(SourceError, match=r"no microphone found.*--input file:PATH"):
        choose_device(None, [])


def test_without_a_default_the_first_device_is_taken() -> None:
    """PortAudio may name no default although there are devices."""
    assert choose_device(None, [DEVICES[0], DEVICES[2]]).index == 0


@pytest.mark.parametrize(("channels", "expected"), [(1, 1), (2, 2), (4, 1), (32, 1)])
def test_both_sides_of_a_stereo_input_are_taken(channels: int, expected: int) -> None:
    """Stereo is mixed by us; a sound server's many channels are mixed by it."""
    assert channels_wanted(InputDevice(0, "x", "ALSA", channels, 48_000, True)) == expected


def test_a_machine_without_portaudio_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of sounddevice raises OSError where the library is missing."""

    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(SourceError, match="libportaudio2"):
        portaudio()


def test_c_libraries_are_kept_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """What is written to file descriptor 2 inside is dropped, afterwards it is seen again."""
    with quiet_stderr():
        os.write(2, b"noise\n")
    os.write(2, b"news\n")
    assert capfd.readouterr().err == "news\n"


def test_a_full_ring_drops_until_it_is_empty_and_says_how_much() -> None:
    """The hole lies behind everything that was kept, and its length is exact."""
    ring = CaptureRing(4, 2)
    for block in (b"aabb", b"cc", b"ddee", b"ff"):
        ring.put(block)
    assert ring.take() == b"aabbcc"
    assert ring.take() == 3
    ring.put(b"gg")
    assert ring.take() == b"gg"
    assert ring.take() is None


def test_samples_that_portaudio_dropped_are_told() -> None:
    """What never reached the ring is counted with what it could not hold."""
    ring = CaptureRing(4, 2)
    ring.put(b"aa", also_lost=7)
    assert ring.take() == b"aa"
    assert ring.take() == 7
    assert ring.take() is None


class DeafMicrophone(Microphone):
    """A microphone without a device: the test calls what PortAudio would call."""

    def __init__(self, device: InputDevice) -> None:
        self.slept_s = 0.0
        super().__init__(device, lambda: 50.0 + self.slept_s, lambda: 50.0)

    def _open(self, device: InputDevice) -> Any:
        return None

    def hear(self, begin_s: float, *, overflow: bool) -> list[Chunk]:
        """Capture a block of 10 ms that begins at a time on PortAudio's clock; return what comes out."""
        frames = self.format.rate // 100
        times, status = SimpleNamespace(inputBufferAdcTime=begin_s), SimpleNamespace(input_overflow=overflow)
        self._captured(bytes(frames * self.format.frame_bytes), frames, times, status)
        return list(self.take())

    def lost(self, begin_s: float, *, overflow: bool = False) -> list[int]:
        """Capture a block; return the lengths of the holes."""
        return [item.samples for item in self.hear(begin_s, overflow=overflow) if isinstance(item, Lost)]


@pytest.mark.parametrize(
    ("jump_s", "lost_s"),
    [(0.5, 0.5), (MAX_LOSS_S, MAX_LOSS_S), (36_000.0, MAX_LOSS_S)],
    ids=["held up", "most", "slept"],
)
def test_an_overflow_loses_what_the_clock_says_within_bounds(jump_s: float, lost_s: float) -> None:
    """The hole is as long as the clock jumped, but a night asleep is not a night of lost sound."""
    source = DeafMicrophone(DEVICES[1])
    begin_s = 100_000.0  # PortAudio's clock began long before us
    assert not source.lost(begin_s)
    assert source.lost(begin_s + 0.01 + jump_s, overflow=True) == [round(lost_s * source.format.rate)]
    assert not source.lost(begin_s + 0.02 + jump_s)


@pytest.mark.parametrize(("jump_s", "lost_s"), [(0.3, 0.0), (-0.3, 0.0), (0.8, 0.8)])
def test_a_step_of_the_clock_is_a_hole_without_an_overflow(jump_s: float, lost_s: float) -> None:
    """The clock of the device may tremble; a jump of half a second or more is sound that is missing."""
    source = DeafMicrophone(DEVICES[1])
    source.hear(100_000.0, overflow=False)
    holes = source.lost(100_000.01 + jump_s)
    assert holes == ([round(lost_s * source.format.rate)] if lost_s else [])


def test_the_sleep_of_the_machine_is_a_hole() -> None:
    """PortAudio's clock stands still while the machine sleeps; ours does not."""
    source = DeafMicrophone(DEVICES[1])
    source.hear(100_000.0, overflow=False)
    source.slept_s = 7.0
    assert source.lost(100_000.01) == [7 * source.format.rate]
    assert source.lost(100_000.02) == []


@pytest.mark.parametrize(("lost", "index"), [("USB Camera", 5), ("HDA Intel: ALC257 (hw:2,0)", 0), ("USB Piano", 3)])
def test_what_was_lost_is_taken_again_or_replaced(lost: str, index: int) -> None:
    """The same device on whatever card number, else the default one."""
    assert choose_again(lost, DEVICES).index == index


def test_an_overflow_at_the_first_block_is_one_sample() -> None:
    """Nothing came before it, so PortAudio's clock cannot tell how much is missing."""
    assert DeafMicrophone(DEVICES[1]).lost(100_000.0, overflow=True) == [1]


@given(steps=st.lists(st.one_of(st.integers(1, 6), st.just("take")), max_size=60))
def test_every_frame_is_handed_over_once_or_counted_as_lost(steps: list[int | str]) -> None:
    """Property: what comes out is what went in, in order, with holes of exactly the counted length."""
    ring = CaptureRing(8, 1)
    sent, at = 0, 0
    for step in [*steps, "take", "take"]:
        if isinstance(step, int):
            ring.put(bytes((sent + k) % 256 for k in range(step)))
            sent += step
            continue
        item = ring.take()
        if isinstance(item, bytes):
            assert item == bytes((at + k) % 256 for k in range(len(item)))
            at += len(item)
        elif item is not None:
            at += item
    while (item := ring.take()) is not None:
        at += len(item) if isinstance(item, bytes) else item
    assert at == sent


def test_two_threads_share_a_ring() -> None:
    """While one thread puts and another takes, nothing is lost uncounted and nothing comes twice."""
    ring = CaptureRing(256, 1)
    total = 200_000
    done = threading.Event()

    def produce() -> None:
        for at in range(0, total, 50):
            ring.put(bytes((at + k) % 251 for k in range(50)))
        done.set()

    threading.Thread(target=produce, daemon=True).start()
    at = 0
    while not done.is_set() or at < total:
        item = ring.take()
        if isinstance(item, int):
            at += item
        elif item is not None:
            at += len(item)
    assert at == total
