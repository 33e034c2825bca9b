"""The shapes of Whisper's models that are known without a folder."""

from __future__ import annotations

from math import prod

import pytest

from amanuensis.npu.known_models import KNOWN_MODELS
from amanuensis.npu.model_files import expected_shapes


@pytest.mark.parametrize(("name", "millions"), [("tiny", 39), ("base", 74), ("small", 244), ("turbo", 809)])
def test_shapes_have_the_published_number_of_parameters(name: str, millions: int) -> None:
    """The README of openai/whisper counts them in millions."""
    parameters = sum(prod(shape) for _, shape in expected_shapes(KNOWN_MODELS[name]))
    assert parameters / 1e6 == pytest.approx(millions, rel=0.04)
