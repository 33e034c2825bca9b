"""Plots of the measurements as SVG, without a library: bars, and curves over a linear axis. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

from amanuensis.benchmarks.systems import OURS
from amanuensis.benchmarks.targets import Results

Points: TypeAlias = Sequence[tuple[float, float]]
COLOURS = ("#b04a00", "#2e5e8c", "#5b7f3a", "#8a5fa8", "#8a8f98", "#c19a00", "#3b8686")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 340, 70, 190, 40, 50
BAR = 26  # height of a bar with its gap


def draw_all(results: Results) -> dict[str, str]:
    """Return the plots that the results have data for, by name."""
    drawn: dict[str, str] = {}
    if "live" in results:
        cost = {name: each["cpu_s_per_s"]["median"] for name, each in results["live"]["systems"].items()}
        drawn["cost"] = bars("CPU seconds per second of live audio, same weights", cost)
    if "latency-base" in results:
        drawn["latency"] = curves("Latency of words, base", "seconds", "share of words, %", _latencies(results))
    if "density-base" in results:
        loads = sorted(results["density-base"]["density"]["loads"], key=lambda load: int(load["streams"]))
        series = {
            f"lag {point}": [(float(load["streams"]), load[f"lag_{point}_ms"] / 1000) for load in loads]
            for point in ("p50", "p95")
        }
        drawn["density"] = curves("Lag of live base streams, continuous speech", "streams", "seconds", series)
    memory = {name.removeprefix("memory-"): results[name]["speaking"] for name in results if name.startswith("memory-")}
    if any(memory.values()):
        series = {
            name: [(at_s / 60, held["pss_mb"]) for at_s, held in runs[0]] for name, runs in memory.items() if runs
        }
        drawn["memory"] = curves("Memory of daemon and engine (PSS)", "minutes of speech", "MB", series)
    return drawn


def _latencies(results: Results) -> dict[str, Points]:
    """Return how large a share of the words had come after how long, up to P99; words guessed earlier stand at 0."""
    return {
        f"{kind}, {load}": [
            (values[round(share / 100 * (len(values) - 1))], float(share)) for share in range(1, 100, 2)
        ]
        for load, kinds in results["latency-base"]["values"].items()
        for kind, values in kinds.items()
        if values and "recorded" not in load
    }


def _share(values: Sequence[float], share: int) -> float:
    return values[round(share / 100 * (len(values) - 1))]


def bars(title: str, values: Mapping[str, float]) -> str:
    """Return horizontal bars on a logarithmic axis, ours in its own colour; all values above 0."""
    height = TOP + BAR * len(values) + 16
    low, high = min(values.values()) / 2, max(values.values())
    body: list[str] = []
    for k, (name, value) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        y = TOP + k * BAR
        width = (WIDTH - 300) * math.log(value / low) / math.log(high / low)
        colour = COLOURS[0] if name == OURS else COLOURS[1]
        body.append(f'<text x="200" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        body.append(f'<rect x="210" y="{y + 3}" width="{width:.1f}" height="{BAR - 8}" fill="{colour}"/>')
        body.append(f'<text x="{215 + width:.1f}" y="{y + 15}">{value:.3g}</text>')
    return _svg(f"{title} (logarithmic)", height, body)


def curves(title: str, x_name: str, y_name: str, series: Mapping[str, Points]) -> str:
    """Return curves through points, both axes linear from 0."""
    x_high = _nice(max((x for points in series.values() for x, _ in points), default=1.0))
    y_high = _nice(max((y for points in series.values() for _, y in points), default=1.0))
    body = [*_axis(x_name, x_high, is_x=True), *_axis(y_name, y_high, is_x=False)]
    for k, (name, points) in enumerate(series.items()):
        colour = COLOURS[k % len(COLOURS)]
        places = [(_x(x, x_high), _y(y, y_high)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places if len(places) < 40]
        y_text = TOP + 8 + 18 * k
        body.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{y_text - 9}" width="12" height="10" fill="{colour}"/>')
        body.append(f'<text x="{WIDTH - RIGHT + 32}" y="{y_text}">{escape(name)}</text>')
    return _svg(title, HEIGHT, body)


def _axis(name: str, high: float, *, is_x: bool) -> list[str]:
    parts: list[str] = []
    for k in range(6):
        value = high * k / 5
        if is_x:
            x = _x(value, high)
            parts.append(f'<path d="M{x:.1f} {TOP} V{HEIGHT - BOTTOM}" stroke="#e3e6ea"/>')
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:g}</text>')
        else:
            y = _y(value, high)
            parts.append(f'<path d="M{LEFT} {y:.1f} H{WIDTH - RIGHT}" stroke="#e3e6ea"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    x, y = ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12) if is_x else (LEFT, TOP - 8)
    parts.append(f'<text x="{x}" y="{y}" text-anchor="middle" fill="#4c566a">{escape(name)}</text>')
    return parts


def _x(value: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / high


def _y(value: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / high


def _nice(high: float) -> float:
    """Return the next of 1, 2, 2.5 and 5 times a power of ten at or above a value; 1 for nothing."""
    if high <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(high))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= high * 0.999)


def _svg(title: str, height: float, body: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    text = f'<text x="{LEFT}" y="18" font-size="14" font-weight="bold">{escape(title)}</text>'
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            text,
            *body,
            "</svg>",
            "",
        ]
    )
