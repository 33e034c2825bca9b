"""Compiling with stand-ins for mlir-aie's package, aiecc and Peano: nobody has done it with the real ones yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from amanuensis.kernels.compile.build import Order, build
from amanuensis.kernels.compile.cache import Cache
from amanuensis.kernels.compile.errors import CompileError
from amanuensis.kernels.compile.manifest import MANIFEST, Manifest, load_manifest
from amanuensis.kernels.compile.template import bound
from amanuensis.kernels.compile.toolchain import find_toolchain
from amanuensis.kernels.compile.tools import CompilingMaker
from amanuensis.kernels.compile.work import DESIGNS, Dispatched, Work
from amanuensis.kernels.operands import PARAMETERS_BYTES, Buffer, Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, LayerNorm, Nop, Operator
from amanuensis.kernels.program import Architecture
from tests.helpers.toolchain_stand_ins import StandIns, install
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler  # the limits of the device are checked with the host's build of the kernels
ROWS = (9, 300)
PLACES = [Region(Buffer.SCRATCH, n << 20) for n in range(4)]


def attention(rows: int, size: int = 64) -> Attention:
    """Return an attention whose number of keys is known at run time, up to 40."""
    keys = Parameter(3, 40)
    return Attention(*PLACES, rows, keys, heads=2, size=size, causal=False, first=0, scale=size**-0.5)


def work(*rows: int) -> Work:
    """Return attentions of an encoder, twice each, and what is no work for the array."""
    operators = tuple(attention(n) for n in (*rows, *rows))
    sizes = (64, 4 << 20, 64, PARAMETERS_BYTES, 64)
    return Work("small", (Dispatched("encoder", (Nop(), *operators)),), {}, sizes)


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """Put the stand-ins in the place of the tools."""
    return install(tmp_path / "tools", monkeypatch)


def order(
    tmp_path: Path, made: Work, architecture: Architecture = "npu1", modules: Mapping[str, str] | None = None
) -> Order:
    """Return what to compile, with the designs of this version."""
    chosen = {"attention": DESIGNS["attention"]} if modules is None else modules
    cache = Cache(tmp_path / "cache")
    maker = CompilingMaker(architecture, find_toolchain(), cache, chosen, made.buffer_bytes)
    return Order(made, architecture, maker, tmp_path / "out" / architecture, chosen)


def named(*operators: Operator, configuration: str = "attention") -> str:
    """Return the name of the launch of operators."""
    made = bound(configuration, operators, {})
    assert made is not None
    return made.template.name


def build_it(tmp_path: Path, *rows: int, architecture: Architecture = "npu1") -> Manifest:
    """Compile attentions of so many rows."""
    return build(order(tmp_path, work(*rows), architecture))


@pytest.mark.parametrize(("architecture", "target"), [("npu1", "aie2"), ("npu2", "aie2p")])
def test_a_configuration_and_its_launches(
    tmp_path: Path, stand_ins: StandIns, architecture: Architecture, target: str
) -> None:
    """One xclbin, one file of instructions for each operator once, kernels for the cores of the architecture."""
    seen: list[tuple[str, int, int]] = []
    made = build(order(tmp_path, work(*ROWS), architecture), lambda *step: seen.append(step))
    folder = tmp_path / "out" / architecture
    assert load_manifest(folder, architecture) == made
    assert (set(made.configurations), len(made.launches), made.lacking) == ({"attention"}, 2, ())
    whats = sorted(launch.what for launch in made.launches.values())
    assert whats == [f"Attention of {n} rows, 1 keys, 2 heads of 64" for n in (300, 9)]
    launch = made.launches[named(attention(9))]
    assert [str(variable) for variable in launch.variables] == ["base 1", "parameter 0"]
    assert (folder / launch.instructions.file).stat().st_size % 4 == 0
    assert named(attention(10)) not in made.launches
    assert seen == [("attention: kernels", 0, 4), ("attention: array", 1, 4)] + [
        ("attention: Attention", done, 4) for done in (2, 3)
    ]
    compiled = stand_ins.calls("clang++")
    include = f"-I{stand_ins.root / 'mlir_aie' / 'include'}"
    assert compiled
    assert all(f"--target={target}-none-unknown-elf" in call and "-std=c++20" in call for call in compiled)
    assert all(include in call for call in compiled)
    gets = [next(word for word in call.split() if word.startswith("--get")) for call in stand_ins.calls("aiecc")]
    assert gets == ["--get-xclbin", *["--get-npu-insts"] * 8]  # each of two launches at four settings
    assert made.tools == {"aiecc": "stand-in aiecc 1", "mlir-aie": "not installed by pip", "peano": "stand-in clang 1"}


def test_what_is_compiled_is_kept(tmp_path: Path, stand_ins: StandIns) -> None:
    """A second build asks no compiler; one launch more costs one call; what is named no more is removed."""
    first = build_it(tmp_path, *ROWS)
    calls = len(stand_ins.log.read_text().splitlines())
    assert build_it(tmp_path, *ROWS) == first
    assert len(stand_ins.log.read_text().splitlines()) == calls
    more = build_it(tmp_path, 17, 300)
    assert len(stand_ins.log.read_text().splitlines()) == calls + 4  # settings of the one that is new
    assert more.configurations == first.configurations
    held = {path.name for path in (tmp_path / "out" / "npu1").iterdir()}
    assert held == {MANIFEST, *(stored.file for stored in more.files())}


def test_another_version_of_a_tool_compiles_anew(tmp_path: Path, stand_ins: StandIns) -> None:
    """What an older compiler made is not taken for the work of a newer one."""
    wanted = order(tmp_path, work(9))
    build(wanted)
    calls = len(stand_ins.log.read_text().splitlines())
    assert isinstance(wanted.maker, CompilingMaker)
    tools = wanted.maker.toolchain
    newer = replace(tools, versions=tools.versions | {"peano": "stand-in clang 2"})
    build(replace(wanted, maker=replace(wanted.maker, toolchain=newer)))
    assert len(stand_ins.log.read_text().splitlines()) == 2 * calls


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(
    ("variable", "message", "output"),
    [
        (
            "CLANG_FAILS",
            r"compiling \w+.cc to \w+.o failed: clang\+\+ left with status 1",
            "kernel.cc:7",
        ),
        (
            "AIECC_FAILS",
            "compiling attention for npu1 failed: aiecc left with status 3",
            "out of tiles\nerror: too big",
        ),
        ("AIECC_WRITES_NOTHING", "said that all went well and did not write", ""),
    ],
)
def test_a_failure_leaves_the_old_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, message: str, output: str
) -> None:
    """All that the tool said is told, and the folder is as it was; nothing half done is kept."""
    first = build_it(tmp_path, 9)
    monkeypatch.setenv(variable, "too big")
    again = order(tmp_path, work(9, 300))
    assert isinstance(again.maker, CompilingMaker)
    fresh = replace(again, maker=replace(again.maker, cache=Cache(tmp_path / "empty")))
    with pytest.raises(CompileError, match=message) as error:
        build(fresh)
    assert output in error.value.output
    assert load_manifest(tmp_path / "out" / "npu1", "npu1") == first
    assert not [path for path in (tmp_path / "empty").rglob("*") if path.suffix not in (".o", ".xclbin")]


@pytest.mark.usefixtures("stand_ins")
def test_operators_without_a_design_are_told(tmp_path: Path) -> None:
    """An operator that no design covers, or that its design refuses, is named; the others are compiled."""
    norm = LayerNorm(*PLACES, rows=4, width=64)
    operators = (attention(9), attention(9, size=24), norm)
    mixed = replace(work(9), sequences=(Dispatched("encoder", operators),))
    made = build(order(tmp_path, mixed))
    assert len(made.launches) == 1
    assert made.lacking[0] == "LayerNorm of the encoder"
    assert made.lacking[1].startswith("Attention on attention (")
    assert "24" in made.lacking[1]


@pytest.mark.usefixtures("stand_ins")
def test_operators_that_one_launch_may_do_are_one_launch(tmp_path: Path) -> None:
    """A run of the decoder is one launch; where it has an operator that is refused, the others are launches alone."""
    norm = LayerNorm(*PLACES, rows=4, width=256)
    narrow = replace(norm, width=8)
    copy = CopyRows(PLACES[0], PLACES[1], rows=4, row_bytes=64, src_pitch=64, dst_pitch=64)
    sequences = Dispatched("decoder", (norm, copy)), Dispatched("decoder", (copy, narrow))
    mixed = replace(work(9), sequences=sequences)
    made = build(order(tmp_path, mixed, modules={"decoder": DESIGNS["decoder"]}))
    assert named(norm, copy, configuration="decoder") in made.launches
    assert named(copy, configuration="decoder") in made.launches
    assert len(made.launches) == 2
    (refused,) = made.lacking
    assert refused.startswith("LayerNorm on decoder (LayerNorm.width is 8")


@pytest.mark.usefixtures("stand_ins")
def test_a_version_without_designs_says_so(tmp_path: Path) -> None:
    """There is nothing to compile, and no folder is made."""
    with pytest.raises(CompileError, match="no designs: none of products is there"):
        build(order(tmp_path, work(9), modules={"products": "amanuensis.kernels.designs.nowhere"}))
    assert not (tmp_path / "out").exists()


ODD = """
from amanuensis.kernels.designs import attention_launch
from amanuensis.kernels.designs._iron import *
from amanuensis.kernels.designs._types import array_type
from amanuensis.kernels.designs.launch import Launch
from amanuensis.kernels.operators import Attention
import numpy as np
COVERS = frozenset({Attention})
BYTES = 4 * 1024

def launch(operator, memory, device):
    part = array_type((BYTES,), np.int8)
    words = array_type((BYTES // 4,), np.int32)
    fifo = ObjectFifo(part, name=f"in_{operator.rows}" if DIFFER else "in")
    out = fifo.cons().forward(name="out")

    def sequence(a, source, target):
        group = TaskGroup()
        source.fill(a, group=group)
        target.drain(a, wait=True, group=group)
        group.finish()

    runtime = Runtime(sequence, [words, fifo.prod(), out.cons()])
    return Launch("attention", Program(device, runtime), "odd")
"""


@pytest.mark.usefixtures("stand_ins")
def test_launches_of_one_configuration_share_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch that needs another array than the one that is compiled is refused before aiecc is asked."""
    design = tmp_path / "python" / "odd_design.py"
    design.parent.mkdir()
    design.write_text(f"DIFFER = True\n{ODD}")
    monkeypatch.syspath_prepend(str(design.parent))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'tools' / 'mlir_aie' / 'python'}:{design.parent}")
    with pytest.raises(CompileError, match=r"attention: the launches of Attention .* have different graphs"):
        build(order(tmp_path, work(*ROWS), modules={"attention": "odd_design"}))


@pytest.mark.usefixtures("stand_ins")
def test_a_design_over_a_limit_is_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator names fifo, tile and value before any tool is asked."""
    design = tmp_path / "python" / "large_design.py"
    design.parent.mkdir()
    design.write_text(f"DIFFER = False\n{ODD}\nBYTES = 1 << 20\n")
    monkeypatch.syspath_prepend(str(design.parent))
    with pytest.raises(CompileError, match="attention does not fit npu1") as error:
        build(order(tmp_path, work(9), modules={"attention": "large_design"}))
    assert "no memory tile of NPU1" in error.value.output
    assert "2097152 B" in error.value.output
