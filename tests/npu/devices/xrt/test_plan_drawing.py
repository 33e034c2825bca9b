"""Plans as drawings."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from amanuensis.kernels.cost.parameters import BASIS, MODELS
from amanuensis.kernels.program import ARCHITECTURES, Architecture
from amanuensis.npu.devices.xrt.plan import Planner, plan
from amanuensis.npu.devices.xrt.plan_drawing import HEIGHT, PLOT, WIDTH, drawing, points
from amanuensis.npu.model_config import default_alignment_heads
from tests.npu.devices.xrt.test_memory import BASE

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_drawing_holds_every_operator_and_every_tile(architecture: Architecture) -> None:
    """Well-formed, in both colours, with a dot for each kind and price of operator and a box for each tile."""
    planner = Planner(BASE, default_alignment_heads(BASE), MODELS[architecture])
    made = plan(planner, 250)
    text = drawing("a <&> b", planner, made)
    root = ET.fromstring(text)
    assert (root.tag, root.get("viewBox")) == (f"{SVG}svg", f"0 0 {WIDTH} {HEIGHT}")
    title = root.findtext(f"{SVG}title")
    assert title is not None
    assert title.startswith("Whisper a <&> b on npu")
    assert BASIS in title
    assert "prefers-color-scheme: dark" in text
    dots = [circle for group in root.iter(f"{SVG}g") for circle in group.iter(f"{SVG}circle")]
    found = points(made)
    assert len(dots) == len(found)
    assert sum(point.count for point in found) == sum(
        len(dispatch.steps) for dispatch in (made.encoder, made.verification, made.token)
    )
    assert {point.kind for point in found} >= {"GemmInt8", "GemmBf16", "Attention", "LayerNorm", "Select", "CopyRows"}
    columns = {"npu1": 4, "npu2": 8}[architecture]
    assert [text.text for text in root.iter(f"{SVG}text")].count("core") == 4 * columns


def test_dots_lie_in_the_plot_and_under_the_roof() -> None:
    """No operator computes for longer than it takes, nor more than the memory lets it."""
    planner = Planner(BASE, default_alignment_heads(BASE), MODELS["npu1"])
    made = plan(planner, 250)
    for point in points(made):
        assert 0 <= point.share < min(1.0, point.intensity) or point.share == 0.0
    left, top, width, height = PLOT
    for group in ET.fromstring(drawing("base", planner, made)).iter(f"{SVG}g"):
        circle = group.find(f"{SVG}circle")
        assert circle is not None
        assert left <= float(circle.get("cx", "nan")) <= left + width
        assert top <= float(circle.get("cy", "nan")) <= top + height
