"""The nodes of a cluster: their devices and names."""

from __future__ import annotations

import pytest

from amanuensis.daemon.cluster.nodes import Node, named
from amanuensis.npu.engine.api import Device

NPU_AND_CPU, CPU, NOTHING = (Node(f"{k:032x}", "n", "10.0.0.1", *has) for k, has in enumerate([(4, 1), (4, 0), (0, 0)]))


@pytest.mark.parametrize(
    ("node", "asked", "devices"),
    [
        (NPU_AND_CPU, "auto", ("npu", "cpu")),
        (NPU_AND_CPU, "cpu", ("cpu",)),
        (NPU_AND_CPU, "npu", ("npu",)),
        (NPU_AND_CPU, "sim", ("sim",)),
        (CPU, "auto", ("cpu",)),
        (CPU, "npu", ()),
        (NOTHING, "auto", ()),
        (NOTHING, "cpu", ()),
    ],
)
def test_a_node_has_a_host_for_each_device(node: Node, asked: Device, devices: tuple[Device, ...]) -> None:
    """Of those that it offers as resources, what the settings ask for."""
    assert node.devices(asked) == devices


def test_names_are_told_apart() -> None:
    """Two nodes of one name get some of their ids."""
    first, second, other = Node("a" * 32, "n", "", 1, 0), Node("b" * 32, "n", "", 1, 0), Node("c" * 32, "m", "", 1, 0)
    assert [node.name for node in named([first, second, other])] == ["n-aaaaaa", "n-bbbbbb", "m"]
