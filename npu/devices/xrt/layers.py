"""The layers of Whisper as sequences of operators on the regions of a memory map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from amanuensis.kernels.operands import Count, Epilogue, Region
from amanuensis.kernels.operators import GemmBf16, GemmInt8, LayerNorm, Operator, QuantiseRows
from amanuensis.npu.device_weights import WeightMap
from amanuensis.npu.devices.xrt.memory import Area


@dataclass(frozen=True, slots=True)
class Layers:
    """Builds the operators of one half of the model.

    Attributes:
        part: whose activations in SCRATCH are used.
        scratch: the activations.
        weights: where the weights lie and in which precision.
        rows: how many rows are computed.

    """

    part: Literal["encoder", "decoder"]
    scratch: Area
    weights: WeightMap
    rows: Count

    def at(self, name: str, skip: int = 0) -> Region:
        """Return an activation of this half, or what lies `skip` bytes after its start."""
        return self.scratch.at(f"{self.part}.{name}", skip)

    def norm(self, name: str) -> LayerNorm:
        """Normalise the residual into `normed`."""
        return self.norm_of(name, self.at("residual"), self.at("normed"), self.rows)

    def norm_of(self, name: str, src: Region, dst: Region, rows: Count) -> LayerNorm:
        """Apply the layer norm called `name`."""
        gain, bias = self.weights.at(f"{name}.gain"), self.weights.at(f"{name}.bias")
        return LayerNorm(src, dst, gain, bias, rows, self.weights.width)

    def product(
        self, name: str, src: Region, dst: Region, epilogue: Epilogue, rows: Count | None = None
    ) -> Iterator[Operator]:
        """Multiply by the matrix called `name`, in the precision that its weights have.

        Args:
            name: of the product.
            src: bf16 [rows, k].
            dst: [rows, n] as the epilogue says.
            epilogue: what follows.
            rows: other than those of the half.

        """
        rows = self.rows if rows is None else rows
        matrix = self.weights.matrix(name)
        if matrix.precision == "bf16":
            yield GemmBf16(src, matrix.values, matrix.bias, dst, rows, matrix.k, matrix.n, epilogue)
            return
        assert matrix.scales is not None
        values, scales = self.at("int8"), self.at("scales")
        yield QuantiseRows(src, values, scales, rows, matrix.k, matrix.smooth)
        yield GemmInt8(
            values, scales, matrix.values, matrix.scales, matrix.bias, dst, rows, matrix.k, matrix.n, epilogue
        )

    def add_to_residual(self, name: str, src: Region) -> Iterator[Operator]:
        """Multiply and add to the residual stream."""
        residual = self.at("residual")
        return self.product(name, src, residual, Epilogue(residual=residual, out="f32"))

    def feed_forward(self, name: str) -> Iterator[Operator]:
        """Apply the second half of a layer: norm, widen, GELU, narrow, residual."""
        yield self.norm(f"{name}.final_layer_norm")
        yield from self.product(f"{name}.fc1", self.at("normed"), self.at("wide"), Epilogue(gelu=True))
        yield from self.add_to_residual(f"{name}.fc2", self.at("wide"))
