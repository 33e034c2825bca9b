"""The engine on a package of compiled launches: from contexts and patched instructions to the words of a clip."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from amanuensis.daemon.commands.doctor import examine
from amanuensis.kernels.compile.manifest import MANIFEST, Stored, load_manifest
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.calibration_sound import HELD_OUT, demo_windows
from amanuensis.npu.devices.xrt.errors import ProgramError
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.programs import FOLDER_VARIABLE
from amanuensis.npu.engine.api import EngineConfig, EngineError, NotEmbeddedError
from amanuensis.npu.loading import load_model
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.pyxrt_emulator import Fault, Settings
from amanuensis.npu.row_rules import Row, RowRules
from amanuensis.npu.rules import make_selection
from amanuensis.npu.speaker_graph import BUILTIN_NETWORK, read_weights, write_graph
from amanuensis.npu.speaker_network import SpeakerNetwork
from amanuensis.npu.speaker_sound import N_MELS, normalised
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import DecodeOptions, WindowJob, WindowResult
from tests.helpers.emulated_package import copy_of, simulated_package
from tests.kernels.cores import needs_compiler

pytestmark = needs_compiler
MAX_LOGPROB_DIFFERENCE = 0.05  # nats a token: an int8 may round the other way
ASK = RowRules(candidates=3)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every launch of the built-in model, for the emulator."""
    return simulated_package(tmp_path_factory.mktemp("programs"))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin and end with a device as it is, and no programs but those of the test."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    pyxrt_emulator.configure(Settings())
    yield
    pyxrt_emulator.reset()


@pytest.fixture(scope="module")
def job(builtin_model: Path) -> WindowJob:
    """A few seconds of speech, and the first words of it."""
    files = ModelFiles.load(builtin_model)
    window = demo_windows(Tokenizer(files.folder), files.dimensions.n_mels, HELD_OUT)[0]
    return WindowJob(window.features[:, :301], options=DecodeOptions(max_tokens=4))


def decoded(model: Path, jobs: list[WindowJob]) -> list[WindowResult]:
    """Decode windows on a simulated NPU."""
    loaded = load_model(EngineConfig(model, device="sim"))
    return [loaded.decode(job) for job in jobs]


def test_a_clip_is_transcribed_from_the_package(
    builtin_model: Path,
    package: Path,
    job: WindowJob,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The tokens of the fast path, in four contexts, each change of them counted; the second time less is written."""
    (fast,) = decoded(builtin_model, [job])
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    pyxrt_emulator.configure(Settings())
    model = load_model(EngineConfig(builtin_model, device="sim"))
    assert "simulated" in model.info.why
    before = pyxrt_emulator.counters()
    result = model.decode(job)
    counted = pyxrt_emulator.counters()
    assert (result.tokens, result.decoder, result.fallback) == (fast.tokens, "sim", "")
    assert result.logprobs == pytest.approx(fast.logprobs, abs=MAX_LOGPROB_DIFFERENCE)
    assert (counted.contexts, counted.clone_copies, counted.blocked_us) == (4, 0, 0)
    work = result.work
    assert work.dispatches == counted.dispatches - before.dispatches
    assert 0 < work.switches <= counted.switches - before.switches + 1
    assert work.bytes_to_device == counted.bytes_to_device - before.bytes_to_device
    assert work.timing == "modelled"
    again = model.decode(job)
    after = pyxrt_emulator.counters()
    assert (again.tokens, again.logprobs) == (result.tokens, result.logprobs)
    assert after.allocations == counted.allocations
    assert again.work.bytes_to_device < work.bytes_to_device
    with capsys.disabled():
        told = f"{work.dispatches} dispatches, {work.switches} switches, {work.bytes_to_device} bytes"
        print(f" [{told}; again {again.work.bytes_to_device}]", end="")


@pytest.mark.long
def test_beams_and_long_windows_from_the_package(
    builtin_model: Path, package: Path, job: WindowJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two beams, a verified draft, and a window of 30 s: what the fast path says."""
    files = ModelFiles.load(builtin_model)
    windows = demo_windows(Tokenizer(files.folder), files.dimensions.n_mels, HELD_OUT)
    whole = np.concatenate([windows[0].features] * 8, axis=1)[:, :3000]
    (fast,) = decoded(builtin_model, [job])
    jobs = [
        WindowJob(job.features, options=DecodeOptions(max_tokens=3, beam_size=2)),
        WindowJob(job.features, draft=fast.tokens, options=DecodeOptions(max_tokens=6)),
        WindowJob(whole, options=DecodeOptions(max_tokens=2)),
    ]
    expected = [result.tokens for result in decoded(builtin_model, jobs)]
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    pyxrt_emulator.configure(Settings())
    assert [result.tokens for result in decoded(builtin_model, jobs)] == expected


@pytest.mark.long
def test_a_configuration_that_computes_wrongly_is_left_to_the_host(
    builtin_model: Path, package: Path, job: WindowJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the choice of tokens leaves zeros, the host chooses between the launches, and the tokens are the same."""
    (fast,) = decoded(builtin_model, [job])
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    pyxrt_emulator.configure(Settings(spoiled_operators=("choice",)))
    (result,) = decoded(builtin_model, [job])
    assert result.tokens == fast.tokens
    assert "Select" in result.on_host


def opened(model: Path) -> XrtModel:
    """Put the model on the simulated NPU."""
    files = ModelFiles.load(model)
    made = XrtModel.open(files, open_runtime("sim"))
    made.load_selection(make_selection(files.generation, Tokenizer(files.folder), files.dimensions.vocabulary))
    return made


@pytest.mark.long
def test_surplus_rows_never_reach_the_next_cache(
    builtin_model: Path, package: Path, job: WindowJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a cache tokens go in blocks that fit it, and a stream beside it says what it would say alone."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    model = opened(builtin_model)
    positions = model.dimensions.text_positions
    encodings = [model.encode(job.features) for _ in range(2)]
    alone = model.decoders(encodings)[1].forward([3, 5], [Row(1, ASK)]).scores
    full, beside = model.decoders(encodings)
    beside.forward([3], [])
    full.length = positions - 5
    attention = full.forward([7, 8, 9, 10, 11], [Row(4, ASK)]).attention
    assert (full.length, attention.shape[1:3]) == (positions, (1, 5))
    assert beside.step([5], [ASK]).scores == alone
    session = model._decoder
    blocks = [session.block(positions - left, left) for left in range(1, BLOCK_ROWS + 2)]
    assert all(block <= left for left, block in enumerate(blocks, 1))
    assert (blocks[4], blocks[15], blocks[31], session.block(0, 40)) == (4, 16, 32, 32)


def test_doctor_takes_the_package(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operator is a compiled launch that agrees with its reference, on a device that says what it is."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    examination = examine("auto")
    assert (examination.ok, examination.problem, examination.device["device"]) == (True, "", "sim")
    assert "emulated" in examination.device["hardware"]
    assert examination.device["work"]["switches"] > 3
    assert len(examination.checks) == 13


def test_auto_never_takes_a_simulation_for_an_npu(
    builtin_model: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a device is but only simulated programs are, the CPU computes, and `ready` says why in one line."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    monkeypatch.setitem(__import__("sys").modules, "pyxrt", pyxrt_emulator)
    info = load_model(EngineConfig(builtin_model, threads=1)).info
    assert (info.encoder, info.decoder) == ("cpu", "cpu")
    assert "these programs are simulated, for --device sim, not for an NPU" in info.why
    assert "\n" not in info.why


def test_a_fault_moves_the_window_to_the_cpu(
    builtin_model: Path, package: Path, job: WindowJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a chain of contexts: the words are there, and the reason is told."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    model = load_model(EngineConfig(builtin_model, device="sim", threads=1))
    pyxrt_emulator.inject(Fault("timeout", at=5))
    result = model.decode(job)
    assert result.decoder == "cpu"
    assert "watchdog" in result.fallback
    assert len(result.tokens) == 4


def forget(folder: Path, operator: str) -> None:
    """Take the launches of an operator out of a manifest."""
    fields = json.loads((folder / MANIFEST).read_text())
    fields["launches"] = {name: each for name, each in fields["launches"].items() if operator not in each["what"]}
    (folder / MANIFEST).write_text(json.dumps(fields))


def rewrite(folder: Path, kind: str, change: Callable[[bytes], bytes]) -> None:
    """Change all files of a kind and let the manifest say that they were made so."""
    fields = json.loads((folder / MANIFEST).read_text())
    for each in fields["launches"].values():
        path = folder / each[kind]["file"]
        if Stored.of(path).sha256 == each[kind]["sha256"]:
            path.write_bytes(change(path.read_bytes()))
        stored = Stored.of(path)
        each[kind] = {"file": stored.file, "n_bytes": stored.n_bytes, "sha256": stored.sha256}
    (folder / MANIFEST).write_text(json.dumps(fields))


def other_variables(folder: Path) -> None:
    """Let the manifest say that launches were made for fewer keys."""
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"most": 448', '"most": 447'))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a launch is missing": (lambda folder: forget(folder, "Select"), r"has no launch for Select.* on choice"),
    "words are truncated": (
        lambda folder: rewrite(folder, "instructions", lambda data: data[: len(data) // 8 * 4]),
        "say that they have",
    ),
    "a patch is out of range": (
        lambda folder: rewrite(folder, "patches", lambda data: b"\xff\xff\xff\x7f" + data[4:]),
        "a patch of word 2147483647",
    ),
    "it was made for other sizes": (other_variables, "was made for .*; this version gives it"),
    "a file is missing": (
        lambda folder: next(folder.glob("*.insts")).unlink(),
        "missing, though manifest.json names it",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_wrong_package_is_one_line(
    builtin_model: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It names the folder and the command that makes it again; nothing is decoded with it."""
    damage, message = DAMAGE[kind]
    folder = copy_of(package, tmp_path / "programs")
    damage(folder / "npu1")
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    with pytest.raises(EngineError, match=message) as error:
        load_model(EngineConfig(builtin_model, device="sim"))
    assert str(folder) in str(error.value)
    assert "kernels build" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_package_of_another_model_is_told(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch of another width is not there."""
    from amanuensis.benchmarks.random_model import RandomModel, make_random_model

    folder = make_random_model(tmp_path / "model", RandomModel(width=128, heads=2))
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    with pytest.raises(ProgramError, match=r"has no launch for .* build it again for this model"):
        opened(folder)
    assert load_manifest(package / "npu1", "npu1").model == "builtin"


@pytest.mark.long
def test_voices_are_told_apart_from_the_package(
    builtin_model: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network of speaker embeddings as launches beside the model: the vector of the CPU, from the same package."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    model = load_model(EngineConfig(builtin_model, device="sim", voices=BUILTIN_NETWORK))
    assert (model.info.voices, model.info.voices_why) == ("sim", "")
    mel = np.cumsum(np.random.default_rng(0).standard_normal((200, N_MELS)), axis=1).astype(np.float32)
    found, wanted = model.embed(normalised(mel)), SpeakerNetwork(BUILTIN_NETWORK).embed(mel)
    assert found.vector @ wanted / np.linalg.norm(found.vector) > 0.995
    assert found.work.switches > 0


def test_a_package_without_launches_for_voices_serves_words(
    builtin_model: Path, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors are left to the CPU, and the engine says which launch is missing."""
    weights = read_weights(BUILTIN_NETWORK)
    other = {name: weight[:64] if name.startswith("out.") else weight for name, weight in weights.items()}
    write_graph(tmp_path / "other.onnx", other)
    monkeypatch.setenv(FOLDER_VARIABLE, str(package))
    model = load_model(EngineConfig(builtin_model, device="sim", voices=tmp_path / "other.onnx"))
    assert (model.info.decoder, model.info.voices) == ("sim", "")
    assert "has no launch for GemmBf16" in model.info.voices_why
    with pytest.raises(NotEmbeddedError, match="no network for vectors of voices"):
        model.embed(np.zeros((16, N_MELS), np.float32))
