"""A simulated recogniser: it knows the words that are said and when, and hears those that lie in the window.

It errs as real ones do: a word that the window cuts may be heard as another, words near the newest audio may change
from one window to the next, and now and then it says nothing, loops, or fails.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from amanuensis.npu.engine.api import EngineInfo
from amanuensis.npu.tokenizer import TokenWord
from amanuensis.npu.window import WindowJob, WindowResult
from tests.helpers.words import result

FRAME_MS = 20
VARIANTS = 4  # spellings of a word; 0 is the right one
INFO = EngineInfo("scripted", "cpu", "cpu", "a test", "float32", 80, False, ("en",), "free", 12.0)


@dataclass(frozen=True, slots=True)
class Said:
    """A word and when it is said, in milliseconds from the start of the stream."""

    text: str
    start_ms: float
    end_ms: float


class ScriptedTokenizer:
    """Two tokens a word: token = ((index * VARIANTS) + variant) * 2 + half."""

    def __init__(self, said: Sequence[Said]) -> None:
        self._said = said

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(range(2 * len(text.split())))

    def split_words(self, ids: Sequence[int], language: str | None = None) -> list[TokenWord]:
        assert len(ids) % 2 == 0
        assert all(first % 2 == 0 and second == first + 1 for first, second in zip(ids[::2], ids[1::2], strict=True))
        return [TokenWord(self._text(ids[k]), k, k + 2) for k in range(0, len(ids), 2)]

    def _text(self, token: int) -> str:
        index, variant = divmod(token // 2, VARIANTS)
        return self._said[index].text + ("" if variant == 0 else f"~{variant}")


@dataclass(slots=True)
class ScriptedEngine:
    """Answers jobs from the script.

    Attributes:
        said: the words, in order.
        p_edge: probability that a word cut by an edge of the window is heard as another.
        p_unstable: the same for a whole word within `unstable_ms` of the newest audio.
        p_nothing: probability that a tick hears nothing at all.
        p_loop: probability that a tick repeats its last word many times.
        jitter_ms: attention peaks are off by up to so much.

    """

    said: Sequence[Said]
    seed: int = 0
    p_edge: float = 0.0
    p_unstable: float = 0.0
    unstable_ms: float = 100.0
    p_nothing: float = 0.0
    p_loop: float = 0.0
    jitter_ms: float = 0.0

    def answer(
        self, job: WindowJob, start_ms: float, end_ms: float, *, final: bool, lead_ms: float = 0.0
    ) -> WindowResult:
        """Return the hypothesis for a window whose audio is [start_ms, end_ms); the same for the same window.

        Args:
            job: whose forced words are not answered again.
            start_ms: where the audio of the window begins.
            end_ms: where it ends.
            final: whether it is the last look: then nothing goes wrong at the end.
            lead_ms: silence before the audio, which counts in the frames.

        """
        chance = random.Random(f"{self.seed} {end_ms}")
        first = 1 + max((token // 2 // VARIANTS for token in job.forced), default=-1)
        heard = [k for k in range(first, len(self.said)) if self._is_heard(k, start_ms, end_ms)]
        if chance.random() < self.p_nothing and not final:
            heard = []
        spelt = [(k, self._variant(k, start_ms, end_ms, final=final)) for k in heard]
        if chance.random() < self.p_loop and spelt and not final:
            spelt += [spelt[-1]] * 12
        tokens = [2 * (VARIANTS * k + variant) + half for k, variant in spelt for half in (0, 1)]
        frames = [f + round(lead_ms / FRAME_MS) for f in self._frames([k for k, _ in spelt], start_ms, end_ms)]
        return result(tuple(tokens), tuple(frames), avg_logprob=-0.1, compression_ratio=1.2)

    def _is_heard(self, k: int, start_ms: float, end_ms: float) -> bool:
        word = self.said[k]
        inside = min(word.end_ms, end_ms) - max(word.start_ms, start_ms)
        return inside > 0.5 * (word.end_ms - word.start_ms)

    def _variant(self, k: int, start_ms: float, end_ms: float, *, final: bool) -> int:
        word = self.said[k]
        is_cut = word.start_ms < start_ms or (word.end_ms > end_ms and not final)
        near = word.end_ms > end_ms - self.unstable_ms and not final
        p = self.p_edge if is_cut else self.p_unstable if near else 0.0
        chance = random.Random(f"{self.seed} {k} {end_ms}") if p else None
        return chance.randrange(1, VARIANTS) if chance and chance.random() < p else 0

    def _frames(self, heard: Sequence[int], start_ms: float, end_ms: float) -> list[int]:
        frames: list[int] = []
        chance = random.Random(f"{self.seed} {start_ms} {end_ms}")
        for k in heard:
            word = self.said[k]
            for share in (0.05, 0.5):  # attention peaks where the sound of a token sets in
                at = word.start_ms + share * (word.end_ms - word.start_ms)
                at = min(max(at + chance.uniform(-1, 1) * self.jitter_ms, start_ms), end_ms - FRAME_MS)
                frames.append(max(round((at - start_ms) / FRAME_MS), frames[-1] if frames else 0))
        return frames
