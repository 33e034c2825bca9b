"""A recorded meeting transcribed again by another model: track by track, each changed in the index when it is done."""

from __future__ import annotations

from dataclasses import replace

from amanuensis.daemon.captioner import Captioner
from amanuensis.daemon.meetings.library import Library
from amanuensis.daemon.meetings.model import OVER, Meeting, MeetingError, Track, Utterance
from amanuensis.daemon.meetings.recording import cut_by_speaker
from amanuensis.daemon.meetings.sound import RecordedSound
from amanuensis.daemon.outputs import Transcript
from amanuensis.daemon.pipeline import Pipeline
from amanuensis.daemon.progress import Bar
from amanuensis.daemon.session_config import OWN_TRACK
from amanuensis.stream.config import MAX_SPEAKERS


async def transcribe_again(library: Library, meeting: Meeting, pipeline: Pipeline, bar: Bar) -> int:
    """Replace the text of a meeting; the voices of a track are told apart anew, but for the one of a microphone.

    Args:
        library: where it is.
        meeting: which.
        pipeline: with the model that is wanted.
        bar: shows how far it is.

    Returns:
        How many words there are now.

    Raises:
        MeetingError: the meeting goes on, or its sound is gone.
        amanuensis.daemon.sources.base.SourceError: its sound cannot be read.

    """
    if any(track.state not in OVER for track in meeting.tracks):
        raise MeetingError(f"meeting {meeting.id} is {meeting.state}: only one that is over can be transcribed again")
    n_words = 0
    for track in meeting.tracks:
        folder = library.folder(track.session)
        if folder is None:
            raise MeetingError(f"meeting {meeting.id}: the sound of track {track.name} is gone")
        source = RecordedSound(folder)
        with bar.task(track.name, source.duration_s):
            utterances = await _transcribe(source, _telling_apart(pipeline, track), bar)
        with library.open() as store:
            store.transcribed_again(track.session, pipeline.engine.info.model, utterances)
        n_words += sum(len(one.words) for one in utterances)
    return n_words


async def _transcribe(source: RecordedSound, pipeline: Pipeline, bar: Bar) -> list[Utterance]:
    captioner, transcript = Captioner(source, pipeline, mode="windows"), Transcript()
    async for event in captioner.events():
        transcript.add(event)
        bar.advance(captioner.session.committed_ms / 1000)
    return [one for utt, words in enumerate(transcript.utterances) for one in cut_by_speaker(utt, words)]


def _telling_apart(pipeline: Pipeline, track: Track) -> Pipeline:
    """Return the pipeline with the settings of a track."""
    stream = pipeline.config.stream
    if track.name != OWN_TRACK and stream.speakers is None:
        stream = replace(stream, max_speakers=stream.max_speakers or MAX_SPEAKERS)
    return replace(pipeline, config=replace(pipeline.config, stream=stream))
