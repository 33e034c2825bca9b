"""Tiles and devices: what stands where on the array.

Geometry after mlir-aie `include/aie/Dialect/AIE/IR/AIETargetModel.h`: row 0 shim, row 1 memory, rows 2 to 5 cores.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from amanuensis.kernels.sim.errors import DesignError

ROWS: Final = 6
FIRST_CORE_ROW: Final = 2


class AIETileType(Enum):
    """Kinds of tiles, named as in the dialect."""

    CoreTile = 0
    MemTile = 1
    ShimNOCTile = 2


class AIEArch(Enum):
    """Generations of the array."""

    AIE2 = 2
    AIE2p = 3


class Tile:
    """A tile that a design asks for: placed, partly placed (one coordinate), or any of a kind.

    Two Tile objects are different tiles of the design even at the same place, as in the real API.
    """

    def __init__(
        self,
        col: int | None = None,
        row: int | None = None,
        *,
        tile_type: AIETileType | None = None,
        allocation_scheme: str | None = None,
    ) -> None:
        self.col = col
        self.row = row
        self.tile_type = tile_type
        self.allocation_scheme = allocation_scheme

    def copy(self) -> Tile:
        """Return another tile of the same demands."""
        return Tile(self.col, self.row, tile_type=self.tile_type, allocation_scheme=self.allocation_scheme)

    def with_type(
        self, tile_type: AIETileType, *, allocation_scheme: str | None = None, mismatch_msg: str | None = None
    ) -> Tile:
        """Return a new tile of a kind at the same coordinates.

        Raises:
            DesignError: the tile is of another kind already.

        """
        if self.tile_type not in {None, tile_type}:
            raise DesignError(mismatch_msg or f"{self} is no {tile_type.name}")
        scheme = self.allocation_scheme if allocation_scheme is None else allocation_scheme
        return Tile(self.col, self.row, tile_type=tile_type, allocation_scheme=scheme)

    def __str__(self) -> str:
        kind = self.tile_type.name if self.tile_type else "Tile"
        return f"{kind}({'?' if self.col is None else self.col}, {'?' if self.row is None else self.row})"


AnyShimTile: Final = Tile(tile_type=AIETileType.ShimNOCTile)
AnyMemTile: Final = Tile(tile_type=AIETileType.MemTile)
AnyComputeTile: Final = Tile(tile_type=AIETileType.CoreTile)


class Device:
    """An array of columns x 6 tiles."""

    _columns: int = 0
    _arch: AIEArch = AIEArch.AIE2

    @property
    def cols(self) -> int:
        """Number of columns."""
        return self._columns

    @property
    def rows(self) -> int:
        """Number of rows, shim and memory tiles included."""
        return ROWS

    @property
    def arch(self) -> AIEArch:
        """Generation of the array."""
        return self._arch

    def get_tile_type(self, col: int, row: int) -> AIETileType:
        """Return what stands at a place.

        Raises:
            DesignError: the place lies outside the array.

        """
        if not (0 <= col < self.cols and 0 <= row < self.rows):
            raise DesignError(
                f"tile ({col}, {row}) lies outside {self}, which has {self.cols} columns and {self.rows} rows"
            )
        if row >= FIRST_CORE_ROW:
            return AIETileType.CoreTile
        return AIETileType.MemTile if row else AIETileType.ShimNOCTile

    def __str__(self) -> str:
        return type(self).__name__


class NPU1(Device):
    """Phoenix, Hawk Point: four usable columns of AIE2."""

    _columns = 4


class NPU1Col1(NPU1):
    """One column of NPU1."""

    _columns = 1


class NPU1Col2(NPU1):
    """Two columns of NPU1."""

    _columns = 2


class NPU1Col3(NPU1):
    """Three columns of NPU1."""

    _columns = 3


class NPU2(Device):
    """Strix, Strix Halo, Krackan: eight columns of AIE2P."""

    _columns = 8
    _arch = AIEArch.AIE2p


class NPU2Col1(NPU2):
    """One column of NPU2."""

    _columns = 1


class NPU2Col2(NPU2):
    """Two columns of NPU2."""

    _columns = 2


class NPU2Col3(NPU2):
    """Three columns of NPU2."""

    _columns = 3


class NPU2Col4(NPU2):
    """Four columns of NPU2."""

    _columns = 4


class NPU2Col5(NPU2):
    """Five columns of NPU2."""

    _columns = 5


class NPU2Col6(NPU2):
    """Six columns of NPU2."""

    _columns = 6


class NPU2Col7(NPU2):
    """Seven columns of NPU2."""

    _columns = 7


_DEVICES: Final[dict[int, dict[int, type[Device]]]] = {
    1: {1: NPU1Col1, 2: NPU1Col2, 3: NPU1Col3, 4: NPU1},
    2: {
        1: NPU2Col1,
        2: NPU2Col2,
        3: NPU2Col3,
        4: NPU2Col4,
        5: NPU2Col5,
        6: NPU2Col6,
        7: NPU2Col7,
        8: NPU2,
    },
}
_FAMILIES: Final = {"npu": 1, "npu1": 1, "npu2": 2}


def from_name(name: str, *, n_cols: int | None = 1) -> Device:
    """Return the device of a family (`npu`, `npu1`, `npu2`) with so many columns, None for all.

    Raises:
        DesignError: no such family, or it has fewer columns.

    """
    family = _FAMILIES.get(name.lower())
    if family is None:
        raise DesignError(f"no device is called {name!r}; there are {', '.join(_FAMILIES)}")
    sizes = _DEVICES[family]
    columns = max(sizes) if n_cols is None else n_cols
    if columns not in sizes:
        raise DesignError(f"{name} has 1 to {max(sizes)} columns, not {columns}")
    return sizes[columns]()
