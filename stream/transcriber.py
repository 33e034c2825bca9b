"""One utterance: which window to decode next, and what its hypothesis commits.

Positions are 16 kHz samples from the start of the stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal

from amanuensis.npu.log_mel import HOP_SAMPLES
from amanuensis.npu.window import WindowJob, WindowResult
from amanuensis.stream.agreement import agreed_words, before_edge, late_words, sure_words
from amanuensis.stream.align_att import attended_words
from amanuensis.stream.context import LEAD_FRAMES, StreamContext, WindowAudio
from amanuensis.stream.cut import CUT_ANYWHERE_FROM, CUT_FROM, after_peak, find_cut, next_word_from
from amanuensis.stream.early_final import goes_on, is_sure, seems_finished
from amanuensis.stream.events import Event, FinalReason
from amanuensis.stream.gates import Judgement, Verdict, judge, token_budget, uncovered_from, wordless
from amanuensis.stream.jobs import JobKind, Window
from amanuensis.stream.resample import MODEL_RATE
from amanuensis.stream.ticks import HEARD, tick_kind
from amanuensis.stream.utterance_state import UtteranceState
from amanuensis.stream.words import ENCODER_FRAME, TimedWord, timed_words, tokens_of

__all__ = ["Transcriber"]

GOOD_PAUSE_S: Final = 0.5  # between attention peaks, or what `find_cut` takes for one
KEEP_WORDS: Final = 2  # committed words that stay in the window behind a cut
KEEP_AUDIO: Final = 24_000  # samples, 1.5 s: the least that stays in the window behind a cut
STALLED_S: Final = 1.0  # voiced audio without words after which a window starts anew there
CUT_EDGE: Final = 16_000  # samples, 1 s: words nearer to the end of a full window are heard again in the next
SURELY_COVERED_S: Final = 0.5  # voiced audio without words that a tick may leave for its words to be final
CONFIDENT: Final = -0.7  # mean log-probability at which the detected language is kept
CONFIDENT_VOICED_S: Final = 1.5
MIN_AUDIO: Final = 2 * ENCODER_FRAME  # less is not worth a decode
MAX_FORCED_TOKENS: Final = 120  # of the decoder's 224 text positions


class Transcriber:
    """Follows one utterance from its start to its final text."""

    def __init__(self, context: StreamContext, audio: WindowAudio, state: UtteranceState) -> None:
        """Begin an utterance, or go on with it."""
        self._context = context
        self._audio = audio
        self._origin = state.start
        self._window_start = state.window_start
        self._decoded_end = state.decoded_end
        self._limit = context.window_limit()
        self._lead = state.lead  # frames of silence before the window, once they are known
        self._forced = list(state.forced)
        self._hypothesis = list(state.hypothesis)
        self._trusted = state.trusted  # the hypothesis passed every gate
        self._outstanding: Window | None = None
        self._hurry = state.hurry  # decode at once, without waiting for more audio
        self._hurried_at = state.hurried_at  # once only for the same audio
        self._look_again = JobKind(state.look_again) if state.look_again else None
        self._looked_from = state.looked_from  # where speech without words was last found
        self._spare = list(state.spare)  # words of the first look behind the place that is looked at again
        self._end = state.end
        self._reason = state.reason
        self._done = False
        self._wrote_words = state.wrote_words

    def state(self) -> UtteranceState:
        """Return what another transcriber needs to go on from here; only while it is not done."""
        return UtteranceState(
            start=self._origin,
            window_start=self._window_start,
            decoded_end=self._decoded_end,
            end=self._end,
            reason=self._reason,
            forced=tuple(self._forced),
            hypothesis=tuple(self._hypothesis),
            trusted=self._trusted,
            wrote_words=self._wrote_words,
            lead=self._lead,
            hurry=self._hurry,
            hurried_at=self._hurried_at,
            look_again=self._second_look(),
            looked_from=self._looked_from,
            spare=tuple(self._spare),
        )

    def _second_look(self) -> Literal["full", "last"] | None:
        """Return the kind of the second look that is due or under way."""
        window = self._outstanding
        kind = window.kind if window and window.again else self._look_again
        if kind is None:
            return None
        return "full" if kind is JobKind.FULL else "last"

    @property
    def start(self) -> int:
        """Where the utterance begins."""
        return self._origin

    @property
    def window_start(self) -> int:
        """Audio before it is not needed any more."""
        return self._window_start

    @property
    def decoded_end(self) -> int:
        """How far the audio was decoded."""
        return self._decoded_end

    @property
    def end(self) -> int | None:
        """Where the utterance ends, once it is known."""
        return self._end

    @property
    def reason(self) -> FinalReason:
        """Why it ends."""
        return self._reason

    @property
    def done(self) -> bool:
        """Whether all is final."""
        return self._done

    @property
    def wrote_words(self) -> bool:
        """Whether words were committed."""
        return self._wrote_words

    @property
    def outstanding(self) -> bool:
        """Whether a job waits for its answer."""
        return self._outstanding is not None

    @property
    def text_seems_finished(self) -> bool | None:
        """Whether the text so far ends a sentence; None: there is none, or the model writes no punctuation."""
        return seems_finished(self._forced + self._hypothesis)

    def due(self, newest: int, last_voiced: int) -> JobKind | None:
        """Return what should be decoded now, given the newest position and the end of the newest speech."""
        if self._done or self._outstanding:
            return None
        if self._look_again:
            return self._look_again
        length = self._audio_end(newest) - self._window_start
        if length > self._limit or (length == self._limit and self._end is None):
            return JobKind.FULL
        if self._end is not None:
            return JobKind.LAST if length >= ENCODER_FRAME else None
        if not self._context.ticks or self._hurry:
            return JobKind.TICK if self._hurry else None
        return tick_kind(newest, last_voiced, self._decoded_end, self._context.tick, told=self._is_told)

    def job(self, kind: JobKind, newest: int) -> tuple[WindowJob, Window]:
        """Make the job that is due; return it and its audio."""
        stop = min(self._audio_end(newest), self._window_start + self._limit)
        again = self._look_again is not None
        self._look_again, self._hurry = None, False
        lead = self._lead_frames(stop)
        window = self._outstanding = Window(kind, self._window_start, stop, lead * HOP_SAMPLES, again)
        context, forced = self._context, tokens_of(self._forced)
        n_frames = (stop - self._window_start) // HOP_SAMPLES
        budget = token_budget((stop - self._window_start) / MODEL_RATE, len(forced), context.config.gates)
        job = WindowJob(
            features=self._audio.features(self._window_start, stop, lead, context.pad_frames(n_frames)),
            prompt=() if again else context.prompt.tokens,
            forced=forced,
            draft=tokens_of(self._hypothesis),
            options=context.config.options(context.language, final=kind.final, max_tokens=budget),
        )
        return job, window

    def consume(self, result: WindowResult) -> list[Event]:
        """Take the hypothesis for the outstanding job."""
        window, self._outstanding = self._outstanding, None
        assert window is not None, "no job is outstanding"
        context = self._context
        context.captions.computed(result, context.info)
        self._decoded_end = max(self._decoded_end, window.stop)
        low = max(window.start, context.captions.end)
        voiced = self._audio.voiced_spans(min(low, window.stop), window.stop)
        bounds = low, max(low, window.stop)
        words = timed_words(
            result, context.tokenizer, window.start - window.lead, bounds, result.language, voiced=voiced
        )
        judgement = judge(result, words, _seconds(voiced), context.config.gates, follows=self._wrote_words)
        self._note(result, judgement, voiced)
        if not window.kind.final:
            return self._on_tick(window, words, judgement)
        return self._on_final(window, words[: judgement.n_words], voiced)

    def discard(self) -> None:
        """Forget the outstanding job: its answer will not come, or not be taken."""
        if self._outstanding and self._outstanding.again:
            self._look_again = self._outstanding.kind
        self._outstanding = None

    def close(self, end: int, reason: FinalReason) -> None:
        """Tell where the utterance ends. A tick that has not heard all its speech is forgotten."""
        self._end, self._reason = max(end, self._window_start), reason
        window = self._outstanding
        if window and not window.kind.final and window.stop < self._speech_end() + HEARD:
            self.discard()

    def finish_early(self) -> list[Event]:
        """Make the utterance final without another decode, if its last tick heard all of it and was believed."""
        if self._done or self._end is None or self._outstanding or self._look_again:
            return []
        if self._end - self._window_start < MIN_AUDIO:
            return self._finish(self._end)
        if not self._is_settled():
            return []
        self._context.counters.instant_finals += 1
        return self._finish(self._end)

    def tell_early(self, is_time: Callable[[bool], bool]) -> list[Event]:
        """Tell what is heard of the open utterance as final; its sound stays, and what is said next goes on behind it.

        Args:
            is_time: whether the silence is long enough, given whether all words are likely.

        """
        if self._end is not None or self._outstanding or self._look_again or self._is_told:
            return []
        if not is_time(is_sure(self._hypothesis)) or goes_on(self._forced + self._hypothesis) or not self._is_settled():
            return []
        events = self._commit(self._hypothesis)
        self._hypothesis = []
        self._context.counters.early_finals += 1
        return [*events, *self._context.captions.final("pause")]

    @property
    def _is_told(self) -> bool:
        return not self._hypothesis and not self._context.captions.wrote_words

    def abandon(self, stop: int) -> tuple[list[Event], int]:
        """Give up on the audio up to `stop`, which ends the utterance.

        Returns:
            The events that make final what was heard, and the position from which nothing was heard.

        """
        self._outstanding = None
        lost_from = min(max(self._decoded_end if self._hypothesis or self._forced else 0, self._window_start), stop)
        self._reason = self._reason if self._end == stop else "length"
        self._end = stop
        return self._finish(lost_from), lost_from

    def put_down(self) -> list[Event]:
        """Make final what is sure of the newest hypothesis: the rest of the utterance is heard by another process."""
        n = before_edge(self._hypothesis, len(self._hypothesis), self._decoded_end, self._context.edge)
        n = sure_words(self._hypothesis, n, self._decoded_end) if self._trusted and not self._outstanding else 0
        events = self._commit(self._hypothesis[:n])
        self._hypothesis = self._hypothesis[n:]
        return [*events, *self._context.captions.final("flush")]

    def _audio_end(self, newest: int) -> int:
        """Return how far there is sound: behind a restart the resampler may still hold the last of an utterance."""
        return newest if self._end is None else min(self._end, newest)

    def _lead_frames(self, stop: int) -> int:
        """Return how many frames of silence come before the window: some where it begins with speech and no words."""
        if self._lead is None:
            start, lead = self._window_start, LEAD_FRAMES * HOP_SAMPLES
            voiced = self._audio.voiced_spans(start, min(stop, start + lead))
            missing = lead - (voiced[0][0] - start) if voiced and not self._forced else 0
            self._lead = missing // ENCODER_FRAME * (ENCODER_FRAME // HOP_SAMPLES) if 2 * missing > lead else 0
        return self._lead

    def _note(self, result: WindowResult, judgement: Judgement, voiced: Sequence[tuple[int, int]]) -> None:
        context = self._context
        self._trusted = judgement.verdict is Verdict.KEEP
        if judgement.verdict is Verdict.LOOP:
            context.prompt.clear()
        if judgement.verdict in {Verdict.LOOP, Verdict.SILENT}:
            context.counters.gated += 1
        confident = result.avg_logprob > CONFIDENT and _seconds(voiced) >= CONFIDENT_VOICED_S
        if context.language is None and self._trusted and judgement.n_words and confident:
            context.language = result.language

    def _on_tick(self, window: Window, words: list[TimedWord], judgement: Judgement) -> list[Event]:
        words = words[: judgement.n_words]
        n = self._settled_words(words, window.stop) if judgement.verdict is not Verdict.LOOP else 0
        late = late_words(words, max(self._context.captions.end, self._window_start), window.stop)
        self._context.counters.forced_commits += max(0, late - n)
        n = max(n, late)
        events = self._commit(words[:n])
        last_end = max([word.end for word in (*self._hypothesis, *words)], default=self._window_start)
        self._hypothesis = words[n:]
        if self._is_stalled(last_end, window.stop):
            events += self._start_anew(window.stop)
        else:
            self._cut_in_pause(window.stop)
        return [*events, *self._context.captions.partial(self._hypothesis)]

    def _is_stalled(self, last_end: int, audio_end: int) -> bool:
        """Whether the last two hypotheses left out seconds of speech at their end, as Whisper does at times."""
        since = min(max(last_end, self._context.captions.end), audio_end)
        return _seconds(self._audio.voiced_spans(since, audio_end)) >= STALLED_S

    def _start_anew(self, audio_end: int) -> list[Event]:
        """Commit what was heard and start the window behind it, without prompt."""
        events = self._commit(self._hypothesis)
        self._hypothesis = []
        if self._forced:
            end = next_word_from(self._forced[-1], self._context.captions.end)
            position = self._audio.quietest(after_peak(self._forced[-1].last, end), end)
            self._move_window(max(position, self._window_start), len(self._forced))
            self._hurry, self._hurried_at = audio_end > self._hurried_at, audio_end
        self._context.prompt.clear()
        self._context.counters.looked_again += 1
        return events

    def _settled_words(self, words: Sequence[TimedWord], audio_end: int) -> int:
        edge = self._context.edge
        if self._context.config.policy == "alignatt":
            peak = self._forced[-1].last if self._forced else self._window_start
            n = attended_words(words, peak, audio_end, edge)
        else:
            n = before_edge(words, agreed_words(self._hypothesis, words), audio_end, edge)
        return sure_words(words, n, audio_end)

    def _on_final(self, window: Window, words: list[TimedWord], voiced: list[tuple[int, int]]) -> list[Event]:
        if window.again:
            words = words if len(words) >= len(self._spare) else self._spare
        self._spare = []
        gap = self._uncovered(window, words)
        if gap is not None:
            return self._look_from(gap, window, words)
        if not words and _seconds(voiced) >= self._context.config.gates.uncovered_s:
            self._context.counters.empty += 1
        if window.kind is JobKind.LAST:
            self._hypothesis = []
            return [*self._commit(words), *self._finish(window.stop)]
        return self._force_cut(window, words)

    def _uncovered(self, window: Window, words: list[TimedWord]) -> int | None:
        """Return where speech without words begins, if further on than last time; a full window may end without."""
        start = max(window.start, self._context.captions.end)
        stop = window.stop - (CUT_EDGE if window.kind is JobKind.FULL else 0)
        spans = self._audio.voiced_spans(start, max(start, stop))
        gap = uncovered_from(spans, words, start, self._context.config.gates.uncovered_s)
        return gap if gap is not None and gap > self._looked_from else None

    def _look_from(self, gap: int, window: Window, words: list[TimedWord]) -> list[Event]:
        """Commit the words before speech without words, and decode again from there, without any prompt."""
        before = [word for word in words if word.last < gap]
        events = self._commit(before)
        self._hypothesis = []
        self._looked_from = gap
        self._look_again, self._spare = window.kind, words[len(before) :]
        self._context.counters.looked_again += 1
        if self._forced:
            self._move_window(next_word_from(self._forced[-1], gap), len(self._forced))
        if window.kind is JobKind.FULL and self._window_start > window.start:
            self._look_again, self._spare = None, []  # the window is no longer full: it goes on from here
        return events

    def _force_cut(self, window: Window, words: list[TimedWord]) -> list[Event]:
        """Cut a full window: commit what lies before its edge, agreed or not, so that the text never stops."""
        n = sum(word.last <= window.stop - CUT_EDGE for word in words)
        events = self._commit(words[:n])
        self._hypothesis = words[n:]
        self._context.counters.forced_commits += n
        earliest = window.start + (window.stop - window.start) // 4
        latest = self._hypothesis[0].first if self._hypothesis else window.stop
        for keep in (KEEP_WORDS, 0):
            if cut := find_cut(self._forced, earliest, min(latest, window.stop), keep, self._audio.quietest):
                self._move_window(cut.position, cut.n_words)
                return [*events, *self._context.captions.partial(self._hypothesis)]
        return [*events, *self._cut_without_words(window)]

    def _cut_without_words(self, window: Window) -> list[Event]:
        """Cut a full window in which no word was committed late enough: at the quietest place of its last second."""
        position = self._audio.quietest(window.stop - CUT_EDGE, window.stop)
        said = [word for word in self._hypothesis if word.last < position]
        events = self._commit(said)
        self._hypothesis = self._hypothesis[len(said) :]
        self._move_window(position, len(self._forced))
        return [*events, *self._context.captions.partial(self._hypothesis)]

    def _cut_in_pause(self, audio_end: int) -> None:
        """Cut a window that is getting long at a committed word, best in a pause."""
        length, audio_context = audio_end - self._window_start, self._context.info.audio_context
        crowded = len(tokens_of(self._forced)) > MAX_FORCED_TOKENS
        if length < CUT_FROM[audio_context] * self._limit and not crowded:
            return
        earliest = self._window_start + self._limit // 8 + max(0, length - self._limit // 2) // 2
        latest = audio_end - KEEP_AUDIO
        anywhere = crowded or length >= CUT_ANYWHERE_FROM[audio_context] * self._limit
        least = -math.inf if anywhere else GOOD_PAUSE_S
        if cut := find_cut(self._forced, earliest, latest, KEEP_WORDS, self._audio.quietest, least=least):
            self._move_window(cut.position, cut.n_words)

    def _move_window(self, position: int, n_words: int) -> None:
        """Start the window at `position`, whole encoder frames from the origin; `n_words` forced words leave it."""
        if self._end is not None:
            position = max(self._window_start, min(position, self._end - MIN_AUDIO))
        position -= (position - self._origin) % ENCODER_FRAME
        self._count_empty(position)
        self._context.prompt.add(self._forced[:n_words])
        del self._forced[:n_words]
        self._window_start = position
        self._lead = None
        self._context.counters.cuts += 1

    def _is_settled(self) -> bool:
        """Whether the newest hypothesis can stand as the final one: it saw all speech and nothing speaks against it."""
        context, heard = self._context, self._speech_end() + HEARD
        believed = self._trusted and bool(self._forced or self._hypothesis)
        if not believed or not context.ticks or context.config.beam_size > 1:
            return False
        if self._decoded_end < (heard if self._end is None else min(self._end, heard)):
            return False
        start = max(self._window_start, context.captions.end)
        spans = self._audio.voiced_spans(start, max(start, self._end or self._decoded_end))
        return uncovered_from(spans, self._hypothesis, start, SURELY_COVERED_S) is None

    def _speech_end(self) -> int:
        """Return where the last speech of the utterance ends."""
        spans = self._audio.voiced_spans(self._window_start, self._audio_end(self._audio.stop))
        return spans[-1][1] if spans else self._window_start

    def _count_empty(self, stop: int) -> None:
        """Count the speech without words before `stop`, which nobody looks at any more."""
        spans = self._audio.voiced_spans(self._window_start, stop)
        limit_s = self._context.config.gates.uncovered_s
        for first, last in wordless(spans, self._forced, self._window_start, limit_s):
            self._context.ledger.count_empty(first, last)

    def _finish(self, heard: int) -> list[Event]:
        """Make final what was heard, which is the audio before `heard`."""
        events = self._commit(self._hypothesis)
        self._hypothesis = []
        self._count_empty(heard)
        self._context.prompt.add(self._forced)
        self._forced = []
        self._done = True
        return [*events, *self._context.captions.final(self._reason)]

    def _commit(self, words: Sequence[TimedWord]) -> list[Event]:
        self._forced += words
        self._wrote_words |= bool(words)
        return self._context.captions.commit(words)


def _seconds(spans: Sequence[tuple[int, int]]) -> float:
    return sum(stop - start for start, stop in spans) / MODEL_RATE
