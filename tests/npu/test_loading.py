"""Loading a model on the devices that are asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from amanuensis.benchmarks.random_model import RandomModel, make_random_model
from amanuensis.npu import pyxrt_emulator
from amanuensis.npu.devices.fallback import Fallback
from amanuensis.npu.devices.xrt.errors import DispatchTimeoutError
from amanuensis.npu.devices.xrt.probe import OPEN_ATTEMPTS
from amanuensis.npu.engine.api import Device, EngineConfig, EngineError, NotEmbeddedError
from amanuensis.npu.loading import Choice, choose, load_model
from amanuensis.npu.pyxrt_emulator import Fault, Settings
from amanuensis.npu.speaker_graph import BUILTIN_NETWORK
from amanuensis.npu.speaker_sound import N_MELS
from amanuensis.npu.window import NO_WORK, DecodeOptions, WindowJob

OPTIONS = DecodeOptions(max_tokens=6)
SPEECH = np.random.default_rng(1).standard_normal((80, 200)).astype(np.float32)
VOICE = np.random.default_rng(2).standard_normal((100, N_MELS)).astype(np.float32)
JOB = WindowJob(SPEECH, options=OPTIONS)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Put a device without settings in place, and leave none behind."""
    pyxrt_emulator.reset()
    yield
    pyxrt_emulator.reset()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small multilingual model."""
    made = RandomModel(layers=1, multilingual=True, languages=("en", "de"))
    return make_random_model(tmp_path_factory.mktemp("models") / "random", made)


def test_info_tells_what_runs(folder: Path) -> None:
    """Name, devices, precision and abilities come from the folder and the configuration."""
    model = load_model(EngineConfig(folder, device="cpu", threads=1, precision="float32"))
    info = model.info
    assert (info.model, info.encoder, info.decoder, info.why) == ("random", "cpu", "cpu", "as configured")
    assert (info.precision, info.n_mels, info.multilingual) == ("float32", 80, True)
    assert set(info.languages) == {"en", "de"}
    assert (info.audio_context, info.max_window_s) == ("free", 30.0)
    assert (info.hardware, info.architecture) == ("", "")
    assert info.batch == 1  # who names the threads means all that are used
    result = model.decode(JOB)
    assert (result.encoder, result.work, result.fallback) == ("cpu", NO_WORK, "")
    assert model.maintain(1, voice=True) is None


def test_free_cores_take_windows_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number of threads as many windows are decoded at once as the cores take."""
    monkeypatch.setattr("amanuensis.npu.loading.windows_at_once", lambda threads: 3 if threads else 1)
    assert load_model(EngineConfig(folder, device="cpu")).info.batch == 3


def test_auto_says_why_it_is_the_cpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no NPU, `auto` takes the CPU and names what is missing, and its precision."""
    monkeypatch.setitem(sys.modules, "pyxrt", None)
    info = load_model(EngineConfig(folder, threads=1)).info
    assert (info.encoder, info.decoder) == ("cpu", "cpu")
    assert info.why.startswith("no NPU: ")
    assert "pyxrt" in info.why
    assert info.precision in ("int8", "float32")
    assert info.precision == "float32" or "threads to encode and decode (" in info.why  # measured at the first start


def test_absent_npu_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name, an NPU that is not there is an error in one line with what to do."""
    monkeypatch.setitem(sys.modules, "pyxrt", None)
    with pytest.raises(EngineError, match=r"pyxrt.*install|setup") as caught:
        load_model(EngineConfig(folder, device="npu"))
    assert "\n" not in str(caught.value)


def test_npu_without_compiled_programs_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is there, but this version brings no program for it."""
    monkeypatch.setitem(sys.modules, "pyxrt", pyxrt_emulator)
    monkeypatch.delenv("AMANUENSIS_PROGRAMS", raising=False)
    with pytest.raises(EngineError, match=r"no compiled programs for npu1.*use --device cpu, or sim"):
        load_model(EngineConfig(folder, device="npu"))
    assert "no compiled programs" in load_model(EngineConfig(folder, threads=1)).info.why


def test_simulation_proves_its_work(folder: Path) -> None:
    """Everything runs on the simulated NPU, and the counts of a window are those that the emulator counts itself."""
    model = load_model(EngineConfig(folder, device="sim"))
    info = model.info
    assert (info.encoder, info.decoder, info.precision) == ("sim", "sim", "int8")
    assert "simulated" in info.why
    assert (info.hardware, info.architecture) == ("NPU Phoenix (emulated)", "npu1")
    before = pyxrt_emulator.counters()
    result = model.decode(JOB)
    counted = pyxrt_emulator.counters()
    assert (result.encoder, result.decoder, result.fallback) == ("sim", "sim", "")
    assert result.encode_work.dispatches > 0
    assert result.decode_work.dispatches > 0
    assert result.work.dispatches == counted.dispatches - before.dispatches
    assert result.work.bytes_to_device == counted.bytes_to_device - before.bytes_to_device
    assert result.work.bytes_from_device == counted.bytes_from_device - before.bytes_from_device
    assert result.work.device_us == pytest.approx(counted.device_us - before.device_us)
    assert result.work.timing == "modelled"
    assert counted.clone_copies == 0
    assert counted.blocked_us == 0


def test_simulation_needs_nothing_of_the_cpu_back_end(folder: Path) -> None:
    """With the simulated NPU neither ONNX Runtime nor the CPU back end is imported, from loading to text."""
    script = f"""
import sys
from pathlib import Path
import numpy as np
from amanuensis.npu.engine.api import EngineConfig
from amanuensis.npu.loading import load_model
from amanuensis.npu.window import DecodeOptions, WindowJob
model = load_model(EngineConfig(Path({str(folder)!r}), device="sim"))
job = WindowJob(np.zeros((80, 100), np.float32), options=DecodeOptions(max_tokens=4))
assert model.decode(job).decoder == "sim"
model.maintain(1, voice=True)
print([name for name in sys.modules if name.startswith("onnx") or name == "amanuensis.npu.devices.cpu"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("encoder", "decoder"), [("sim", "cpu"), ("cpu", "sim")])
def test_encoder_and_decoder_on_two_devices(folder: Path, encoder: Device, decoder: Device) -> None:
    """Each part runs where it is wanted, and only the device's part has counts."""
    model = load_model(EngineConfig(folder, threads=1, precision="bf16", encoder=encoder, decoder=decoder))
    assert (model.info.encoder, model.info.decoder) == (encoder, decoder)
    result = model.decode(JOB)
    assert (result.encoder, result.decoder) == (encoder, decoder)
    assert (result.encode_work.dispatches > 0, result.decode_work.dispatches > 0) == (
        encoder == "sim",
        decoder == "sim",
    )
    plain = load_model(EngineConfig(folder, device="cpu", threads=1, precision="float32")).decode(JOB)
    assert result.avg_logprob == pytest.approx(plain.avg_logprob, abs=0.05)


@pytest.mark.parametrize(
    ("device", "encoder", "decoder", "chosen"),
    [
        ("auto", None, None, Choice("auto", "auto")),
        ("cpu", None, None, Choice("cpu", "cpu")),
        ("auto", "npu", None, Choice("npu", "auto")),
        ("auto", "npu", "cpu", Choice("npu", "cpu")),
        ("npu", None, "auto", Choice("npu", "auto")),
        ("auto", "cpu", None, Choice("cpu", "cpu")),
        ("auto", None, "npu", Choice("npu", "npu")),
        ("cpu", "npu", None, Choice("npu", "cpu")),
        ("sim", "cpu", None, Choice("cpu", "sim")),
        ("auto", None, "cpu", Choice("cpu", "cpu")),
    ],
)
def test_devices_are_chosen_apart(
    folder: Path, device: Device, encoder: Device | None, decoder: Device | None, chosen: Choice
) -> None:
    """Both follow `device` where they are not set; an encoder on "auto" follows the decoder, a decoder the verdict."""
    assert choose(EngineConfig(folder, device, encoder=encoder, decoder=decoder)) == chosen


def test_combinations_that_cannot_be(folder: Path) -> None:
    """A device and its simulation do not go together, and the CPU has no bf16."""
    with pytest.raises(EngineError, match="do not go together"):
        choose(EngineConfig(folder, encoder="npu", decoder="sim"))
    with pytest.raises(EngineError, match="'bf16' is for the NPU"):
        choose(EngineConfig(folder, "cpu", precision="bf16"))


@pytest.mark.parametrize(
    "kind", ["timeout", "no_response", "hang", "error", "context_lost", "evicted", "device_lost", "zeros"]
)
def test_a_failing_device_costs_no_window(folder: Path, kind: str) -> None:
    """A device that fails in a window is replaced by the CPU for that window, with the reason, and comes back."""
    model = load_model(EngineConfig(folder, device="sim", threads=1))
    expected = model.decode(JOB)
    pyxrt_emulator.inject(Fault(kind, at=2))  # type: ignore[arg-type]
    failed = model.decode(JOB)
    assert (failed.encoder, failed.decoder) == ("cpu", "cpu")
    assert failed.fallback
    assert failed.fallback_kind
    assert failed.work == NO_WORK
    assert isinstance(model._runner, Fallback)
    model._runner._retry_s = 0.0
    model.maintain(1, voice=False)
    again = model.decode(JOB)
    assert (again.encoder, again.tokens, again.fallback) == ("sim", expected.tokens, "")


def test_a_crash_resumes_without_the_device(folder: Path) -> None:
    """After a crash a device that cannot be opened is no reason to give up: the CPU computes until it can."""
    pyxrt_emulator.configure(Settings(faults=(Fault("no_permission", lasts=2 * OPEN_ATTEMPTS),)))
    with pytest.raises(EngineError, match="cannot be opened"):
        load_model(EngineConfig(folder, device="sim", threads=1))
    model = load_model(EngineConfig(folder, device="sim", threads=1, resuming=True))
    assert (model.info.encoder, model.info.decoder) == ("sim", "sim")
    without = model.decode(JOB)
    assert (without.encoder, without.fallback_kind) == ("cpu", "absent")
    assert "cannot be opened" in without.fallback
    assert isinstance(model._runner, Fallback)
    model._runner._retry_s = 0.0
    model.maintain(1, voice=False)
    assert model.decode(JOB).encoder == "sim"


def test_a_device_that_lies_at_the_start_is_not_used(folder: Path) -> None:
    """A device that fails its self-test is refused by name of the operator, before anything is loaded."""
    pyxrt_emulator.configure(Settings(faults=(Fault("zeros", at=3),)))
    with pytest.raises(EngineError, match=r"self-test of NPU Phoenix .* failed: LayerNorm"):
        load_model(EngineConfig(folder, device="sim"))


def test_a_model_that_does_not_fit_is_refused(folder: Path) -> None:
    """A model larger than the device's memory is one clear error, before anything is half-loaded."""
    pyxrt_emulator.configure(Settings(device_memory_bytes=1 << 20))
    with pytest.raises(EngineError, match="smaller model"):
        load_model(EngineConfig(folder, device="sim"))


@pytest.mark.parametrize(("encoder", "decoder"), [("sim", "sim"), ("cpu", "sim")])
def test_a_fault_at_a_voice_costs_no_window(folder: Path, encoder: Device, decoder: Device) -> None:
    """Who asked is told; the window after it is the CPU's, and once the device is back it makes both again."""
    now = [0.0]
    config = EngineConfig(folder, threads=1, encoder=encoder, decoder=decoder, voices=BUILTIN_NETWORK)
    model = load_model(config, lambda: now[0])
    assert model.info.voices == "sim"
    assert (model.embed(VOICE).device, model.embed(VOICE).work.dispatches) == ("sim", 1)
    pyxrt_emulator.inject(Fault("timeout"))
    with pytest.raises(DispatchTimeoutError):
        model.embed(VOICE)
    result = model.decode(JOB)
    assert (result.decoder, result.fallback_kind) == ("cpu", "timeout")
    with pytest.raises(NotEmbeddedError, match="the device is out of use"):
        model.embed(VOICE)
    now[0] = 10.0
    model.maintain(1, voice=False)
    assert (model.embed(VOICE).device, model.decode(JOB).decoder) == ("sim", "sim")


def test_the_cpu_back_end_makes_no_vectors_of_voices(folder: Path) -> None:
    """Whether a network is given or not: it is not even read."""
    model = load_model(EngineConfig(folder, device="cpu", threads=1, precision="float32", voices=Path("/nowhere")))
    assert (model.info.voices, model.info.voices_why) == ("", "")
    with pytest.raises(NotEmbeddedError, match="on the CPU"):
        model.embed(VOICE)
