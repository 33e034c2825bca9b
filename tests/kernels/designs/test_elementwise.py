"""The elementwise design applies the real kernel to every tile."""

from __future__ import annotations

import numpy as np
import pytest

from amanuensis.kernels.designs._iron import ExternalFunction, NPU1Col1, NPU2Col1
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.elementwise import elementwise
from amanuensis.kernels.sim.run import simulate

SOURCE = """
#include <cstdint>
extern "C" void twice(const int16_t *__restrict a, int16_t *__restrict b, int32_t count) {
  for (int32_t i = 0; i < count; ++i) b[i] = static_cast<int16_t>(2 * a[i]);
}
"""
TILE = array_type((64,), np.int16)


@pytest.mark.parametrize("speed", ["exact", "object"])
@pytest.mark.parametrize("device", [NPU1Col1(), NPU2Col1()])
def test_every_element_is_computed(device: NPU1Col1 | NPU2Col1, speed: str) -> None:
    """The result is that of the kernel over the whole tensor, and the trace counts its tiles."""
    twice = ExternalFunction("twice", source_string=SOURCE, arg_types=[TILE, TILE, np.int32])
    source = np.arange(640, dtype=np.int16)
    result = np.zeros_like(source)
    trace = simulate(elementwise(device, twice, 640, 64, np.int16), source, result, speed=speed)  # type: ignore[arg-type]
    assert np.array_equal(result, 2 * source)
    assert list(trace.calls.values()) == [{"twice": 10}]
    assert (trace.bytes_read, trace.bytes_written) == (1280, 1280)


def test_tiles_divide_the_tensor() -> None:
    """Sizes that do not divide are refused by name and value."""
    twice = ExternalFunction("twice", source_string=SOURCE, arg_types=[TILE, TILE, np.int32])
    with pytest.raises(ValueError, match="elementwise: 100 elements are no multiple of the tile of 64"):
        elementwise(NPU1Col1(), twice, 100, 64, np.int16)
