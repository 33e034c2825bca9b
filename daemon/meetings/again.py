"""The sound of a recorded track transcribed again by another model; who speaks stays as it was, where that is known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from amanuensis.daemon.captioner import Captioner
from amanuensis.daemon.meetings.model import HeardWord, Utterance
from amanuensis.daemon.meetings.recording import cut_by_speaker
from amanuensis.daemon.outputs import Transcript
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.sources.base import Source
from amanuensis.stream.config import MAX_SPEAKERS


async def transcribe_again(
    source: Source,
    before: Sequence[Utterance],
    pipeline: Pipeline,
    tell: Callable[[float], None],
    *,
    one_voice: bool = False,
) -> list[Utterance]:
    """Return the new text of a track; names that were given to voices hold for it, as their times are kept.

    Args:
        source: its sound.
        before: its text so far, which says who spoke when.
        pipeline: with the model that is wanted.
        tell: told how many milliseconds are done; what it raises ends the work.
        one_voice: it is the microphone of one person; else voices that were not told apart before are now.

    Raises:
        amanuensis.daemon.sources.base.SourceError: its sound cannot be read.
        amanuensis.npu.engine.api.EngineError: the engine does nothing more.

    """
    told_apart = any(one.spk for one in before)
    captioner = Captioner(source, pipeline if told_apart or one_voice else _telling_apart(pipeline), mode="windows")
    transcript = Transcript()
    async for event in captioner.events():
        transcript.add(event)
        tell(captioner.session.committed_ms)
    if not told_apart:
        return [one for utt, words in enumerate(transcript.utterances) for one in cut_by_speaker(utt, words)]
    heard = [
        tuple(HeardWord(word.text, word.start_ms, word.end_ms, word.conf) for word in words)
        for words in transcript.utterances
    ]
    return list(with_speakers(heard, before))


def _telling_apart(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with settings by which the voices of recorded sound are told apart."""
    stream = pipeline.config.stream
    if stream.speakers is None:
        stream = replace(stream, max_speakers=stream.max_speakers or MAX_SPEAKERS)
    return replace(pipeline, config=replace(pipeline.config, stream=stream))


def with_speakers(heard: Iterable[Sequence[HeardWord]], before: Sequence[Utterance]) -> Iterable[Utterance]:
    """Yield utterances whose speakers are those who spoke at that time before; cut where the speaker changes."""
    known = sorted((word.start_ms, one.spk or "") for one in before for word in one.words)
    starts = [start_ms for start_ms, _ in known]

    def speaker(word: HeardWord) -> str:
        at = bisect_right(starts, (word.start_ms + word.end_ms) / 2)
        return known[max(0, at - 1)][1] if known else ""

    for utt, words in enumerate(heard):
        for spk, run in groupby(words, speaker):
            yield Utterance(utt, spk or None, tuple(run))
