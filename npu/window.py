"""What the engine is asked and what it answers: one window of speech, one hypothesis.

A job carries everything that its answer depends on, so an engine keeps nothing between jobs that could be lost:
after a crash the same job may go to another engine and gives the same text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["transcribe", "translate"]
Timing = Literal["none", "modelled", "measured"]
FRAME_S = 0.02  # one encoder frame: two log-mel hops of 10 ms
MAX_PROMPT_TOKENS = 32  # text carried over a window cut; longer prompts start loops (whisper.cpp#1507)


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a window is decoded.

    `temperatures` is the fallback ladder: the next one is tried when a result fails the gates of
    openai/whisper (compression ratio > 2.4 or mean log-probability < -1). `beam_size` applies at temperature 0.
    """

    task: Task = "transcribe"
    language: str | None = None  # two-letter code; None: detect it (multilingual models)
    beam_size: int = 1
    temperatures: tuple[float, ...] = (0.0,)
    timestamps: bool = False  # sample timestamp tokens under Whisper's rules
    hotwords: tuple[str, ...] = ()
    hotword_bonus: float = 2.0  # nats added to the logit of a token that continues a hotword
    max_tokens: int = 224  # text tokens, `forced` included: half of the decoder's 448 positions


@dataclass(frozen=True, slots=True)
class WindowJob:
    """One window of one stream, to be encoded and decoded.

    Attributes:
        features: scaled log-mel, float32 [n_mels, n_frames], n_frames <= 3000, 10 ms a frame.
        prompt: text tokens before the window, at most MAX_PROMPT_TOKENS; put after <|startofprev|>.
        forced: committed text tokens whose sound is in the window; never verified, never answered again.
        draft: the previous hypothesis after `forced`; verified in one batched forward.
        edge_frames: AlignAtt: stop before the first token whose attention peak lies within so many
            encoder frames of the end of the window; None: decode to <|endoftext|>.
        seed: for temperatures above 0, so that a repeated job gives the same text.

    """

    features: NDArray[np.float32]
    prompt: tuple[int, ...] = ()
    forced: tuple[int, ...] = ()
    draft: tuple[int, ...] = ()
    edge_frames: int | None = None
    options: DecodeOptions = field(default_factory=DecodeOptions)
    seed: int = 0

    @property
    def one_beam(self) -> bool:
        """Whether one hypothesis is followed at a time; an edge must be watched token by token, without beams."""
        return self.options.beam_size == 1 or self.edge_frames is not None


@dataclass(frozen=True, slots=True)
class DeviceWork:
    """What a device other than the CPU was given and did: the proof that something was computed there.

    Attributes:
        dispatches: command streams that it ran.
        bytes_to_device, bytes_from_device: synchronised each way.
        device_us: time in which it worked, microseconds.
        switches: dispatches to another array configuration than the one before.
        timing: whether that time was measured on a device or modelled by the emulator; "none" without dispatches.

    """

    dispatches: int = 0
    bytes_to_device: int = 0
    bytes_from_device: int = 0
    device_us: float = 0.0
    timing: Timing = "none"
    switches: int = 0

    def __add__(self, other: DeviceWork) -> DeviceWork:
        return DeviceWork(
            self.dispatches + other.dispatches,
            self.bytes_to_device + other.bytes_to_device,
            self.bytes_from_device + other.bytes_from_device,
            self.device_us + other.device_us,
            self.timing if other.timing == "none" else other.timing,
            self.switches + other.switches,
        )

    def since(self, before: DeviceWork) -> DeviceWork:
        """Return what was done after an earlier reading of the same counters."""
        dispatches = self.dispatches - before.dispatches
        return DeviceWork(
            dispatches,
            self.bytes_to_device - before.bytes_to_device,
            self.bytes_from_device - before.bytes_from_device,
            self.device_us - before.device_us,
            self.timing if dispatches else "none",
            self.switches - before.switches,
        )


NO_WORK = DeviceWork()


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The hypothesis for a window.

    Attributes:
        tokens: sampled tokens after `forced`: text tokens, and timestamp tokens where options asked for them.
        logprobs: natural log-probability of each token, after the decoding rules.
        frames: attention peak of each token in encoder frames (20 ms) from the window's start, non-decreasing.
        starts_ms, ends_ms: when each token is said, from the window's start; it ends before the next one begins.
        accepted: how many tokens of `draft` the verification kept.
        complete: True when <|endoftext|> ended the text; False at max_tokens or at the AlignAtt edge.
        no_speech_prob: probability of <|nospeech|> at <|startoftranscript|>.
        avg_logprob: mean over tokens and <|endoftext|>, as openai/whisper computes it.
        compression_ratio: of the decoded text by zlib, as openai/whisper computes it.
        encoder, decoder: where each really ran: "cpu", "npu" or "sim".
        encode_work, decode_work: what a device other than the CPU did for each.
        fallback: why the CPU did it in the place of the configured device; empty when it did not.
        fallback_kind: the same in one word, for counters.
        on_host: operators that the CPU computed in the device's place, each with what is wrong with it there.

    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    frames: tuple[int, ...]
    starts_ms: tuple[int, ...]
    ends_ms: tuple[int, ...]
    accepted: int
    complete: bool
    no_speech_prob: float
    avg_logprob: float
    compression_ratio: float
    temperature: float
    language: str
    encode_ms: float
    decode_ms: float
    encoder: str
    decoder: str
    encode_work: DeviceWork = NO_WORK
    decode_work: DeviceWork = NO_WORK
    fallback: str = ""
    fallback_kind: str = ""
    on_host: str = ""

    def why(self, configured: str) -> str:
        """Return why it was computed where it was, given why the devices are configured as they are."""
        operators = f"; on the CPU: {self.on_host}" if self.on_host else ""
        return self.fallback or f"{configured}{operators}"

    @property
    def work(self) -> DeviceWork:
        """Return the work of encoder and decoder together."""
        return self.encode_work + self.decode_work
