"""What the NPU, or its simulation, makes of speech, against the CPU in float32.

Each clip is one window. Both sides decode it freely; then both are shown the text of the CPU, and each row tells which
token it would have said and how likely it held the one that came. Words that differ may come of a tie that a rounding
turned, so free text says little where a model guesses; the rows under the same text say how far the arithmetic is off.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from amanuensis.benchmarks.clips import RATE, Clip, add_clip_arguments, load_clips
from amanuensis.benchmarks.common import Spread, header, report
from amanuensis.npu.calibration import cosine, nrmse
from amanuensis.npu.decode import WindowDecoder
from amanuensis.npu.devices.api import Backend, Decoder, Encoding
from amanuensis.npu.devices.cpu import CpuModel
from amanuensis.npu.devices.xrt.model import XrtModel
from amanuensis.npu.devices.xrt.opening import open_runtime
from amanuensis.npu.devices.xrt.runtime import XrtRuntime
from amanuensis.npu.log_mel import log_mel_spectrogram
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import TEXT, TEXT_BEGIN, Row, RowRules, RowScores
from amanuensis.npu.store import resolve
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.english import normalise_english
from amanuensis.stream.wer import Errors, word_errors

T = TypeVar("T")
Float32 = NDArray[np.float32]
MAX_WINDOW_S: Final = 30.0
PAD_S: Final = {"free": 0.4, "padded": 2.0}  # silence after the sound, as live windows have it


@dataclass(slots=True)
class Score:
    """Figures of one set; the lists have one value of each clip or, in `agreed` and `nll`, of each token.

    Attributes:
        left_out: clips longer than the longest window.
        own: errors of the CPU's text against what was said.
        between: errors of the device's text against the CPU's.
        agreed: whether both would say the same next token after the CPU's text.
        nll: negative log-likelihood of the CPU's token on the device less that on the CPU, nats.
        encoder: NRMSE and cosine of the states against float32, by precision.
        token_bytes, pass_bytes: over the bus, both ways, for a step of one token and for a verification of the text.
        cpu_s: of encoding and free decoding, by side.

    """

    clips: int = 0
    left_out: int = 0
    seconds: float = 0.0
    own: Errors = field(default_factory=Errors)
    between: Errors = field(default_factory=Errors)
    agreed: list[bool] = field(default_factory=list)
    nll: list[float] = field(default_factory=list)
    encoder: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    token_bytes: list[int] = field(default_factory=list)
    pass_bytes: list[int] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=lambda: {"cpu": 0.0, "device": 0.0})

    def figures(self) -> dict[str, Any]:
        """Return the set's figures by name; of the encoder those of the worst clip."""
        return {
            "clips": self.clips,
            "left_out": self.left_out,
            "seconds": round(self.seconds, 1),
            "words": self.own.n,
            "tokens": len(self.agreed),
            "cpu_wer": round(100 * self.own.rate, 2),
            "between_wer": round(100 * self.between.rate, 2),
            "top1_agreement": round(float(np.mean(self.agreed or [True])), 4),
            "nll_difference": round(float(np.mean(self.nll or [0.0])), 4),
            "encoder": {
                name: {"nrmse": round(max(n for n, _ in values), 4), "cosine": round(min(c for _, c in values), 6)}
                for name, values in self.encoder.items()
            },
            "bytes_per_token": asdict(Spread.of(self.token_bytes or [0])),
            "bytes_per_verification": asdict(Spread.of(self.pass_bytes or [0])),
            "cpu_s_per_s": {name: round(spent / max(self.seconds, 1e-9), 4) for name, spent in self.cpu_s.items()},
        }


class Comparison:
    """A model on the CPU in float32, and on a device in int8; of bf16 the encoder."""

    def __init__(self, files: ModelFiles, runtime: XrtRuntime, threads: int = 1) -> None:
        self._files = files
        self._tokenizer = Tokenizer(files.folder)
        self._runtime = runtime
        self._cpu = CpuModel(files, "float32", threads)
        self._device = XrtModel.open(files, runtime, "int8")
        self._encoders = {"int8": self._device, "bf16": XrtModel.open(files, runtime, "bf16")}
        self._decoders = {
            "cpu": WindowDecoder(self._cpu, self._tokenizer),
            "device": WindowDecoder(self._device, self._tokenizer),
        }
        self._pad_s = PAD_S[files.manifest.audio_context]

    def measure(self, clips: Iterable[Clip]) -> dict[str, Score]:
        """Return the scores by set."""
        scores: dict[str, Score] = {}
        for clip in clips:
            self.add(clip, scores.setdefault(clip.set, Score()))
        return scores

    def add(self, clip: Clip, score: Score) -> None:
        """Measure one clip, unless it does not fit into a window."""
        if clip.seconds > min(self._files.manifest.window_s, MAX_WINDOW_S - self._pad_s):
            score.left_out += 1
            return
        features = self._features(clip)
        score.clips += 1
        score.seconds += clip.seconds
        exact = self._cpu.encode_states(features)
        for name, model in self._encoders.items():
            states = model.encode_states(features)
            score.encoder.setdefault(name, []).append((nrmse(states, exact), cosine(states, exact)))
        said = {name: self._decode(name, features, score) for name in self._decoders}
        cpu, device = self._words(said["cpu"]), self._words(said["device"])
        score.own += word_errors(_words(clip.text), cpu)
        score.between += word_errors(cpu, device)
        if said["cpu"].tokens:
            self._teach(features, said["cpu"], score)

    def _decode(self, name: str, features: Float32, score: Score) -> WindowResult:
        before = time.process_time()
        result = self._decoders[name].decode(WindowJob(features))
        score.cpu_s[name] += time.process_time() - before
        return result

    def _teach(self, features: Float32, said: WindowResult, score: Score) -> None:
        """Show both the text of the CPU, and the device one token more."""
        start = self._tokenizer.sot_sequence(said.language, "transcribe", timestamps=False)
        rows = teacher_rows(len(start), said.tokens)
        there = _decoder(self._cpu, features).forward((*start, *said.tokens), rows).scores
        decoder = _decoder(self._device, features)
        output, n_bytes = self._counted(lambda: decoder.forward((*start, *said.tokens), rows))
        score.pass_bytes.append(n_bytes)
        _, n_bytes = self._counted(lambda: decoder.step(said.tokens[-1:], [RowRules(mask=TEXT)]))
        score.token_bytes.append(n_bytes)
        for ours, theirs in zip(output.scores, there, strict=True):
            score.agreed.append(ours.text.ids[0] == theirs.text.ids[0])
            score.nll.append(_nll(ours) - _nll(theirs))

    def _counted(self, work: Callable[[], T]) -> tuple[T, int]:
        """Do something, and return the bytes that crossed the bus for it as well."""
        before = self._runtime.work
        result = work()
        did = self._runtime.work.since(before)
        return result, did.bytes_to_device + did.bytes_from_device

    def _features(self, clip: Clip) -> Float32:
        samples = np.pad(clip.samples, (0, round(self._pad_s * RATE)))
        return log_mel_spectrogram(samples, self._files.dimensions.n_mels)

    def _words(self, result: WindowResult) -> list[str]:
        return _words(self._tokenizer.decode(result.tokens))


def teacher_rows(n_start: int, tokens: Sequence[int]) -> list[Row]:
    """Return the rows that score each of `tokens`, shown after `n_start` tokens, under the rules of plain text."""
    return [
        Row(n_start - 1 + place, RowRules(mask=TEXT if place else TEXT_BEGIN, wanted=token))
        for place, token in enumerate(tokens)
    ]


def _decoder(model: Backend, features: Float32) -> Decoder:
    encoding: Encoding = model.encode(features)
    return model.decoder(encoding)


def _words(text: str) -> list[str]:
    return normalise_english(text).split()


def _nll(scores: RowScores) -> float:
    return scores.text.lse - scores.wanted_logit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `amanuensis bench npu-text`."""
    parser.add_argument("--device", choices=("npu", "sim"), default="sim", help="what to compare (default: sim)")
    add_clip_arguments(parser, limit=20)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of the CPU (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    files = ModelFiles.load(resolve(args.model))
    clips = [clip for folder in (args.clips, args.speech) for clip in _clips(folder, args.limit)]
    head = header(files.manifest.name, args.threads)
    runtime = open_runtime(args.device)
    try:
        scores = Comparison(files, runtime, args.threads).measure(clips)
        head = replace(head, device=f"{args.device}: {runtime.hardware}, against {head.device} in float32")
        timing = runtime.work.timing
    finally:
        runtime.close()
    sets = {name: score.figures() for name, score in scores.items()}
    facts = {"device": args.device, "timing": timing, "precision": "int8", "sets": sets}
    report(head, facts, [line for name, figures in sets.items() for line in _lines(name, figures)], as_json=args.json)
    return 0


def _clips(folder: Path | None, limit: int) -> list[Clip]:
    return load_clips(folder, limit) if folder is not None and (folder / "manifest.jsonl").is_file() else []


def _lines(name: str, figures: dict[str, Any]) -> list[str]:
    left_out = f", {figures['left_out']} too long for a window" if figures["left_out"] else ""
    head = f"{name}: {figures['clips']} clips, {figures['seconds']} s{left_out}"
    if not figures["clips"]:
        return [head]
    encoder = ", ".join(
        f"{precision} NRMSE {100 * value['nrmse']:.2f} % cosine {value['cosine']:.5f}"
        for precision, value in figures["encoder"].items()
    )
    token, verification, cpu_s = (figures[key] for key in ("bytes_per_token", "bytes_per_verification", "cpu_s_per_s"))
    return [
        head,
        f"  text: WER of the CPU {figures['cpu_wer']:.2f} % ({figures['words']} words), "
        f"between the two {figures['between_wer']:.2f} %",
        f"  shown the CPU's text: top-1 agreement {100 * figures['top1_agreement']:.2f} % "
        f"of {figures['tokens']} tokens, NLL {figures['nll_difference']:+.4f} nats a token",
        f"  encoder, worst clip: {encoder}",
        f"  bytes over the bus: a token {token['low']} to {token['high']}, "
        f"a verification {verification['low']} to {verification['high']}",
        f"  CPU s per s of audio: {cpu_s['device']:.4f}, of the CPU alone {cpu_s['cpu']:.4f}",
    ]
