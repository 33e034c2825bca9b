"""What a front asks a host to run, and which versions have to agree."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from amanuensis.daemon.cluster.spec import HostSpec, ModelFile, differences, versions
from amanuensis.npu.engine.supervision import Supervision

SPEC = HostSpec(
    "tiny", "/models/tiny", (ModelFile("config.json", 2, "ab"),), "cpu", supervision=Supervision(beat_s=0.25)
)


def test_it_comes_back_from_plain_values() -> None:
    """As JSON and back it is the same."""
    assert HostSpec.from_plain(json.loads(json.dumps(SPEC.to_plain()))) == SPEC


def test_fronts_that_ask_for_the_same_share_a_host() -> None:
    """The key depends on the content of the model and on how it is run, not on where a front has it."""
    assert replace(SPEC, folder="/elsewhere").key == SPEC.key
    others = [
        replace(SPEC, device="npu"),
        replace(SPEC, threads=2),
        replace(SPEC, files=(ModelFile("config.json", 2, "ac"),)),
        replace(SPEC, supervision=Supervision()),
    ]
    assert len({SPEC.key, *(other.key for other in others)}) == 5
    assert others[0].content == SPEC.content


def test_the_engine_gets_what_the_front_was_told() -> None:
    """Model, device and threads; speakers only where they are wanted."""
    config = replace(SPEC, threads=3, voices=True).engine_config(Path("/here"))
    assert (config.model, config.device, config.threads) == (Path("/here"), "cpu", 3)
    assert config.voices is not None
    assert SPEC.engine_config(Path("/here")).voices is None


def test_versions_that_differ_are_named() -> None:
    """Each with what is there and what is here."""
    ours = versions()
    assert ours["amanuensis"] == version("amanuensis")
    assert differences(ours, dict(ours)) == ""
    assert differences(ours, ours | {"amanuensis": "9.9"}) == f"amanuensis 9.9 there, {ours['amanuensis']} here"
    assert "python unknown there" in differences(ours, {"ray": ours["ray"]})
