"""Flame graphs from sampled stacks."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from amanuensis.benchmarks.flame import owner, shares, stacks, svg, tree

ENGINE = 'process 2:"python -m amanuensis.npu.engine";Thread.run (threading.py:982);decode (npu/decode.py:10)'
DAEMON = 'process 1:"amanuensis serve";main (daemon/main.py:71)'
RAW = [
    f"{ENGINE};run (onnxruntime/capi/session.py:5) 6",
    f"{ENGINE};run (onnxruntime/capi/session.py:7) 1",
    f"{ENGINE} 1",
    f"{DAEMON};receive (stream/session.py:3) 2",
    f"{DAEMON};EpollSelector.select (selectors.py:468) 90",
    f"{DAEMON};load_model (npu/loading.py:1);read (json.py:1) 50",
]


def test_waiting_and_starting_do_not_count() -> None:
    """What is left are the stacks that work, by process, without the frames of every thread."""
    found = list(stacks(RAW))
    assert sum(samples for _, samples in found) == 10
    assert {frames[0] for frames, _ in found} == {"engine process", "daemon and console"}
    assert found[2] == (("engine process", "decode (npu/decode.py:10)"), 1)


def test_shares_are_of_what_a_function_does_itself() -> None:
    """Lines of a function are joined, and callers get nothing for what they call."""
    found = shares(stacks(RAW))
    assert list(found.values()) == [0.7, 0.2, 0.1]
    assert next(iter(found)) == "run (onnxruntime/capi/session.py)"
    assert [owner(frame) for frame in found] == ["onnxruntime", "amanuensis", "amanuensis"]


def test_boxes_lie_below_their_callers() -> None:
    """The drawing is XML whose rows are as wide as the samples of their callers at most."""
    drawn = ET.fromstring(svg(tree(stacks(RAW))))
    boxes = [box.attrib for box in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    widths = [(int(box["y"]) // 17, float(box["width"])) for box in boxes]
    assert sum(width for level, width in widths if level == 0) == 1200
    assert (1, 960.0) in widths  # decode, of 8 in 10 samples
    titles = [title.text or "" for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert "run (onnxruntime/capi/session.py:5) 60.0%" in titles
