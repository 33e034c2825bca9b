"""`amanuensis devices`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amanuensis.daemon.commands.devices import cpu_fields, print_table
from amanuensis.daemon.sources.microphone import InputDevice
from tests.helpers.programs import amanuensis


def test_every_compute_device_is_named_with_what_it_can_do() -> None:
    """CPU and simulated NPU are usable; the NPU is, or what is missing is said."""
    done = amanuensis("devices", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    cpu, npu, sim = found["compute"]
    assert [row["device"] for row in (cpu, npu, sim)] == ["cpu", "npu", "sim"]
    assert cpu["usable"]
    assert sim["usable"]
    assert npu["usable"] or "doctor" in npu["what"]
    assert cpu["name"]
    assert 1 <= cpu["threads"] <= cpu["cores"]
    assert "modelled" in sim["what"]
    assert all(row["channels"] > 0 and row["name"] for row in found["inputs"])


def test_the_list_for_people() -> None:
    """The same in lines."""
    done = amanuensis("devices")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cpu  usable" in done.stdout
    assert "npu  " in done.stdout
    assert "sim  usable" in done.stdout
    assert "sound inputs:\n" in done.stdout


def test_a_name_of_a_device_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a device or a program calls itself, it is one line of printable letters."""
    print_table([InputDevice(3, "USB\x1b]0;title\x07\nHeadset", "ALSA", 1, 16_000, True)], "")
    assert capsys.readouterr().out == "*  3  USB]0;title Headset  (ALSA, 1 channels, 16000 Hz)\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nmodel name\t: A B\nflags\t: x y\n\nprocessor\t: 1\nmodel name\t: C\n", "A B"),
        ("processor : 0\nFeatures : asimd\n", None),
        ("", None),
    ],
)
def test_the_first_cpu_is_read(tmp_path: Path, text: str, expected: str | None) -> None:
    """Linux describes each CPU in a block of its own."""
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_fields(tmp_path / "cpuinfo").get("model name") == expected


def test_a_machine_without_a_description() -> None:
    """Where Linux's description is missing nothing is known."""
    assert cpu_fields(Path("/no/such/file")) == {}
