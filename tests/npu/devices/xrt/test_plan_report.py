"""Plans in words and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.parameters import BASIS, MODELS
from amanuensis.npu.devices.xrt.plan import Plan, Planner, Way, plan
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
    for name in ("tick_ms", "encoder_ms", "decoder_token_ms", "verification_ms", "encoder_alone_ms"):
        assert 0 < found[name]["low"] < found[name]["mid"] < found[name]["high"], name
    assert found["tick_ms"]["mid"] == pytest.approx(made.tick_us.middle / 1e3, rel=1e-3)
    assert found["high_water"] == asdict(made.high_water)
    assert (found["products_in_bf16"], found["weights_prepared"]) == (0, False)
    assert found["ways"][0]["tick_ms"] == found["tick_ms"]
    assert [way["built"] for way in found["ways"]].count(True) == 3
    assert found["nearest"]["needs"][0] == "two graphs in one program, each on columns of its own"
    assert found["best"]["tick_ms"]["mid"] == min(way["tick_ms"]["mid"] for way in found["ways"])
    encoder, whole, verification, token, short = found["dispatches"]
    assert short["name"] == "decoder, 1 token by the shortlist"
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
    assert "\ntarget: a tick at most 25 ms at mid\n  as built: not met, " in text
    assert "ms modelled; where the shortlist holds met, " in text
    assert "best found: " in text
    assert "products in int8: no prepared weights say otherwise; convolutions in bf16" in text
    assert "target: encoder above 220 times realtime at mid: met" in text
    assert all(len(line) <= 120 for line in lines)


def test_a_target_that_is_missed_is_called_missed(planner: Planner, made: Plan) -> None:
    """Nothing is met by being printed; models without a target have no verdict."""
    slow = replace(made.encoder, fixed=Band(30_000, 150_000, 300_000))
    text = "\n".join(report("base", planner, replace(made, whole_encoder=slow)))
    assert "target: encoder above 220 times realtime at mid: not met" in text
    assert "target" not in "\n".join(report("other", planner, made))


def test_a_tick_that_is_short_enough_is_called_met(planner: Planner, made: Plan) -> None:
    """As built, when changes and dispatches cost next to nothing and there is next to no work."""
    quick = replace(made.built.tick, work=Band(1, 2, 3), dispatch_us=Band(1, 2, 3), switch_us=Band(1, 2, 3))
    way = Way(quick, None)
    text = "\n".join(report("base", planner, replace(made, ways=(way,))))
    assert "as built: met, 0.1 ms modelled" in text
    assert "best found: as it is built" in text


def test_marks_of_the_designs_are_told(planner: Planner, made: Plan) -> None:
    """Bytes of the fullest core, memory tile and program, within what there is."""
    water = made.high_water
    assert 0 < water.l1_bytes <= 65_536
    assert 0 < water.l2_bytes <= 524_288
    assert 0 < water.program_bytes <= 16_384
    told = f"{water.l1_bytes}, {water.l2_bytes}, {water.program_bytes} bytes at most"
    assert told in "\n".join(report("base", planner, made))


def test_the_best_way_says_why_and_what_it_needs(planner: Planner, made: Plan) -> None:
    """Changes saved, work added, the cost of a change from which that pays, and what is not built."""
    best = next(way for way in made.ways if way.tick.split.name == "encoder on 2+2 columns, choice apart")
    text = "\n".join(report("base", planner, replace(made, ways=(made.built, best))))
    each = best.tick.break_even_us(made.built.tick)
    work_ms = (best.tick.work.middle - made.built.tick.work.middle) / 1e3
    assert best.tick.time.middle > made.built.tick.time.middle  # so it is not the best here, at the middle
    assert "best found: as it is built" in text
    dear = [replace(way.tick, switch_us=Band(each, 2 * each, 3 * each)) for way in (made.built, best)]
    text = "\n".join(report("base", planner, replace(made, ways=tuple(Way(cost, None) for cost in dear))))
    assert f"best found:\n  {work_ms:.1f} ms more work, 12 changes fewer" in text
    assert f", better if a change costs more than {each:.0f} us" in text
    assert "  needs two graphs in one program" in text
