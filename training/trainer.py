"""The training stage: by the clock, resumable, fully annealed when its minutes are over."""

from __future__ import annotations

import resource
import signal
import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from amanuensis.npu.cpu_features import has_bfloat16
from amanuensis.training.grow import start_from
from amanuensis.training.loader import Batch, collate
from amanuensis.training.losses import Losses, losses, weights_at
from amanuensis.training.model import Dimensions, Whisper
from amanuensis.training.pools import Place, endless_batches
from amanuensis.training.schedule import PEAK_RATE, average_decay_at, rate_at
from amanuensis.training.tokenizer import Vocabulary

AVERAGE_EVERY = 5  # steps
SAVE_EVERY_S = 60.0
LOG_EVERY = 100  # steps


@dataclass(frozen=True)
class Settings:
    """One training run."""

    work: Path
    minutes: float
    device: str
    seed: int
    threads: int
    start: Path | None = None  # a model folder to start from
    steps: int | None = None  # in place of the minutes, so that a run can be repeated exactly

    @property
    def log_every(self) -> int:
        """Steps between lines of the log: ten lines or more in a run of known length."""
        return min(LOG_EVERY, -(-self.steps // 10)) if self.steps else LOG_EVERY


class LossAlone(nn.Module):
    """The model and its losses as one function of a batch, so that weights of another type can be put in."""

    def __init__(self, model: Whisper) -> None:
        super().__init__()
        self.whisper = model

    def forward(self, batch: Batch) -> Losses:
        """Return the losses of a batch."""
        return losses(self.whisper, batch)


class Training:
    """Model, its moving average, optimiser, clock and place in the data: all that a checkpoint holds."""

    def __init__(self, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.vocabulary = vocabulary = Vocabulary(settings.work / "tokenizer.json")
        self.settings = settings
        self.model = Whisper(Dimensions(vocabulary.size, vocabulary.end)).to(settings.device)
        if settings.start:
            start_from(settings.start, self.model, vocabulary)
        self.loss = LossAlone(self.model)
        self.precision = torch.bfloat16 if settings.device != "cpu" or has_bfloat16() else torch.float32
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.average = [p.detach().clone() for p in self.trained]
        matrices = [p for p in self.trained if p.dim() > 1]
        others = [p for p in self.trained if p.dim() <= 1]
        groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True)
        self.steps, self.elapsed_s, self.heard_s = 0, 0.0, 0.0
        self.place = Place()
        self.path = settings.work / "checkpoint.pt"

    @property
    def progress(self) -> float:
        """How much of the time, or of the steps, is used, 0 to 1."""
        used = (
            self.steps / self.settings.steps if self.settings.steps else self.elapsed_s / (self.settings.minutes * 60)
        )
        return min(1.0, used)

    def rate(self) -> float:
        """Return the learning rate of this step."""
        return rate_at(self.progress, self.steps)

    def step(self, batch: Batch) -> Losses:
        """Learn from one batch, computing in bfloat16, where that is fast, on master weights in float32."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        low = {name: p.to(self.precision) for name, p in self.loss.named_parameters()}
        found: Losses = functional_call(self.loss, low, (batch,))
        found.total(weights_at(self.progress)).backward()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.steps += 1
        self.heard_s += batch.seconds
        if self.steps % AVERAGE_EVERY == 0:
            decay = average_decay_at(self.progress, self.steps)
            torch._foreach_lerp_(self.average, [p.detach() for p in self.trained], 1 - decay)
        return found

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "counts": (self.steps, self.elapsed_s, self.heard_s),
            "place": asdict(self.place),
        }
        partial = self.path.with_suffix(".part")
        torch.save(state, partial)
        partial.rename(self.path)

    def load(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.path.is_file():
            return
        state = torch.load(self.path, map_location=self.settings.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.elapsed_s, self.heard_s = state["counts"]
        self.place = Place(**state["place"])


def averaged_model(path: Path, vocabulary: Vocabulary) -> Whisper:
    """Return the moving average of a checkpoint as a float32 model, ready to decode."""
    model = Whisper(Dimensions(vocabulary.size, vocabulary.end))
    state = torch.load(path, map_location="cpu", weights_only=True)
    for p, value in zip((p for p in model.parameters() if p.requires_grad), state["average"], strict=True):
        p.data.copy_(value)
    return model.eval()


def run(settings: Settings) -> None:
    """Train until the minutes or steps are over or SIGTERM; a second call goes on exactly where the first one ended."""
    training = Training(settings)
    training.load()
    vocabulary = training.vocabulary
    batches = endless_batches(settings.work, vocabulary, lambda: training.progress, settings.seed, training.place)
    print(f"computing in {str(training.precision).removeprefix('torch.')}", flush=True)
    log, saved_s, stop = Log(), time.monotonic(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while training.progress < 1.0 and not stop.is_set():
        began_s = time.monotonic()
        windows, place = next(batches)
        batch = _to(collate(windows, vocabulary), settings.device)
        log.add(training.step(batch), batch.seconds)
        training.place = place
        training.elapsed_s += time.monotonic() - began_s
        if training.steps % settings.log_every == 0:
            print(log.line(training), flush=True)
        if time.monotonic() - saved_s > SAVE_EVERY_S:
            training.save()
            saved_s = time.monotonic()
    training.save()


def _to(batch: Batch, device: str) -> Batch:
    if device == "cpu":
        return batch
    moved = {name: value.to(device) for name, value in vars(batch).items() if isinstance(value, Tensor)}
    return replace(batch, **moved)


class Log:
    """Means since the last line."""

    def __init__(self) -> None:
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._n, self._heard_s, self._since_s = 0, 0.0, time.monotonic()

    def add(self, found: Losses, seconds: float) -> None:
        """Count one step."""
        for name, value in vars(found).items():
            self._sums[name] += float(value.detach())
        self._n += 1
        self._heard_s += seconds

    def line(self, training: Training) -> str:
        """Return the means as one line and start anew."""
        means = " ".join(f"{name} {total / self._n:.3f}" for name, total in self._sums.items())
        speed = self._heard_s / (time.monotonic() - self._since_s)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.__init__()  # type: ignore[misc]
        return (
            f"{training.progress:6.1%} step {training.steps} heard {training.heard_s / 3600:.2f} h {speed:.0f} x "
            f"peak {peak_mib:.0f} MiB rate {training.rate():.2e} {means}"
        )
