"""A plan in words and as JSON; every figure is a band, and what it rests on stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from amanuensis.kernels.cost.band import Band
from amanuensis.kernels.cost.splits import Cost
from amanuensis.npu.device_weights import CONVOLUTIONS
from amanuensis.npu.devices.xrt.plan import (
    NEW_TOKENS,
    TICK_S,
    VERIFIED_TOKENS,
    Dispatch,
    Plan,
    Planner,
    Way,
    lines,
)

TARGETS: Final = {("base", "npu1"): (25.0, 220.0)}  # ms of a tick at most, realtime factor of the encoder above


def as_map(name: str, planner: Planner, plan: Plan) -> dict[str, Any]:
    """Return a plan for programs."""
    return {
        "basis": planner.model.basis,
        "model": name,
        "device": planner.model.architecture,
        "precision": planner.precision,
        "audio_context": plan.frames,
        "verified_tokens": VERIFIED_TOKENS,
        "new_tokens": NEW_TOKENS,
        "products_in_bf16": in_bf16(planner),
        "weights_prepared": planner.is_prepared,
        "tick_ms": _ms(plan.tick_us),
        "tick_in_one_configuration_ms": _ms(plan.tick_in_one_us),
        "encoder_ms": _ms(plan.encoder.time),
        "encoder_alone_ms": _ms(plan.encoding.time),
        "whole_encoder_ms": _ms(plan.whole_encoder.time),
        "decoder_token_ms": _ms(plan.token.time),
        "decoder_short_token_ms": None if plan.short_token is None else _ms(plan.short_token.time),
        "verification_ms": _ms(plan.verification.time),
        "realtime_factor": plan.realtime_factor.as_map(),
        "streams": plan.streams.as_map(),
        "switches": plan.built.tick.switches,
        "switch_us": plan.built.tick.switch_us.as_map(),
        "best_built": _way_map(plan.best_built),
        "nearest": _way_map(plan.nearest),
        "best": _way_map(plan.best),
        "ways": [_way_map(way) for way in plan.ways],
        "device_memory_bytes": plan.resident_bytes,
        "high_water": asdict(plan.high_water),
        "dispatches": [_dispatch_map(dispatch) for dispatch in _dispatches(plan)],
    }


def _way_map(way: Way) -> dict[str, Any]:
    split = way.tick.split
    return {
        "name": split.name,
        "built": split.is_built,
        "needs": list(split.needs),
        "configurations": split.configurations,
        "switches": way.tick.switches,
        "dispatches": way.tick.dispatches,
        "tick_ms": _ms(way.tick.time),
        "tick_with_shortlist_ms": None if way.short is None else _ms(way.short.time),
    }


def in_bf16(planner: Planner) -> int:
    """Return how many products besides the convolutions are in bf16."""
    products = planner.weights.products.items()
    return sum(product["precision"] == "bf16" for name, product in products if name not in CONVOLUTIONS)


def _ms(band: Band) -> dict[str, float]:
    return (band * 1e-3).as_map()


def _dispatches(plan: Plan) -> tuple[Dispatch, ...]:
    short = () if plan.short_token is None else (plan.short_token,)
    return plan.encoder, plan.whole_encoder, plan.verification, plan.token, *short


def _dispatch_map(dispatch: Dispatch) -> dict[str, Any]:
    operators = [
        {
            "operator": line.kind,
            "launches": line.launches,
            "int8_macs": line.int8_macs,
            "bf16_macs": line.bf16_macs,
            "ddr_bytes": line.traffic_bytes,
            "bound": line.bound,
            "us": line.time.as_map(),
        }
        for line in lines(dispatch)
    ]
    return {
        "name": dispatch.name,
        "ms": _ms(dispatch.time),
        "dispatch_us": dispatch.fixed.as_map(),
        "operators": operators,
    }


def report(name: str, planner: Planner, plan: Plan) -> Iterator[str]:
    """Yield a plan in lines for people."""
    yield planner.model.basis
    window_s = plan.frames * plan.whole_s / planner.dimensions.audio_positions
    where = f"{name} on {planner.model.architecture}, {planner.precision}"
    yield f"{where}: windows of {plan.frames} positions ({window_s:g} s),"
    yield f"{VERIFIED_TOKENS} tokens verified and {NEW_TOKENS} new in a tick; three figures are low, mid, high"
    yield _precisions(planner)
    for dispatch in _dispatches(plan):
        yield ""
        yield from _table(dispatch)
    yield ""
    yield from _totals(planner, plan)
    yield ""
    yield from _arithmetic(planner, plan)
    yield ""
    yield from _ways(plan)
    yield from _verdicts(name, planner, plan)


def _precisions(planner: Planner) -> str:
    n_products = len(planner.weights.products) - len(CONVOLUTIONS)
    if planner.is_prepared:
        return (
            f"{in_bf16(planner)} of {n_products} products in bf16, as its prepared weights say; convolutions always are"
        )
    return f"all {n_products} products in {planner.precision}: no prepared weights say otherwise; convolutions in bf16"


def _table(dispatch: Dispatch) -> Iterator[str]:
    yield f"{dispatch.name}: {_band(dispatch.time * 1e-3)} ms"
    yield f"  {'operator':16} {'launches':>8} {'int8 GMAC':>10} {'bf16 GMAC':>10} {'DDR MB':>8}  {'bound':8} us"
    for line in lines(dispatch):
        yield (
            f"  {line.kind:16} {line.launches:8} {line.int8_macs / 1e9:10.3f} {line.bf16_macs / 1e9:10.3f} "
            f"{line.traffic_bytes / 1e6:8.2f}  {line.bound:8} {_band(line.time)}"
        )
    yield f"  {'dispatch':16} {1:8} {'':10} {'':10} {'':8}  {'launch':8} {_band(dispatch.fixed)}"


def _totals(planner: Planner, plan: Plan) -> Iterator[str]:
    whole = planner.dimensions.audio_positions
    rows: list[tuple[str, str]] = [
        ("encoder, a window", f"{_band(plan.encoder.time * 1e-3)} ms"),
        ("decoder, a token", f"{_band(plan.token.time * 1e-3)} ms"),
        (f"decoder, {VERIFIED_TOKENS} verified", f"{_band(plan.verification.time * 1e-3)} ms"),
        ("a tick", f"{_band(plan.tick_us * 1e-3)} ms, {plan.built.tick.switches} changes of configuration included"),
        ("a tick in one", f"{_band(plan.tick_in_one_us * 1e-3)} ms if one configuration could do all"),
        ("the encoder of a tick", f"{_band(plan.encoding.time * 1e-3)} ms with its changes, where the CPU decodes"),
        ("realtime factor", f"{_band(plan.realtime_factor)}, encoder offline, windows of {whole} positions"),
        ("streams", f"{_band(plan.streams)} on one NPU, a tick each {TICK_S:g} s"),
        ("device memory", f"{plan.resident_bytes / 1e6:.0f} MB"),
        ("L1, L2, program", _high_water(plan)),
    ]
    for name, text in rows:
        yield f"{name:22} {text}"


def _high_water(plan: Plan) -> str:
    water = plan.high_water
    return f"{water.l1_bytes}, {water.l2_bytes}, {water.program_bytes} bytes at most (program: a stand-in)"


def _arithmetic(planner: Planner, plan: Plan) -> Iterator[str]:
    """Say what the middle of each dispatch is made of: what is busy how long, were nothing else in the way."""
    case = planner.model.cases["middle"]
    yield f"what the mid is made of, at {case.memory_gb_s:.3g} GB/s (less in short bursts):"
    for dispatch in _dispatches(plan):
        parts = [step.price.parts for step in dispatch.steps]
        cores = sum(part.compute_us for part in parts) / 1e3
        memory = sum(part.memory_us for part in parts) / 1e3
        launches = f"{len(parts)} launches {len(parts) * case.operator_us / 1e3:.2f}"
        moved = sum(step.price.traffic_bytes for step in dispatch.steps) / 1e6
        busy = f"cores {cores:.2f}, memory {memory:.2f} for {moved:.1f} MB"
        yield f"  {dispatch.name}: {busy}, {launches}, dispatch {case.dispatch_us / 1e3:.2f} ms"


def _ways(plan: Plan) -> Iterator[str]:
    """Show how the work of a tick can be split over configurations: those that are built, and the best ones besides."""
    shown = [way for way in plan.ways if way.tick.split.is_built or way in (plan.nearest, plan.best)]
    change = plan.built.tick.switch_us + plan.built.tick.dispatch_us
    yield f"ways to split a tick; a change of configuration takes {_band(change)} us, its dispatch included"
    yield f"  {'changes':>7} {'ms':16} {'by shortlist':16} way"
    for way in shown:
        short = "" if way.short is None else _band(way.short.time * 1e-3)
        note = "" if way.tick.split.is_built else " (not built)"
        yield f"  {way.tick.switches:7} {_band(way.tick.time * 1e-3):16} {short:16} {way.tick.split.name}{note}"
    for name, way in (("with the same core programs", plan.nearest), ("best found", plan.best)):
        yield from _better(name, plan.built.tick, way.tick)


def _better(name: str, built: Cost, best: Cost) -> Iterator[str]:
    """Say what makes a way better than the one that is built, and what it needs."""
    if best is built:
        yield f"{name}: as it is built"
        return
    work = (best.work.middle - built.work.middle) / 1e3
    what = f"{abs(work):.1f} ms {'more' if work > 0 else 'less'} work, {built.switches - best.switches} changes fewer"
    each = best.break_even_us(built) if best.switches < built.switches else 0.0
    if each > 0:
        what += f", better if a change costs more than {each:.0f} us beside its dispatch"
    yield f"{name}:"
    yield f"  {what}"
    yield from (f"  needs {need}" for need in best.split.needs)


def _verdicts(name: str, planner: Planner, plan: Plan) -> Iterator[str]:
    """Compare with what the design is to reach, where that is stated; the lines above show why."""
    if (name, planner.model.architecture) not in TARGETS:
        return
    tick_ms, factor = TARGETS[name, planner.model.architecture]
    yield ""
    yield f"target: a tick at most {tick_ms:g} ms at mid"
    ways = {"as built": plan.built, "best without new graphs": plan.best_built}
    ways |= {"best with the same core programs": plan.nearest, "best found": plan.best}
    for what, way in ways.items():
        short = "" if way.short is None else f"; where the shortlist holds {_met(way.short, tick_ms)}"
        yield f"  {what}: {_met(way.tick, tick_ms)}{short}"
    met = "met" if plan.realtime_factor.middle > factor else "not met"
    yield f"target: encoder above {factor:g} times realtime at mid: {met}, {plan.realtime_factor.middle:.0f} modelled"


def _met(cost: Cost, tick_ms: float) -> str:
    middle_ms = cost.time.middle / 1e3
    return f"{'met' if middle_ms <= tick_ms else 'not met'}, {middle_ms:.1f} ms modelled"


def _band(band: Band) -> str:
    return f"{_short(band.low)} {_short(band.middle)} {_short(band.high)}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
