"""The memory map of a model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanuensis.npu.devices.xrt.memory import BUCKETS, ENCODINGS, MIN_ENCODINGS, Area, Memory
from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_error import ModelError

BASE = Dimensions(51865, 80, 512, 6, 8, 2048, 6, 8, 2048, 1500, 448, tied_embedding=True)


def areas(memory: Memory) -> list[Area]:
    """Return the buffers of a model."""
    longest = memory.buckets[-1]
    return [
        memory.scratch(),
        memory.cache(),
        memory.encoder_input(longest),
        memory.encoder_output(longest),
        memory.states_input(longest),
        memory.decoder_input(),
        memory.together_input(),
        memory.decoder_output(),
    ]


def test_regions_start_on_lines_and_follow_each_other() -> None:
    """No region begins before the one before it ends, and all begin on a line of 64 bytes."""
    for area in areas(Memory.plan(BASE, 8)):
        offsets = list(area._offsets.values())
        assert offsets == sorted(set(offsets))
        assert all(offset % 64 == 0 for offset in offsets)
        assert offsets[-1] < area.n_bytes


def test_an_area_gives_moved_regions() -> None:
    """Regions of an area carry what is skipped."""
    area = Area(1)  # type: ignore[arg-type]
    area.add("first", 65)
    area.add("second", 1)
    assert area.at("second", 4).offset == 128 + 4
    assert area.n_bytes == 192


@pytest.mark.parametrize(
    ("frames", "bucket"), [(1, 256), (256, 256), (257, 512), (600, 768), (1025, 1536), (1500, 1536)]
)
def test_windows_take_the_smallest_bucket(frames: int, bucket: int) -> None:
    """A window is computed in the smallest bucket that holds it."""
    assert Memory.plan(BASE, 8).bucket(frames) == bucket


def test_buckets_end_where_the_model_ends() -> None:
    """A model of a shorter audio context has no larger buckets than it can use."""
    assert Memory.plan(BASE, 8).buckets == BUCKETS
    short = Memory.plan(replace(BASE, audio_positions=500), 8)
    assert short.buckets == (256, 512)
    with pytest.raises(ModelError, match="a window of 501 encoder frames; this model takes 1 to 500"):
        short.bucket(501)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"width": 520}, "d_model is 520; the NPU takes multiples of 32"), ({"audio_positions": 3000}, "at most 1536")],
)
def test_shapes_that_the_device_cannot_take_are_refused(changes: dict[str, int], message: str) -> None:
    """One line names the dimension, its value and what to do."""
    with pytest.raises(ModelError, match=message) as error:
        Memory.plan(replace(BASE, **changes), 8)
    assert "use --device cpu" in str(error.value)


def test_large_models_keep_fewer_windows() -> None:
    """Sets of cross-attention keys and values are many where they are small."""
    assert Memory.plan(BASE, 8).encodings == ENCODINGS
    assert Memory.plan(replace(BASE, width=1280, decoder_layers=32), 8).encodings == MIN_ENCODINGS


def test_what_a_model_takes_is_the_sum_of_its_buffers() -> None:
    """The room that is checked before loading is that of all buffers with their turns."""
    memory = Memory.plan(BASE, 8)
    scratch, cache, given, answer, _, *decoder = (area.n_bytes for area in areas(memory))
    assert memory.resident_bytes() == scratch + cache + ENCODINGS * (given + answer) + sum(decoder)
