"""Models for the engine process that tests can steer from outside, through files and named pipes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from amanuensis.npu.engine.api import EngineConfig, EngineError, EngineInfo, NoMoreVoicesError
from amanuensis.npu.voice_vector import VoiceVector
from amanuensis.npu.window import NO_WORK, DeviceWork, WindowJob, WindowResult

INFO = EngineInfo("steered", "cpu", "cpu", "a test", "float32", 80, False, ("en",), "free", 30.0)


def result(tokens: tuple[int, ...]) -> WindowResult:
    """Return a hypothesis of given tokens."""
    zeros = (0.0,) * len(tokens)
    frames = tuple(range(len(tokens)))
    return WindowResult(
        tokens, zeros, frames, frames, frames, 0, True, 0.1, -0.2, 1.0, 0.0, "en", 1.0, 2.0, "cpu", "cpu"
    )


def wait_for_ever() -> NoReturn:
    """Never return."""
    while True:
        threading.Event().wait()


def signal_self(number: signal.Signals) -> NoReturn:
    """Send a fatal signal; it may reach another thread first, so this one waits for its effect."""
    os.kill(os.getpid(), number)
    wait_for_ever()


class Steered:
    """Answers with the prompt and the sum of the features; what else it does stands in the first draft token.

    Attributes:
        info: what it says of itself.

    """

    def __init__(self, folder: Path) -> None:
        self.info = INFO
        self._folder = folder

    def decode(self, job: WindowJob) -> WindowResult:
        """Do one job as its draft says."""
        with (self._folder / "started").open("a") as file:
            file.write(f"{job.prompt[0]}\n")
        match job.draft[:1]:
            case (1,):  # wait until the test puts a byte into the pipe
                with (self._folder / "gate").open("rb", buffering=0) as gate:
                    gate.read(1)
            case (2,):
                signal_self(signal.SIGKILL)
            case (3,):
                raise EngineError("token 3\n  is not  allowed")
            case (4,):
                raise ZeroDivisionError("by\nnothing")
            case (5,):
                encode, decode = (
                    DeviceWork(1, 1000, 100, 200.0, "modelled"),
                    DeviceWork(2, 2000, 200, 300.0, "modelled"),
                )
                return replace(result(()), encoder="sim", decoder="sim", encode_work=encode, decode_work=decode)
            case (6,):
                return replace(result(()), fallback="it hung", fallback_kind="timeout")
            case (7,) if self.info.encoder != "cpu":
                signal_self(signal.SIGKILL)
            case (8,):
                return replace(result((1,)), logprobs=())
        return result((*job.prompt, round(float(np.abs(job.features).sum()))))

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        """Write down what it was told of streams and voices."""
        with (self._folder / "told").open("a") as file:
            file.write(f"{streams}{'!' if voice else ''}\n")
        return None


class OnDevice(Steered):
    """Says that it computes on a device."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.info = replace(INFO, encoder="sim", decoder="sim", why="as configured")

    def decode(self, job: WindowJob) -> WindowResult:
        """Do one job as its draft says, on the device."""
        return replace(super().decode(job), encoder="sim", decoder="sim")


class Voicing(OnDevice):
    """Answers windows as the others do, and vectors of voices as the first number of their features says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.info = replace(self.info, voices="sim")

    def embed(self, features: NDArray[np.float32]) -> VoiceVector:
        """Write a vector of the number of frames; how many there are below zero stands in the list `started`."""
        with (self._folder / "started").open("a") as file:
            file.write(f"{-len(features)}\n")
        match int(features[0, 0]):
            case 1:  # wait until the test puts a byte into the pipe
                with (self._folder / "gate").open("rb", buffering=0) as gate:
                    gate.read(1)
            case 2:
                signal_self(signal.SIGKILL)
            case 3:
                raise EngineError("the network\nis gone")
            case 4:
                wait_for_ever()
            case 5:
                return VoiceVector(np.full(4, np.nan, np.float32), "sim", NO_WORK, 1.0)
            case 6:
                raise NoMoreVoicesError("the device failed 2 times")
        work = DeviceWork(1, 100, 10, 20.0, "modelled")
        return VoiceVector(np.full(4, len(features), np.float32), "sim", work, 1.0)


class Careless(Steered):
    """Hangs in the care for its device."""

    def maintain(self, streams: int, *, voice: bool) -> float | None:
        """Never return, once somebody speaks and the file `careless` exists."""
        if voice and (self._folder / "careless").exists():
            (self._folder / "careless").unlink()
            wait_for_ever()
        return super().maintain(streams, voice=voice)


class Batching(Steered):
    """Does up to three jobs at once, and writes down which."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.info = replace(INFO, batch=3)

    def decode_together(
        self, jobs: Sequence[WindowJob], ended: Callable[[int, WindowResult | EngineError], None]
    ) -> None:
        """Do the jobs, the last one first."""
        with (self._folder / "batches").open("a") as file:
            file.write("+".join(str(job.prompt[0]) for job in jobs) + "\n")
        for place, job in reversed(list(enumerate(jobs))):
            try:
                ended(place, self.decode(job))
            except EngineError as error:
                ended(place, error)


def batching(config: EngineConfig) -> Batching:
    """Open a model that does several jobs at once; its folder holds the list `batches` as well."""
    return Batching(config.model)


def steered(config: EngineConfig) -> Steered:
    """Open a model that does what jobs say; its folder holds the pipe `gate` and the list `started`."""
    return Steered(config.model)


def broken(config: EngineConfig) -> Steered:
    """Fail as for a broken model folder."""
    raise EngineError(f"{config.model}: config.json\nis broken")


def buggy(config: EngineConfig) -> Steered:
    """Fail as a bug would."""
    raise RuntimeError("a bug\nof two lines")


def crashing(config: EngineConfig) -> Steered:
    """Die while loading."""
    signal_self(signal.SIGKILL)


def crashing_later(config: EngineConfig) -> Steered:
    """Load the first time, die while loading after that."""
    mark = config.model / "loaded"
    if mark.exists():
        return crashing(config)
    mark.touch()
    return Steered(config.model)


def resuming(config: EngineConfig) -> Steered:
    """Write down on which devices to start, and whether after a crash."""
    with (config.model / "resuming").open("a") as file:
        file.write(f"{config.device}:{config.encoder}:{config.decoder}:{config.resuming}\n")
    model = Steered(config.model)
    model.info = replace(model.info, why="after a crash" if config.resuming else "chosen at first")
    return model


def on_device(config: EngineConfig) -> Steered:
    """Open a model on a device, which dies while the file `dead` exists; asked for the CPU, on that."""
    with (config.model / "opened").open("a") as file:
        file.write(f"{config.encoder or config.device}\n")
    if config.encoder == "cpu":
        return Steered(config.model)
    if (config.model / "dead").exists():
        return crashing(config)
    return OnDevice(config.model)


def voicing(config: EngineConfig) -> Steered:
    """Open a model on a device that also makes vectors of voices; asked for the CPU, on that."""
    return Steered(config.model) if config.encoder == "cpu" else Voicing(config.model)


def careless(config: EngineConfig) -> Steered:
    """Open a model whose device may hang between windows."""
    return Careless(config.model)


def loading_for_ever(config: EngineConfig) -> Steered:
    """Hang while loading, in a call that lets other threads run."""
    wait_for_ever()


def mad(config: EngineConfig) -> Steered:
    """Send what is no answer once the file `mad` holds it."""
    model = Steered(config.model)
    path = config.model / "mad"
    if path.exists():
        control = sys.argv[sys.argv.index("--control") + 1]
        threading.Thread(target=_rave, args=(path, int(control)), daemon=True).start()
    return model


def _rave(path: Path, control: int) -> None:
    """Send the bytes of a file, once they are there to be sent, to the parent."""
    data = path.read_bytes()
    path.unlink()
    os.write(control, data)


def truncating(config: EngineConfig) -> Steered:
    """Try to take the shared memory away, and write down what came of it."""
    features = int(sys.argv[sys.argv.index("--features") + 1])
    try:
        os.ftruncate(features, 0)
        outcome = "gone"
    except OSError as error:
        outcome = type(error).__name__
    (config.model / "truncated").write_text(outcome)
    return Steered(config.model)


def stopping(config: EngineConfig) -> Steered:
    """Hang with all threads while loading."""
    signal_self(signal.SIGSTOP)


def nonsense(config: EngineConfig) -> Steered:
    """Write bytes to the parent that are no message."""
    control = sys.argv[sys.argv.index("--control") + 1]
    os.write(int(control), b"\xff" * 64)
    wait_for_ever()


def environment(config: EngineConfig) -> Steered:
    """Write down what the process was given."""
    threads = [os.environ[name] for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")]
    own_session = os.getsid(0) == os.getpid()
    (config.model / "environment").write_text(f"{' '.join(threads)} {os.nice(0)} {own_session}")
    return Steered(config.model)
