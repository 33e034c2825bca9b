"""Plans in words and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.parameters import BASIS, MODELS
from amanuensis.npu.devices.xrt.plan import Plan, Planner, plan
from amanuensis.npu.devices.xrt.plan_report import as_map, report
from amanuensis.npu.model_config import default_alignment_heads
from tests.npu.devices.xrt.test_memory import BASE


@pytest.fixture(scope="module")
def planner() -> Planner:
    """Whisper base on npu1."""
    return Planner(BASE, default_alignment_heads(BASE), MODELS["npu1"])


@pytest.fixture(scope="module")
def made(planner: Planner) -> Plan:
    """Its plan for windows of 5 s."""
    return plan(planner, 250)


def test_programs_get_bands_and_what_they_rest_on(planner: Planner, made: Plan) -> None:
    """Every time has low, mid and high."""
    found = json.loads(json.dumps(as_map("base", planner, made)))
    assert found["basis"] == BASIS
    for name in ("tick_ms", "encoder_ms", "decoder_token_ms", "verification_ms", "tick_with_switches_ms"):
        assert 0 < found[name]["low"] < found[name]["mid"] < found[name]["high"], name
    assert found["tick_ms"]["mid"] == pytest.approx(made.tick_us.middle / 1e3, rel=1e-3)
    assert found["high_water"] == asdict(made.high_water)
    encoder, whole, verification, token = found["dispatches"]
    assert (encoder["name"], whole["name"]) == ("encoder, 250 frames", "encoder, 1500 frames")
    assert (verification["name"], token["name"]) == ("decoder, 16 tokens", "decoder, 1 token")
    assert {row["bound"] for row in encoder["operators"]} <= {"compute", "stream", "DDR", "launch"}
    assert sum(row["launches"] for row in token["operators"]) == len(made.token.steps)


def test_people_get_the_words_and_the_reasons(planner: Planner, made: Plan) -> None:
    """The first line says what the figures are; totals, arithmetic and targets follow the tables."""
    lines = list(report("base", planner, made))
    text = "\n".join(lines)
    assert lines[0] == BASIS
    for line in ("a tick ", "realtime factor ", "streams ", "L1, L2, program "):
        assert f"\n{line}" in text
    assert "decoder, 1 token: cores " in text
    assert "target: a tick at most 25 ms at mid: met" in text
    assert "target: encoder above 220 times realtime at mid: met" in text
    assert all(len(line) <= 120 for line in lines)


def test_a_target_that_is_missed_is_called_missed(planner: Planner, made: Plan) -> None:
    """Nothing is met by being printed; models without a target have no verdict."""
    slow = replace(made.encoder, fixed=Band(30_000, 150_000, 300_000))
    text = "\n".join(report("base", planner, replace(made, encoder=slow, whole_encoder=slow)))
    assert "target: a tick at most 25 ms at mid: not met" in text
    assert "target: encoder above 220 times realtime at mid: not met" in text
    assert "target" not in "\n".join(report("other", planner, made))


def test_marks_of_the_designs_are_told(planner: Planner, made: Plan) -> None:
    """Bytes of the fullest core, memory tile and program, within what there is."""
    water = made.high_water
    assert 0 < water.l1_bytes <= 65_536
    assert 0 < water.l2_bytes <= 524_288
    assert 0 < water.program_bytes <= 16_384
    told = f"{water.l1_bytes}, {water.l2_bytes}, {water.program_bytes} bytes at most"
    assert told in "\n".join(report("base", planner, made))


def test_three_configurations_cost_their_switches(made: Plan) -> None:
    """Two changes for each layer of the encoder, one to the decoder and one back, each a dispatch more."""
    assert made.switches == 2 * BASE.encoder_layers + 2
    each = made.switch_us.middle + made.encoder.fixed.middle
    assert made.tick_with_switches_us.middle == pytest.approx(made.tick_us.middle + made.switches * each)
    assert made.token.switches == 4 * BASE.decoder_layers
