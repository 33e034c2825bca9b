"""Where everything lies on the device: the regions of the five buffers of a dispatch, for one model.

K and V rows: the row of a position holds keys and values of decoder layers one after another (layer 0 keys, layer 0
values, layer 1 keys ...), each bf16 [width]: of all layers in the self-attention slots, so that a beam is copied in one
piece, and of the layers of a chunk in the cross-attention sets, so that each chunk is what one product makes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from amanuensis.kernels.layout import TILE_COLUMNS
from amanuensis.kernels.operands import ALIGNMENT_BYTES, PARAMETERS_BYTES, Buffer, Parameter, Region
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.npu.device_layers import cross_chunks, cross_name
from amanuensis.npu.model_config import Dimensions
from amanuensis.npu.model_error import ModelError

BUCKETS: Final = (256, 512, 768, 1024, 1536)  # positions of the encoder: multiples of 4 tiles of 64 rows
BLOCK_ROWS: Final = 32  # tokens of one decoder dispatch
SLOTS: Final = 16  # caches of self-attention, one a beam
MIN_ENCODINGS: Final = 2  # windows whose cross-attention is resident: one being decoded, one being encoded
ENCODINGS: Final = 4  # the same where that costs little: several streams can then be decoded in one batch
LARGE_ENCODING_BYTES: Final = 32 << 20
TAPS: Final = 3  # of Whisper's convolutions
BF16_BYTES: Final = 2
F32_BYTES: Final = 4
RECEIPT_BYTES: Final = ALIGNMENT_BYTES  # at the start of OUTPUT: what the host wrote into the last parameters
RECEIPT_OFFSET: Final = PARAMETERS_BYTES - RECEIPT_BYTES  # of what is copied there, in INPUT
WIDTH_MULTIPLE: Final = 32  # so that a row of bf16 starts on a line


class Area:
    """Regions of one buffer by name, placed one after another on lines."""

    def __init__(self, buffer: Buffer) -> None:
        self.n_bytes = 0
        self._buffer = buffer
        self._offsets: dict[str, int] = {}

    def add(self, name: str, n_bytes: int) -> None:
        """Place a region at the end."""
        self._offsets[name] = self.n_bytes
        self.n_bytes += aligned(n_bytes)

    def offset(self, name: str) -> int:
        """Return where a region starts, in bytes."""
        return self._offsets[name]

    def at(self, name: str, skip: int = 0, index: Parameter | None = None, stride: int = 0) -> Region:
        """Return the region, or what lies `skip` bytes after its start, moved by a parameter."""
        return Region(self._buffer, self._offsets[name] + skip, index, stride)


def aligned(n_bytes: int) -> int:
    """Return a size rounded up to whole lines."""
    return -(-n_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory map of a model; every stream of it is built from this.

    Attributes:
        dimensions: of the model.
        alignment_heads: how many attention rows a token has in the answer.
        buckets: audio contexts, in ascending order.
        slots: caches of self-attention.
        encodings: sets of cross-attention keys and values.

    """

    dimensions: Dimensions
    alignment_heads: int
    buckets: tuple[int, ...]
    slots: int = SLOTS
    encodings: int = ENCODINGS

    @classmethod
    def plan(cls, dimensions: Dimensions, alignment_heads: int) -> Memory:
        """Return the map of a model; ModelError when its shape does not fit the device."""
        if dimensions.width % WIDTH_MULTIPLE:
            raise ModelError(
                f"d_model is {dimensions.width}; the NPU takes multiples of {WIDTH_MULTIPLE}: use --device cpu"
            )
        if dimensions.audio_positions > BUCKETS[-1]:
            raise ModelError(
                f"max_source_positions is {dimensions.audio_positions}; the NPU takes at most {BUCKETS[-1]}: "
                "use --device cpu"
            )
        longest = next(bucket for bucket in BUCKETS if bucket >= dimensions.audio_positions)
        memory = cls(dimensions, alignment_heads, tuple(bucket for bucket in BUCKETS if bucket <= longest))
        is_large = longest * memory.kv_row_bytes > LARGE_ENCODING_BYTES
        return replace(memory, encodings=MIN_ENCODINGS) if is_large else memory

    def bucket(self, frames: int) -> int:
        """Return the smallest bucket that holds so many frames; ModelError when there is none."""
        if not 1 <= frames <= self.dimensions.audio_positions:
            raise ModelError(
                f"a window of {frames} encoder frames; this model takes 1 to {self.dimensions.audio_positions}: "
                "cut the sound into shorter windows"
            )
        return next(bucket for bucket in self.buckets if bucket >= frames)

    @property
    def padded_vocabulary(self) -> int:
        """Columns of the logits."""
        return -(-self.dimensions.vocabulary // TILE_COLUMNS) * TILE_COLUMNS

    @property
    def kv_row_bytes(self) -> int:
        """Bytes of a position's keys and values in all decoder layers."""
        return self.dimensions.decoder_layers * self.layer_kv_bytes

    @property
    def layer_kv_bytes(self) -> int:
        """Bytes of a position's keys and values in one decoder layer."""
        return 2 * self.dimensions.width * BF16_BYTES

    def cache(self) -> Area:
        """Return CACHE: `self`, [slots, text_positions] rows, and of each chunk [encodings, longest bucket] rows."""
        area = Area(Buffer.CACHE)
        area.add("self", self.slots * self.dimensions.text_positions * self.kv_row_bytes)
        for layers in cross_chunks(self.dimensions):
            area.add(cross_name(layers), self.encodings * self.buckets[-1] * len(layers) * self.layer_kv_bytes)
        return area

    def scratch(self) -> Area:
        """Return SCRATCH: the activations of the encoder (longest bucket) and, apart from them, of the decoder."""
        area = Area(Buffer.SCRATCH)
        width, rows = self.dimensions.width, self.buckets[-1]
        area.add("taps1", 2 * rows * TAPS * self.dimensions.n_mels * BF16_BYTES)
        area.add("wave1", 2 * rows * width * BF16_BYTES)
        area.add("taps2", rows * TAPS * width * BF16_BYTES)
        self._add_layer(area, "encoder", rows, self.dimensions.encoder_ffn)
        area.add("states", rows * width * BF16_BYTES)
        self._add_layer(area, "decoder", BLOCK_ROWS, self.dimensions.decoder_ffn)
        area.add("logits", BLOCK_ROWS * self.padded_vocabulary * F32_BYTES)
        return area

    def _add_layer(self, area: Area, part: str, rows: int, ffn: int) -> None:
        width = self.dimensions.width
        area.add(f"{part}.residual", rows * width * F32_BYTES)
        area.add(f"{part}.normed", rows * width * BF16_BYTES)
        area.add(f"{part}.int8", rows * max(width, ffn))
        area.add(f"{part}.scales", rows * F32_BYTES)
        area.add(f"{part}.qkv", rows * 3 * width * BF16_BYTES)
        area.add(f"{part}.mixed", rows * width * BF16_BYTES)
        area.add(f"{part}.wide", rows * ffn * BF16_BYTES)

    def resident_bytes(self) -> int:
        """Return what a model takes on the device besides its weights and its instructions."""
        longest = self.buckets[-1]
        turns = self.encoder_input(longest).n_bytes + self.encoder_output(longest).n_bytes
        decoder = self.decoder_input().n_bytes + self.together_input().n_bytes + self.decoder_output().n_bytes
        return self.scratch().n_bytes + self.cache().n_bytes + self.encodings * turns + decoder

    def encoder_input(self, bucket: int) -> Area:
        """Return INPUT of an encoding: parameters, then `features`, bf16 [2 * bucket, n_mels]."""
        area = bare_input()
        area.add("features", 2 * bucket * self.dimensions.n_mels * BF16_BYTES)
        return area

    def states_input(self, bucket: int) -> Area:
        """Return INPUT of states that were computed elsewhere: parameters, then `states`, bf16 [bucket, width]."""
        area = bare_input()
        area.add("states", bucket * self.dimensions.width * BF16_BYTES)
        return area

    def encoder_output(self, bucket: int) -> Area:
        """Return OUTPUT of an encoding: the receipt, then `states`, bf16 [bucket, width]."""
        area = bare_output()
        area.add("states", bucket * self.dimensions.width * BF16_BYTES)
        return area

    def decoder_input(self) -> Area:
        """Return INPUT of a forward: parameters, `ids`, int32 [BLOCK_ROWS], and `rules`, RULES [BLOCK_ROWS]."""
        area = bare_input()
        area.add("ids", BLOCK_ROWS * 4)
        area.add("rules", BLOCK_ROWS * RULES.itemsize)
        return area

    def together_input(self) -> Area:
        """Return INPUT of a step of several streams: parameters, `ids`, int32 on a line each, and `rules`."""
        area = bare_input()
        area.add("ids", self.slots * ALIGNMENT_BYTES)
        area.add("rules", self.slots * RULES.itemsize)
        return area

    def decoder_output(self) -> Area:
        """Return OUTPUT of a forward: the receipt, `scores`, SCORES [BLOCK_ROWS], `hidden`, and `attention`.

        Hidden is bf16 [width], the row that a step with a shortlist has projected. Attention is float32 [alignment
        heads, rows, bucket], where rows are those of the dispatch; of several streams [rows, alignment heads, bucket].
        """
        area = bare_output()
        area.add("scores", BLOCK_ROWS * SCORES.itemsize)
        area.add("hidden", self.dimensions.width * BF16_BYTES)
        area.add("attention", max(1, self.alignment_heads) * BLOCK_ROWS * self.buckets[-1] * F32_BYTES)
        return area


def bare_input() -> Area:
    """Return INPUT with nothing but the parameters."""
    area = Area(Buffer.INPUT)
    area.add("parameters", PARAMETERS_BYTES)
    return area


def bare_output() -> Area:
    """Return OUTPUT with nothing but the receipt."""
    area = Area(Buffer.OUTPUT)
    area.add("receipt", RECEIPT_BYTES)
    return area
