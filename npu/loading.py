"""From a model folder to something that decodes: the engine process calls this once."""

from __future__ import annotations

from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.engine.api import EngineConfig, EngineError, EngineInfo
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult


class LoadedModel:
    """A model on its device, ready for windows; not for use by several threads at once."""

    def __init__(self, info: EngineInfo, decoder: WindowDecoder) -> None:
        self.info = info
        self._decoder = decoder

    def decode(self, job: WindowJob) -> WindowResult:
        """Decode one window; EngineError when the job does not fit the model."""
        return self._decoder.decode(job)


def load_model(config: EngineConfig) -> LoadedModel:
    """Load a model folder on the device that the configuration asks for.

    Raises:
        ModelError: the folder is broken.
        EngineError: the device cannot be used here.

    """
    if config.device in ("npu", "sim"):
        raise EngineError(f"device {config.device!r}: this version computes on the CPU only; use auto or cpu")
    files = ModelFiles.load(config.model)
    tokenizer = Tokenizer(config.model)
    model = CpuModel(files, config.precision, config.threads)
    why = "as configured" if config.device == "cpu" else "this version computes on the CPU only"
    info = EngineInfo(
        model=files.manifest.name,
        encoder=model.encoder_device,
        decoder=model.decoder_device,
        why=why,
        precision=model.precision,
        n_mels=files.dimensions.n_mels,
        multilingual=tokenizer.multilingual,
        languages=tuple(tokenizer.language_tokens),
        audio_context=files.manifest.audio_context,
        max_window_s=files.manifest.window_s,
    )
    return LoadedModel(info, WindowDecoder(model, tokenizer))
