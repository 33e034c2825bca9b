"""What can be set for one stream of captions, validated in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.window import DecodeOptions, Task
from amanuensis.stream.gates import GateConfig
from amanuensis.stream.segmenter import SegmenterConfig
from amanuensis.stream.vad import VadConfig

__all__ = ["CHANGEABLE", "Policy", "StreamConfig", "StreamConfigError"]

Policy = Literal["agreement", "alignatt"]
CHANGEABLE: Final = ("tick_ms", "language", "prompt", "hotwords")  # while a session runs
FALLBACK_TEMPERATURES: Final = (0.0, 0.4, 0.8)  # half of the steps of openai/whisper: each is a whole decode
MAX_HOTWORDS: Final = 100
MAX_HOTWORD_CHARS: Final = 100
MAX_PROMPT_CHARS: Final = 1000
MAX_SPEAKERS: Final = 20
MAX_TEXT_TOKENS: Final = 224  # half of the decoder's 448 positions
LIVE_WINDOW_S: Final = 15.0  # whisper_streaming's bound; every tick pays for the whole window
LONGEST_WINDOW_S: Final = 30.0  # Whisper's positions end here


class StreamConfigError(ValueError):
    """A setting is not allowed; the message names it, its value, what is allowed and what to do."""


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """Settings of one stream.

    Attributes:
        tick_ms: decode again after so much new audio, 100 to 5000; more when the engine is slower.
        policy: "agreement" commits what two successive hypotheses share (LocalAgreement-2); "alignatt" commits on
            the first pass what lies far enough from the edge of the audio.
        max_window_s: longest window that is decoded, 4 to 30; None: what the model reads well, live at most 15.
        max_utterance_s: an utterance without a pause is made final at a word boundary after so long.
        max_pending_s: audio that may wait for a stalled engine; more becomes a gap, 10 to 600.
        language: two-letter code; None: detect it once and keep it.
        task: "transcribe", or "translate" to English.
        prompt: text that the speech is likely to follow; names and terms in it are spelt as in it.
        hotwords: words to prefer, at most 100.
        hotword_bonus: nats added to the logit of a token that continues a hotword.
        speakers: how many voices there are; None: that is found out, in what is live; 0: they are not told apart.
        max_speakers: voices that are told apart at most, 1 to 20; None: 20. For a recording it says that they are.
        known_speakers: voices that were enrolled (`amanuensis speakers`) are called by their names.
        beam_size: beams of the last decode of an utterance; ticks are always greedy. With more than one beam no text is
            final before its endpoint.
        temperatures: fallback ladder of the last decode of an utterance.
        edge_ms: words whose attention peak is nearer to the newest audio are not committed yet.
        endpoint: when an utterance begins and ends.
        vad: what is speech.
        gates: what is not believed.

    Raises:
        StreamConfigError: a value is not allowed.

    """

    tick_ms: float = 500.0
    policy: Policy = "agreement"
    max_window_s: float | None = None
    max_utterance_s: float = 30.0
    max_pending_s: float = 60.0
    language: str | None = None
    task: Task = "transcribe"
    prompt: str = ""
    hotwords: tuple[str, ...] = ()
    hotword_bonus: float = 2.0
    speakers: int | None = None
    max_speakers: int | None = None
    known_speakers: bool = False
    beam_size: int = 1
    temperatures: tuple[float, ...] = FALLBACK_TEMPERATURES
    edge_ms: float = 400.0
    endpoint: SegmenterConfig = field(default_factory=SegmenterConfig)
    vad: VadConfig = field(default_factory=VadConfig)
    gates: GateConfig = field(default_factory=GateConfig)

    def __post_init__(self) -> None:
        _in_range("tick_ms", self.tick_ms, 100, 5000)
        _in_range("max_utterance_s", self.max_utterance_s, 5, 600)
        _in_range("max_pending_s", self.max_pending_s, 10, 600)
        _in_range("beam_size", self.beam_size, 1, 16)
        _in_range("hotword_bonus", self.hotword_bonus, 0, 20)
        _in_range("edge_ms", self.edge_ms, 0, 3000)
        self._check_speakers()
        if self.max_window_s is not None:
            _in_range("max_window_s", self.max_window_s, 4, LONGEST_WINDOW_S)
        _one_of("policy", self.policy, get_args(Policy))
        _one_of("task", self.task, get_args(Task))
        self._check_texts()
        rising = list(self.temperatures) == sorted(set(self.temperatures))
        if not self.temperatures or not rising or self.temperatures[0] < 0:
            raise StreamConfigError(f"temperatures {self.temperatures!r} are not allowed: give rising numbers from 0")

    def _check_speakers(self) -> None:
        if self.speakers is not None:
            _in_range("speakers", self.speakers, 0, MAX_SPEAKERS)
        if self.max_speakers is not None:
            _in_range("max_speakers", self.max_speakers, 1, MAX_SPEAKERS)
        if self.speakers and self.max_speakers and self.speakers > self.max_speakers:
            raise StreamConfigError(
                f"speakers {self.speakers} is not allowed beside max_speakers {self.max_speakers}: give one of the two"
            )

    def _check_texts(self) -> None:
        if self.language is not None and not isinstance(self.language, str):
            raise StreamConfigError(f"language {self.language!r} is not allowed: give a two-letter code such as 'en'")
        if not isinstance(self.prompt, str) or len(self.prompt) > MAX_PROMPT_CHARS:
            raise StreamConfigError(f"prompt is not allowed: it must be text of at most {MAX_PROMPT_CHARS} characters")
        words = self.hotwords
        fit = all(isinstance(word, str) and word.strip() and len(word) <= MAX_HOTWORD_CHARS for word in words)
        if len(words) > MAX_HOTWORDS or not fit:
            raise StreamConfigError(
                f"hotwords are not allowed: give at most {MAX_HOTWORDS} words of 1 to {MAX_HOTWORD_CHARS} characters"
            )

    @property
    def asks_for_speakers(self) -> bool:
        """Whether it says how many voices there are, or that none is told apart: for recordings too."""
        return self.speakers is not None or self.max_speakers is not None

    def check_model(self, info: EngineInfo) -> None:
        """Refuse what the model cannot do.

        Raises:
            StreamConfigError: the language is unknown to the model, or it is English-only and asked to translate.

        """
        if self.task == "translate" and not info.multilingual:
            raise StreamConfigError(
                f"task 'translate' is not possible: model {info.model} is English-only; use a multilingual model"
            )
        if self.language is not None and self.language not in info.languages:
            known = ", ".join(info.languages[:8]) + (", ..." if len(info.languages) > 8 else "")
            raise StreamConfigError(
                f"language {self.language!r} is not known to model {info.model}: use one of {known}"
            )

    def changed(self, changes: Mapping[str, Any]) -> StreamConfig:
        """Return the settings with `changes`, as a client asks for them while the session runs.

        Raises:
            StreamConfigError: a key is unknown or cannot change any more, or a value is not allowed.

        """
        known = {f.name for f in fields(self)}
        for key in changes:
            if key not in CHANGEABLE:
                why = "cannot change while a session runs" if key in known else "is not known"
                raise StreamConfigError(f"setting {key!r} {why}: what can change is {', '.join(CHANGEABLE)}")
        values = dict(changes)
        if isinstance(values.get("hotwords"), list):
            values["hotwords"] = tuple(values["hotwords"])
        return replace(self, **values)

    def window_limit_s(self, info: EngineInfo, *, live: bool) -> float:
        """Return the longest window to decode, in seconds: what is set, but never more than the model takes."""
        usual = LIVE_WINDOW_S if live else LONGEST_WINDOW_S
        return min(self.max_window_s or usual, info.max_window_s, LONGEST_WINDOW_S)

    def options(self, language: str | None, *, final: bool, max_tokens: int) -> DecodeOptions:
        """Return how to decode: ticks greedily at temperature 0, finals with beams and fallback."""
        return DecodeOptions(
            task=self.task,
            language=language,
            beam_size=self.beam_size if final else 1,
            temperatures=self.temperatures if final else (0.0,),
            hotwords=self.hotwords,
            hotword_bonus=self.hotword_bonus,
            max_tokens=min(max_tokens, MAX_TEXT_TOKENS),
        )


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise StreamConfigError(f"{name} {value!r} is not allowed: it must be {low:g} to {high:g}")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise StreamConfigError(f"{name} {value!r} is not allowed: use {' or '.join(choices)}")
