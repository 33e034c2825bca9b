"""AlignAtt: words are committed on the first pass when they are attended far enough from the edge of the audio.

Source of the idea: Papi et al. 2023 (AlignAtt) and Simul-Whisper (Wang et al. 2024). Unlike there the decoder is not
stopped at the edge: what lies beyond it is the partial text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanuensis.stream.agreement import before_edge
from amanuensis.stream.words import TimedWord

__all__ = ["attended_words"]

REWIND: Final = 64_000  # samples, 4 s: SimulStreaming's rewind threshold of 200 encoder frames


def attended_words(words: Sequence[TimedWord], previous_peak: int, audio_end: int, edge: int) -> int:
    """Return how many words can be committed without a second hypothesis.

    Args:
        words: the hypothesis after the committed words.
        previous_peak: attention peak of the last committed word, or the start of the window.
        audio_end: position after the newest sample.
        edge: samples before `audio_end` where attention is not trusted.

    Returns:
        0 when the attention jumped back by more than 4 s: such a hypothesis repeats what was said.

    """
    if words and words[0].first < previous_peak - REWIND:
        return 0
    return before_edge(words, len(words), audio_end, edge)
