"""A plan as a drawing: the roofline with every operator on it, and the map of the tiles and memories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import Final
from xml.sax.saxutils import escape

from amanuensis.kernels.cost.arrays import ARRAYS, STREAM_BYTES, Array
from amanuensis.kernels.cost.price import Price
from amanuensis.npu.devices.xrt.plan import HighWater, Plan, Planner

WIDTH, HEIGHT = 960, 560
PLOT: Final = (70, 60, 540, 430)  # left, top, width, height
X_RANGE: Final = (-2.0, 1.0)  # powers of ten of core time by memory time
Y_RANGE: Final = (-3.0, 0.0)  # of the share of time in which the cores work
MAP_LEFT, MAP_TOP = 670, 90
LABEL: Final = (62, 9)  # room for a name
L1_KIB, L2_KIB, PROGRAM_KIB = 64, 512, 16  # of a core, of a memory tile, of a core (mlir-aie `AIETargetModel`)
STYLE: Final = """
svg { background: #fff; font: 12px sans-serif; } text { fill: #222; } .muted { fill: #666; }
.axis, .roof, .tile { fill: none; stroke: #222; } .grid { stroke: #ddd; } .roof { stroke-width: 2; }
.encoder { fill: #0a62b0; } .verification { fill: #b0470a; } .token { fill: #16803c; }
@media (prefers-color-scheme: dark) { svg { background: #16181c; } text { fill: #eee; } .muted { fill: #aaa; }
.axis, .roof, .tile { stroke: #eee; } .grid { stroke: #3a3d44; }
.encoder { fill: #6ab4ff; } .verification { fill: #ffa46a; } .token { fill: #6fdc97; } }
"""


@dataclass(frozen=True, slots=True)
class Point:
    """Operators of one kind and price in a dispatch.

    Attributes:
        group: of the legend.
        kind: name of the operator.
        count: how many there are.
        price: of each.

    """

    group: str
    kind: str
    count: int
    price: Price

    @property
    def intensity(self) -> float:
        """Time that the cores need by time that the memory needs; 1 is the ridge."""
        return self.price.parts.compute_us / max(self.price.parts.memory_us, 1e-9)

    @property
    def share(self) -> float:
        """Share of its time in which the cores work, the launch included."""
        return self.price.parts.compute_us / self.price.time.middle


def points(plan: Plan) -> list[Point]:
    """Return every operator of a tick, those of the same price once."""
    found: dict[tuple[str, str, Price], int] = {}
    dispatches = (("encoder", plan.encoder), ("verification", plan.verification), ("token", plan.token))
    for group, dispatch in dispatches:
        for step in dispatch.steps:
            key = (group, type(step.operator).__name__, step.price)
            found[key] = found.get(key, 0) + 1
    return [Point(group, kind, count, price) for (group, kind, price), count in found.items()]


def drawing(name: str, planner: Planner, plan: Plan) -> str:
    """Return the drawing of a plan as SVG; it needs no script and follows the reader's light or dark colours."""
    title = f"Whisper {name} on {planner.model.architecture}, {planner.precision}: {planner.model.basis}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        _text(20, 28, title),
        *_axes(),
        *_dots(points(plan)),
        *_legend(),
        *_tiles(ARRAYS[planner.model.architecture], planner, plan),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _text(x: float, y: float, text: str, extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(text)}</text>'


def _place(value: float, ends: tuple[float, float], start: float, length: float) -> float:
    """Return where a value lies on a logarithmic axis; what lies outside is put on its end."""
    power = min(max(log10(max(value, 1e-30)), ends[0]), ends[1])
    return start + length * (power - ends[0]) / (ends[1] - ends[0])


def _x(value: float) -> float:
    return _place(value, X_RANGE, PLOT[0], PLOT[2])


def _y(value: float) -> float:
    return _place(value, Y_RANGE, PLOT[1] + PLOT[3], -PLOT[3])


def _axes() -> Iterator[str]:
    left, top, width, height = PLOT
    for power in range(round(X_RANGE[0]), round(X_RANGE[1]) + 1):
        x = _x(10.0**power)
        yield f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + height}"/>'
        yield _text(x, top + height + 16, f"{10.0**power:g}", ' text-anchor="middle"')
    for power in range(round(Y_RANGE[0]), round(Y_RANGE[1]) + 1):
        y = _y(10.0**power)
        yield f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}"/>'
        yield _text(left - 6, y + 4, f"{100 * 10.0**power:g} %", ' text-anchor="end"')
    yield f'<rect class="axis" x="{left}" y="{top}" width="{width}" height="{height}"/>'
    roof = [(10.0 ** X_RANGE[0], 10.0 ** X_RANGE[0]), (1.0, 1.0), (10.0 ** X_RANGE[1], 1.0)]
    line = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in roof)
    yield f'<polyline class="roof" points="{line}"/>'
    yield _text(_x(0.03), _y(0.3), "bound by memory", ' class="muted"')
    yield _text(_x(2.2), _y(0.6), "bound by the cores", ' class="muted"')
    yield _text(_x(1.2), _y(0.002), "below the roof: launches", ' class="muted"')
    middle = left + width / 2
    yield _text(middle, top + height + 36, "time of the cores / time of the memory", ' text-anchor="middle"')
    turn = f' text-anchor="middle" transform="rotate(-90 16 {top + height / 2:.0f})"'
    yield _text(16, top + height / 2, "share of the time in which the cores work", turn)


def _dots(found: list[Point]) -> Iterator[str]:
    """Yield the dots, each with its words, and names beside them where there is room."""
    named: list[tuple[float, float]] = []
    for point in found:
        x, y = _x(point.intensity), _y(point.share)
        circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(_words(point))}</title></circle>'
        label = ""
        if all(abs(x - left) > LABEL[0] or abs(y - top) > LABEL[1] for left, top in named):
            named.append((x, y))
            label = _text(x + 6, y + 4, point.kind, ' font-size="9"')
        yield f'<g class="{point.group}">{circle}{label}</g>'


def _words(point: Point) -> str:
    us, bound = point.price.time, point.price.bound
    work = f"{point.price.load.macs / 1e6:.4g} million multiply-adds, {point.price.traffic_bytes / 1e3:.4g} kB"
    return f"{point.count} {point.kind}, each {work}, {us.low:.3g} {us.middle:.3g} {us.high:.3g} us, bound: {bound}"


def _legend() -> Iterator[str]:
    y = HEIGHT - 12
    for place, group in enumerate(("encoder", "verification", "token")):
        x = PLOT[0] + 150 * place
        yield f'<circle class="{group}" cx="{x}" cy="{y - 4}" r="5"/>'
        yield _text(x + 10, y, group)


def _tiles(array: Array, planner: Planner, plan: Plan) -> Iterator[str]:
    """Yield the array as it lies: cores above, memory tiles and the way to DDR below."""
    cell = 240 / array.columns
    yield _text(MAP_LEFT, MAP_TOP - 14, f"{array.columns} columns of {array.rows} cores")
    for column in range(array.columns):
        x = MAP_LEFT + column * cell
        for row in range(array.rows + 2):
            y = MAP_TOP + 34 * row
            yield f'<rect class="tile" x="{x:.1f}" y="{y}" width="{cell - 4:.1f}" height="30"/>'
            name = "core" if row < array.rows else ("mem", "shim")[row - array.rows]
            yield _text(x + (cell - 4) / 2, y + 19, name, ' text-anchor="middle" font-size="9"')
    below = MAP_TOP + 34 * (array.rows + 2)
    yield f'<rect class="tile" x="{MAP_LEFT}" y="{below}" width="236" height="30"/>'
    yield _text(MAP_LEFT + 118, below + 19, "DDR", ' text-anchor="middle"')
    for place, line in enumerate(_facts(array, planner, plan)):
        yield _text(MAP_LEFT, below + 54 + 18 * place, line)


def _high(water: HighWater) -> tuple[str, ...]:
    return tuple(f"{n_bytes} bytes at most" for n_bytes in (water.l1_bytes, water.program_bytes, water.l2_bytes))


def _facts(array: Array, planner: Planner, plan: Plan) -> Iterator[str]:
    case, water = planner.model.cases["middle"], plan.high_water
    used = _high(water)
    channel = STREAM_BYTES * array.clock_ghz
    yield f"core, L1 {L1_KIB} KiB: {used[0]}"
    yield f"core, program {PROGRAM_KIB} KiB: {used[1]}"
    yield f"memory tile, L2 {L2_KIB} KiB: {used[2]}"
    yield f"shim: {array.shim_channels} + {array.shim_channels} channels of {channel:g} GB/s"
    yield f"DDR: {case.memory_gb_s:.3g} GB/s in long bursts"
    yield f"the model takes {plan.resident_bytes / 1e6:.0f} MB of it"
    tick = plan.tick_us * 1e-3
    yield f"a tick: {tick.low:.3g} to {tick.high:.3g} ms, mid {tick.middle:.3g}"
