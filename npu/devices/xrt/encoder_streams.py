"""The dispatches of the encoder: features to states, states to the decoder's cross-attention keys and values."""

from __future__ import annotations

from collections.abc import Iterator

from amanuensis.kernels.operands import Count, Epilogue, Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, GemmBf16, Im2col, Operator
from amanuensis.npu.device_layers import cross_chunks, cross_name
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.layers import Layers
from amanuensis.npu.devices.xrt.stream_parts import PLAIN, Piece, StreamParts, operators_of


class EncoderStreams(StreamParts):
    """Builds the encoder's sequences; a window has a whole bucket of rows, of which attention sees FRAMES."""

    def encoding(self, bucket: int) -> list[Operator]:
        """Features in INPUT to states in OUTPUT, and to keys and values in the set ENCODING."""
        pieces = [*self.pieces(bucket), ("cross", list(self.crosses(bucket)))]
        states, given = self.scratch.at("states"), self.memory.encoder_output(bucket).at("states")
        return operators_of([*pieces, ("", [self._copy_states(bucket, states, given)])])

    def crossing(self, bucket: int) -> list[Operator]:
        """States in INPUT to keys and values in the set ENCODING."""
        given, states = self.memory.states_input(bucket).at("states"), self.scratch.at("states")
        frames = Parameter(par.FRAMES, bucket)
        return operators_of([("", [self._copy_states(bucket, given, states), *self.crosses(frames)])])

    def pieces(self, bucket: int) -> Iterator[Piece]:
        """Yield the encoder layer by layer; the last piece leaves the states in `states`."""
        layers = Layers("encoder", self.scratch, self.weights, bucket)
        yield "encoder.positions", list(self._convolutions(bucket, layers))
        for layer in range(self.memory.dimensions.encoder_layers):
            name = f"encoder.layers.{layer}"
            yield name, [*self._self_attention(layers, f"{name}.self_attn", bucket), *layers.feed_forward(name)]
        states = layers.norm_of("encoder.layer_norm", layers.at("residual"), self.scratch.at("states"), bucket)
        yield "encoder.layer_norm", [states]

    def _convolutions(self, bucket: int, layers: Layers) -> Iterator[Operator]:
        """Two convolutions over time, the second halving it, and the positions; bf16 in every precision."""
        dimensions, scratch = self.memory.dimensions, self.scratch
        features = self.memory.encoder_input(bucket).at("features")
        wave, taps1, taps2 = scratch.at("wave1"), scratch.at("taps1"), scratch.at("taps2")
        rows = Parameter(par.MEL_FRAMES, 2 * bucket)
        conv1, conv2 = self.weights.matrix("encoder.conv1"), self.weights.matrix("encoder.conv2")
        yield Im2col(features, taps1, rows, 2 * bucket, dimensions.n_mels, 1, conv1.k, "bf16")
        yield GemmBf16(taps1, conv1.values, conv1.bias, wave, 2 * bucket, conv1.k, conv1.n, Epilogue(gelu=True))
        yield Im2col(wave, taps2, rows, bucket, dimensions.width, 2, conv2.k, "bf16")
        end = Epilogue(gelu=True, residual=self.weights.at("encoder.positions"), out="f32")
        yield GemmBf16(taps2, conv2.values, conv2.bias, layers.at("residual"), bucket, conv2.k, conv2.n, end)

    def _self_attention(self, layers: Layers, name: str, bucket: int) -> Iterator[Operator]:
        yield layers.norm(f"{name}_layer_norm")
        yield from layers.product(f"{name}.qkv", layers.at("normed"), layers.at("qkv"), PLAIN)
        heads = self.memory.dimensions.encoder_heads
        size = self.memory.dimensions.width // heads
        vector = self.vector_bytes
        yield Attention(
            q=layers.at("qkv"),
            k=layers.at("qkv", vector),
            v=layers.at("qkv", 2 * vector),
            dst=layers.at("mixed"),
            rows=bucket,
            keys=Parameter(par.FRAMES, bucket),
            heads=heads,
            size=size,
            causal=False,
            first=0,
            scale=size**-0.5,
            q_pitch=3 * vector,
            kv_pitch=3 * vector,
        )
        yield from layers.add_to_residual(f"{name}.out_proj", layers.at("mixed"))

    def crosses(self, rows: Count) -> Iterator[Operator]:
        """Compute keys and values of all decoder layers from the states in SCRATCH, chunk by chunk."""
        layers = Layers("encoder", self.scratch, self.weights, rows)
        for chunk in cross_chunks(self.memory.dimensions):
            target = self.cross(chunk, 0, par.ENCODING)
            yield from layers.product(cross_name(chunk), self.scratch.at("states"), target, PLAIN)

    def _copy_states(self, bucket: int, source: Region, target: Region) -> Operator:
        vector = self.vector_bytes
        return CopyRows(source, target, Parameter(par.FRAMES, bucket), vector, vector, vector)
