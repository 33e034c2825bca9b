"""These tests run beside the systems that they compare with: `make test-long PART=parity`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

import pytest

if find_spec("numba") is None:  # openai-whisper imports it for word timestamps, which no test here uses
    stub = ModuleType("numba")
    stub.jit = lambda *_, **__: lambda function: function  # type: ignore[attr-defined]
    sys.modules["numba"] = stub


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Keep torch to one thread: the machine may be shared, and sums then have one order."""
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
