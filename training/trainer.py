"""The training stage: by the clock, resumable, fully annealed when its minutes are over."""

from __future__ import annotations

import copy
import itertools
import resource
import signal
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from amanuensis.npu.cpu_features import has_bfloat16
from amanuensis.training.grow import start_from
from amanuensis.training.loader import Batch, collate
from amanuensis.training.losses import Losses, Weights, losses, weights_at
from amanuensis.training.model import Dimensions, Whisper
from amanuensis.training.pools import Place, endless_batches
from amanuensis.training.schedule import average_decay_at, rate_at
from amanuensis.training.tokenizer import Vocabulary

AVERAGE_EVERY = 5  # steps
SAVE_EVERY_S = 60.0
LOG_EVERY = 100  # steps
WEIGHT_DECAY = 0.05
MUON_RATE = 1.4  # of the learning rate, for the matrices that Muon moves


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
    encoder_layers: int = Dimensions.encoder_layers

    @property
    def side_by_side(self) -> int:
        """Batches of a step: on a CPU one for each thread."""
        return self.threads if self.device == "cpu" else 1

    @property
    def log_every(self) -> int:
        """Steps between lines of the log: ten lines or more in a run of known length."""
        return min(LOG_EVERY, -(-self.steps // 10)) if self.steps else LOG_EVERY


class Training:
    """Model, its moving average, optimiser, clock and place in the data: all that a checkpoint holds."""

    def __init__(self, settings: Settings) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.vocabulary = vocabulary = Vocabulary(settings.work / "tokenizer.json")
        self.settings = settings
        dimensions = Dimensions(vocabulary.size, vocabulary.end, encoder_layers=settings.encoder_layers)
        self.model = Whisper(dimensions).to(settings.device)
        if settings.start:
            start_from(settings.start, self.model, vocabulary)
        self.precision = torch.bfloat16 if settings.device != "cpu" or has_bfloat16() else torch.float32
        computing = copy.deepcopy(self.model).to(self.precision)
        # What the batches of a step go through side by side: one set of weights, gradients of their own.
        self.computing = [computing, *(sharing(computing) for _ in range(1, settings.side_by_side))]
        self.trained = trainable(self.model)  # the master weights, float32
        for p in self.trained:
            p.grad = torch.zeros_like(p)
        self.average = [p.detach().clone() for p in self.trained]
        self.optimisers = optimisers(self.model)
        self.steps, self.elapsed_s, self.heard_s = 0, 0.0, 0.0
        self.place = Place()
        self.path = settings.work / "checkpoint.pt"
        # A thread of its own for each batch: large operations split over threads wait for the slowest at each end.
        self._threads = ThreadPoolExecutor(settings.side_by_side, "batch", lambda: torch.set_num_threads(1))

    @property
    def progress(self) -> float:
        """How much of the time, or of the steps, is used, 0 to 1."""
        used = (
            self.steps / self.settings.steps if self.settings.steps else self.elapsed_s / (self.settings.minutes * 60)
        )
        return min(1.0, used)

    def rate(self) -> float:
        """Return the learning rate of this step."""
        return rate_at(self.progress, self.steps, grown=self.settings.start is not None)

    def step(self, batches: list[Batch]) -> list[Losses]:
        """Learn from a batch for each thread, computing in bfloat16, where that is fast, on weights in float32."""
        weights = weights_at(self.progress)
        found = list(self._threads.map(lambda model, batch: back(model, batch, weights), self.computing, batches))
        gradients = [p.grad for p in self.trained]
        torch._foreach_copy_(gradients, [p.grad for p in trainable(self.computing[0])])
        for model in self.computing[1:]:
            torch._foreach_add_(gradients, [p.grad for p in trainable(model)])
        torch._foreach_div_(gradients, len(batches))
        for model in self.computing:
            model.zero_grad()
        nn.utils.clip_grad_norm_(self.trained, 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.rate() * group["rate"]
            optimiser.step()
        self.refresh()
        self.steps += 1
        self.heard_s += sum(batch.seconds for batch in batches)
        if self.steps % AVERAGE_EVERY == 0:
            decay = average_decay_at(self.progress, self.steps)
            torch._foreach_lerp_(self.average, [p.detach() for p in self.trained], 1 - decay)
        return found

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the master weights to what the batches go through."""
        torch._foreach_copy_(trainable(self.computing[0]), self.trained)

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
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
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.refresh()
        self.steps, self.elapsed_s, self.heard_s = state["counts"]
        self.place = Place(**state["place"])


def trainable(model: Whisper) -> list[nn.Parameter]:
    """Return what is learnt: all but the encoder's positions."""
    return [p for p in model.parameters() if p.requires_grad]


def sharing(model: Whisper) -> Whisper:
    """Return the same model again: the same weights, gradients of its own."""
    other = copy.deepcopy(model)
    for p, weights in zip(other.parameters(), model.parameters(), strict=True):
        p.data = weights.data
    return other


def back(model: Whisper, batch: Batch, weights: Weights) -> Losses:
    """Return the losses of a batch, their gradients being in the model."""
    found = losses(model, batch)
    found.total(weights).backward()
    return found


def optimisers(model: Whisper) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the layers, and AdamW for embeddings, convolutions, heads, norms and biases.

    Source of the scale that lets both share a learning rate: Liu et al., "Muon is scalable for LLM training", 2025.
    """
    hidden = [p for name, p in model.named_parameters() if ".layers." in name and p.dim() == 2]
    taken = {id(p) for p in hidden}
    others = [p for p in trainable(model) if id(p) not in taken]
    wide, narrow = ([p for p in others if p.dim() > 1], [p for p in others if p.dim() <= 1])
    muon = torch.optim.Muon(hidden, weight_decay=WEIGHT_DECAY, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    groups = [{"params": wide, "weight_decay": WEIGHT_DECAY}, {"params": narrow, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    for optimiser, rate in ((muon, MUON_RATE), (adam, 1.0)):
        for group in optimiser.param_groups:
            group["rate"] = rate
    return [muon, adam]


def averaged_model(path: Path, vocabulary: Vocabulary) -> Whisper:
    """Return the moving average of a checkpoint as a float32 model, ready to decode."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    layers = {name.split(".")[3] for name in state["model"] if name.startswith("model.encoder.layers.")}
    model = Whisper(Dimensions(vocabulary.size, vocabulary.end, encoder_layers=len(layers)))
    for p, value in zip(trainable(model), state["average"], strict=True):
        p.data.copy_(value)
    return model.eval()


def run(settings: Settings) -> None:
    """Train until the minutes or steps are over or SIGTERM; a second call goes on exactly where the first one ended."""
    training = Training(settings)
    training.load()
    vocabulary = training.vocabulary
    batches = endless_batches(
        settings.work,
        vocabulary,
        lambda: training.progress,
        settings.seed,
        training.place,
        grown=settings.start is not None,
    )
    print(f"computing in {str(training.precision).removeprefix('torch.')}", flush=True)
    log, saved_s, stop = Log(), time.monotonic(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while training.progress < 1.0 and not stop.is_set():
        began_s = time.monotonic()
        step = []
        for windows, place in itertools.islice(batches, settings.side_by_side):
            step.append(_to(collate(windows, vocabulary), settings.device))
            training.place = place
        for found, batch in zip(training.step(step), step, strict=True):
            log.add(found, batch.seconds)
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
        """Count one batch."""
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
