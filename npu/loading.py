"""From a model folder to something that decodes: the engine process calls this once.

With `--device sim` the emulator takes the place of `pyxrt`, and everything else is the code of the NPU. The CPU back
end is imported only where it computes: not for a device that works.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.program import Architecture
from amanuensis.npu.cpu_features import windows_at_once
from amanuensis.npu.devices.api import Backend
from amanuensis.npu.devices.fallback import Fallback
from amanuensis.npu.devices.hybrid import HybridBatch, HybridModel, SplitBatchBackend
from amanuensis.npu.devices.proven import CpuRunner, ProvenRunner
from amanuensis.npu.devices.side_by_side import SideBySide
from amanuensis.npu.devices.together import BatchBackend, Outcome
from amanuensis.npu.devices.xrt.errors import DeviceError
from amanuensis.npu.engine.api import Device, EngineConfig, EngineError, EngineInfo, NotEmbeddedError, Precision
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.reclaim import give_back_start
from amanuensis.npu.rules import make_selection
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import WindowJob, WindowResult

if TYPE_CHECKING:
    from amanuensis.npu.devices.cpu import CpuModel
    from amanuensis.npu.devices.xrt.model import XrtModel
    from amanuensis.npu.devices.xrt.runtime import XrtRuntime

SIMULATED = "as configured; simulated: its times are modelled"


class LoadedModel:
    """A model on its devices, ready for windows; not for use by several threads at once."""

    def __init__(self, info: EngineInfo, runner: SideBySide | Fallback) -> None:
        self.info = info
        self._runner = runner

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode one window; EngineError when the job does not fit the model."""
        return self._runner.decode(job)

    def decode_together(self, jobs: Sequence[WindowJob], ended: Callable[[int, Outcome], None]) -> None:
        """Decode up to `info.batch` windows of one beam at once; `ended` is told what came of each."""
        self._runner.decode_together(jobs, ended)

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        """Compute the vector of a voice on the device; EngineError where there is none, or it fails."""
        if isinstance(self._runner, Fallback):
            return self._runner.embed(features)
        raise NotEmbeddedError("the engine runs on the CPU: who asks computes vectors of voices there")

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        """Do what the device needs between jobs; see `npu.engine.worker.LoadedModel`."""
        return self._runner.maintain(streams, voice=voice) if isinstance(self._runner, Fallback) else None


@dataclass(frozen=True, slots=True)
class Choice:
    """Where to encode and where to decode; "auto" for both, or for the decoder beside a device."""

    encoder: Device
    decoder: Device

    @property
    def is_cpu(self) -> bool:
        """Whether no other device is asked for."""
        return self.encoder == self.decoder == "cpu"


@dataclass(frozen=True, slots=True)
class OpenDevice:
    """A model on a device that is not (only) the CPU, and what is to be told of it."""

    choice: Choice
    why: str
    runner: ProvenRunner
    precision: str
    hardware: str
    architecture: str
    batch: int
    voices_why: str  # why it computes no vectors of voices although it should; empty: it does


def load_model(config: EngineConfig, clock: Callable[[], float] = time.monotonic) -> LoadedModel:
    """Load a model folder on the devices that the configuration asks for.

    Args:
        config: what to run and where.
        clock: seconds, for when a device is kept warm and when one that failed is tried again.

    Raises:
        ModelError: the folder is broken.
        EngineError: the devices cannot be used here, or not together.

    """
    loaded = _load(choose(config), config, clock)
    give_back_start()
    return loaded


def _load(choice: Choice, config: EngineConfig, clock: Callable[[], float]) -> LoadedModel:
    model = _Model(config, ModelFiles.load(config.model), Tokenizer(config.model), clock)
    if choice.is_cpu:
        return model.on_cpu("as configured")
    if choice.encoder != "auto":
        return _as_asked(model, choice)
    try:
        return model.on_device(Choice("npu", "auto"), "it passed its self-test")
    except DeviceError as error:
        return model.on_cpu(f"no NPU: {error}")


def _as_asked(model: _Model, choice: Choice) -> LoadedModel:
    """Load the model where it was asked for; the error names the device."""
    device = choice.decoder if choice.encoder == "cpu" else choice.encoder
    try:
        return model.on_device(choice, SIMULATED if device == "sim" else "as configured")
    except DeviceError as error:
        raise type(error)(f"device {device!r}: {error}") from error


def choose(config: EngineConfig) -> Choice:
    """Return where to encode and decode.

    An encoder that is "auto" follows the decoder. A decoder that is "auto" beside an NPU, or its simulation, is left to
    the cost model (`amanuensis.npu.devices.verdict`).

    Raises:
        EngineError: the two do not go together, or not with the precision.

    """
    encoder, decoder = config.encoder or config.device, config.decoder or config.device
    if encoder == "auto":
        encoder = decoder
    if encoder == "cpu" and decoder == "auto":
        decoder = encoder
    if {encoder, decoder} == {"npu", "sim"}:
        raise EngineError(
            f"encoder {encoder!r} and decoder {decoder!r}: a device and its simulation do not go together"
        )
    choice = Choice(encoder, decoder)
    if choice.is_cpu and config.precision == "bf16" and not config.resuming:
        raise EngineError("precision 'bf16' is for the NPU: choose float32 or int8 on the CPU, or auto")
    return choice


@dataclass(frozen=True, slots=True)
class _Model:
    """A checked folder, to be put on devices."""

    config: EngineConfig
    files: ModelFiles
    tokenizer: Tokenizer
    clock: Callable[[], float]

    def on_cpu(self, why: str) -> LoadedModel:
        """Load the model on the CPU alone."""
        backend = self._cpu()
        if backend.tuning.how != "rule":
            why = f"{why}; {backend.tuning}"
        # Who names the threads means all that the engine may use.
        batch = 1 if self.config.threads else windows_at_once(backend.tuning.encoder_threads)
        models = [backend, *(backend.twin() for _ in range(batch - 1))]
        info = replace(self._info(Choice("cpu", "cpu"), why, precision=backend.precision), batch=batch)
        return LoadedModel(info, SideBySide([CpuRunner(model, self.tokenizer) for model in models]))

    def on_device(self, choice: Choice, why: str) -> LoadedModel:
        """Load the model on an NPU, or its simulation, with the CPU to fall back on; DeviceError when that fails.

        After a crash it does not fail: the CPU computes until the device can be opened.
        """

        def open_cpu() -> CpuRunner:
            return CpuRunner(self._cpu(), self.tokenizer)

        try:
            opened = self._open(choice)
        except DeviceError as error:
            if not self.config.resuming:
                raise
            info = replace(self._info(choice, why, self.config.precision), voices=self._voices_on(choice))
            return LoadedModel(info, Fallback(error, lambda: self._open(choice).runner, open_cpu, self.clock))
        settled = opened.choice  # what is opened again later
        info = replace(
            self._info(settled, f"{why}{opened.why}", opened.precision),
            hardware=opened.hardware,
            architecture=opened.architecture,
            batch=opened.batch,
            voices="" if opened.voices_why else self._voices_on(settled),
            voices_why=opened.voices_why,
        )
        return LoadedModel(info, Fallback(opened.runner, lambda: self._open(settled).runner, open_cpu, self.clock))

    def _open(self, choice: Choice) -> OpenDevice:
        from amanuensis.npu.devices.xrt.opening import open_runtime

        device: Literal["npu", "sim"] = "sim" if "sim" in (choice.encoder, choice.decoder) else "npu"
        runtime = open_runtime(device)  # first: where there is no device, the rest need not be imported
        try:
            from amanuensis.npu.devices.xrt.model import XrtModel
            from amanuensis.npu.devices.xrt.self_test import failing_operators

            on_host = failing_operators(runtime)
            model = XrtModel.open(self.files, runtime, self.config.precision, on_host)
            choice, why = self._settled(choice, model.precision, runtime.architecture)
            backend, together = self._joined(choice, model)
            embed, voices_why = self._voices(runtime, model)
        except BaseException:
            runtime.close()
            raise
        runner = ProvenRunner(
            backend,
            self.tokenizer,
            lambda: runtime.work,
            model.keep_warm,
            runtime.close,
            together=together,
            on_host=", ".join(on_host.values()),
            recovered=lambda: not failing_operators(runtime),
            embed=embed,
        )
        batch = 1 if together is None else together.batch
        return OpenDevice(
            choice, why, runner, model.precision, runtime.hardware, runtime.architecture, batch, voices_why
        )

    def _voices(
        self, runtime: XrtRuntime, model: XrtModel
    ) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float32]] | None, str]:
        """Put the network of speaker embeddings beside the model, if wanted; return it, or why it is not there."""
        if self.config.voices is None:
            return None, ""
        from amanuensis.npu.devices.xrt.voices import VoiceSession
        from amanuensis.npu.speaker_graph import read_weights

        try:
            return VoiceSession(runtime, model.dispatcher, read_weights(self.config.voices)).embed, ""
        except DeviceError as error:
            if runtime.lost is not None:
                raise
            print(f"vectors of voices are left to the CPU: {error}", file=sys.stderr)
            return None, str(error)

    def _voices_on(self, choice: Choice) -> str:
        """Return the device that computes vectors of voices, "" where that is not wanted."""
        device = choice.encoder if choice.encoder != "cpu" else choice.decoder
        return device if self.config.voices else ""

    def _settled(
        self, choice: Choice, precision: Literal["int8", "bf16"], architecture: Architecture
    ) -> tuple[Choice, str]:
        """Return the choice with a device for the decoder, and what is to be said of that."""
        if choice.decoder != "auto":
            return choice, ""
        from amanuensis.kernels.cost.measured import CalibrationError, current_model
        from amanuensis.npu.device_weights import kept_map
        from amanuensis.npu.devices.verdict import verdict
        from amanuensis.npu.devices.xrt.plan import Planner

        cpu = self._cpu()
        cpu.load_selection(make_selection(self.files.generation, self.tokenizer, self.files.dimensions.vocabulary))
        heads = self.files.generation.alignment_heads
        try:
            costs, prepared = current_model(architecture), kept_map(self.files, precision)
            planner = Planner(self.files.dimensions, heads, costs, precision, prepared)
        except CalibrationError as error:
            raise EngineError(str(error)) from error
        found = verdict(planner, cpu)
        decoder: Device = choice.encoder if found.on_device else "cpu"
        return Choice(choice.encoder, decoder), f"; decoder on {decoder}: {found}"

    def _joined(self, choice: Choice, model: SplitBatchBackend) -> tuple[Backend, BatchBackend | None]:
        """Return the back end that runs each part where it is wanted, and again where it decodes several windows."""
        if choice.encoder == choice.decoder:
            return model, model
        cpu = self._cpu()
        if choice.encoder == "cpu":
            joined = HybridBatch(cpu, model)
            return joined, joined
        return HybridModel(model, cpu), None

    def _cpu(self) -> CpuModel:
        from amanuensis.npu.devices.cpu import CpuModel

        return CpuModel(self.files, _cpu_precision(self.config.precision), self.config.threads)

    def _info(self, choice: Choice, why: str, precision: str) -> EngineInfo:
        return EngineInfo(
            model=self.files.manifest.name,
            encoder=choice.encoder,
            decoder=choice.decoder,
            why=why,
            precision=precision,
            n_mels=self.files.dimensions.n_mels,
            multilingual=self.tokenizer.multilingual,
            languages=tuple(self.tokenizer.language_tokens),
            audio_context=self.files.manifest.audio_context,
            max_window_s=self.files.manifest.window_s,
        )


def _cpu_precision(precision: Precision) -> Literal["auto", "float32", "int8"]:
    return "float32" if precision == "bf16" else precision
