"""From a window of features to a hypothesis: encode, verify the draft, extend, fall back, align."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from amanuensis.npu.alignment import AttentionRows
from amanuensis.npu.beam import decode_beam, offers
from amanuensis.npu.devices.api import Backend, Decoder
from amanuensis.npu.engine.api import EngineError
from amanuensis.npu.greedy import BEST, decode_greedy, decode_sampled, sampling
from amanuensis.npu.hotwords import MAX_HOTWORDS, HotwordTrie
from amanuensis.npu.hypothesis import MAX_COMPRESSION_RATIO, Hypothesis, compression_ratio, needs_fallback
from amanuensis.npu.language import detect_language
from amanuensis.npu.row_rules import RowScores
from amanuensis.npu.rules import Ask, Rules, make_rules, make_selection
from amanuensis.npu.token_times import Loudness, TokenTimes
from amanuensis.npu.tokenizer import Tokenizer
from amanuensis.npu.window import MAX_PROMPT_TOKENS, DecodeOptions, WindowJob, WindowResult
from amanuensis.npu.window_pass import Prefix, WindowPass

MAX_TOKENS_PER_FRAME = 0.5  # 25 a second: nobody speaks faster, so more is a loop
SPARE_TOKENS = 8  # on top, for the shortest windows
MAX_BEAMS = 16


def decode_window(model: Backend, tokenizer: Tokenizer, job: WindowJob) -> WindowResult:
    """Decode one window; see `WindowDecoder.decode`."""
    return WindowDecoder(model, tokenizer).decode(job)


@dataclass(frozen=True, slots=True)
class _Scored:
    """A hypothesis with what the gates look at."""

    hypothesis: Hypothesis
    times: TokenTimes
    temperature: float
    ratio: float


class WindowDecoder:
    """Decodes windows with one model; what a job does not say changes nothing."""

    def __init__(self, model: Backend, tokenizer: Tokenizer) -> None:
        self._model = model
        self._tokenizer = tokenizer
        vocabulary = model.dimensions.vocabulary
        model.load_selection(make_selection(model.generation, tokenizer, vocabulary))
        self._rules = {  # by whether timestamps are wanted
            timestamps: make_rules(model.generation, tokenizer, vocabulary, timestamps=timestamps)
            for timestamps in (False, True)
        }

    def decode(self, job: WindowJob) -> WindowResult:
        """Encode and decode a window.

        Raises:
            EngineError: the job does not fit the model: features, tokens, language, task or options.

        """
        check_job(job, self._model)
        started = time.perf_counter()
        encoding = self._model.encode(job.features)
        encoded = time.perf_counter()
        result = self.decode_encoded(job, encoding.n_frames, self._model.decoder(encoding))
        decode_ms = 1000 * (time.perf_counter() - encoded)
        return replace(result, encode_ms=1000 * (encoded - started), decode_ms=decode_ms)

    def align(self, job: WindowJob) -> TokenTimes:
        """Encode a window and return when each token of its draft is said, taken for what was said.

        Raises:
            EngineError: the job does not fit the model: features, tokens, language, task or options.

        """
        check_job(job, self._model)
        encoding = self._model.encode(job.features)
        decoder = self._model.decoder(encoding)
        window = self._window(job, decoder, encoding.n_frames, self._language(decoder, job.options))
        window.prefill(job.draft, BEST)
        return window.times(len(job.draft))

    def decode_encoded(self, job: WindowJob, n_frames: int, decoder: Decoder) -> WindowResult:
        """Decode a window that passed `check_job` and is encoded; the times of the result are 0.

        Args:
            job: the window.
            n_frames: encoder positions of its encoding.
            decoder: on that encoding, with an empty cache.

        Raises:
            EngineError: the job does not fit the model: its language or task, or too many forced tokens.

        """
        language = self._language(decoder, job.options)
        window = self._window(job, decoder, n_frames, language)
        scored, no_speech_prob = self._ladder(job, window)
        hypothesis = scored.hypothesis
        return WindowResult(
            tokens=hypothesis.tokens,
            logprobs=hypothesis.logprobs,
            frames=scored.times.frames,
            starts_ms=scored.times.starts_ms,
            ends_ms=scored.times.ends_ms,
            accepted=hypothesis.accepted,
            complete=hypothesis.complete,
            no_speech_prob=no_speech_prob,
            avg_logprob=hypothesis.avg_logprob,
            compression_ratio=scored.ratio,
            temperature=scored.temperature,
            language=language,
            encode_ms=0.0,
            decode_ms=0.0,
            encoder=self._model.encoder_device,
            decoder=self._model.decoder_device,
        )

    def _language(self, decoder: Decoder, options: DecodeOptions) -> str:
        if options.language is not None:
            return options.language
        return detect_language(decoder, self._tokenizer) if self._tokenizer.multilingual else "en"

    def _window(self, job: WindowJob, decoder: Decoder, n_frames: int, language: str) -> WindowPass:
        prefix = self._prefix(job, language)
        positions = self._model.dimensions.text_positions
        room = positions - len(prefix.tokens)
        if room < 1:
            raise EngineError(f"prompt and forced tokens fill all {positions} positions of the decoder: force fewer")
        budget = int(n_frames * MAX_TOKENS_PER_FRAME) + SPARE_TOKENS
        limit = min(room, max(0, min(job.options.max_tokens, budget) - len(job.forced)))
        rows = len(prefix.tokens) - prefix.sot + max(limit, len(job.draft))
        heads = len(self._model.generation.alignment_heads)
        return WindowPass(
            decoder=decoder,
            attention=AttentionRows(heads, rows, n_frames),
            prefix=prefix,
            rules=self._job_rules(job),
            limit=limit,
            edge=None if job.edge_frames is None else n_frames - job.edge_frames,
            loudness=Loudness(job.features),
            lag_ms=self._model.generation.attention_lag_ms,
        )

    def _prefix(self, job: WindowJob, language: str) -> Prefix:
        options = job.options
        before = (self._tokenizer.prev, *job.prompt) if job.prompt else ()
        start = self._tokenizer.sot_sequence(language, options.task, options.timestamps)
        return Prefix((*before, *start, *job.forced), len(before), len(job.forced))

    def _job_rules(self, job: WindowJob) -> Rules:
        options = job.options
        trie = hotword_trie(options.hotwords, options.hotword_bonus, self._tokenizer) if options.hotwords else None
        return replace(self._rules[options.timestamps], hotwords=trie, forced=job.forced)

    def _ladder(self, job: WindowJob, window: WindowPass) -> tuple[_Scored, float]:
        """Try the temperatures in turn until a hypothesis passes the gates; return it with the no-speech probability.

        When none passes, the surest of those that do not repeat themselves counts, as in faster-whisper: where
        openai/whisper keeps the last one, hard speech ends in what the highest temperature made up.
        """
        greedy = job.options.temperatures[0] == 0 and not _by_beam(window, job)
        draft = job.draft[: window.limit] if greedy else ()
        no_speech_prob, rows = window.prefill(draft, _ask(window, job, job.options.temperatures[0]))
        failed: list[_Scored] = []
        for temperature in job.options.temperatures:
            if failed:
                draft, rows = (), (window.restart(_ask(window, job, temperature)),)
            hypothesis = _decode(window, rows, draft, temperature, job)
            ratio = compression_ratio(self._tokenizer.decode(hypothesis.tokens))
            scored = _Scored(hypothesis, window.times(len(hypothesis.tokens)), temperature, ratio)
            if not needs_fallback(ratio, hypothesis.avg_logprob, no_speech_prob):
                return scored, no_speech_prob
            failed.append(scored)
        return _surest(failed), no_speech_prob


def _ask(window: WindowPass, job: WindowJob, temperature: float) -> Ask:
    """Return what decoding at a temperature asks of each row."""
    if temperature > 0:
        return sampling(temperature, job.seed)
    return offers(job.options.beam_size) if _by_beam(window, job) else BEST


def _decode(
    window: WindowPass, rows: Sequence[RowScores], draft: Sequence[int], temperature: float, job: WindowJob
) -> Hypothesis:
    if temperature > 0:
        return decode_sampled(window, rows[0], _ask(window, job, temperature))
    if _by_beam(window, job):
        return decode_beam(window, rows[0], job.options.beam_size)
    return decode_greedy(window, rows, draft)


def _by_beam(window: WindowPass, job: WindowJob) -> bool:
    return not job.one_beam and window.limit > 0


def _surest(scored: Sequence[_Scored]) -> _Scored:
    plain = [each for each in scored if each.ratio <= MAX_COMPRESSION_RATIO]
    return max(plain or scored, key=lambda each: each.hypothesis.avg_logprob)


def hotword_trie(hotwords: Iterable[str], bonus: float, tokenizer: Tokenizer) -> HotwordTrie:
    """Return the trie of hotwords, each spelt at the start of a text and after a space."""
    words = [word.strip() for word in hotwords if word.strip()]
    spellings = [tokenizer.encode(text) for word in words for text in (word, f" {word}")]
    return HotwordTrie(spellings, bonus)


def check_job(job: WindowJob, model: Backend) -> None:
    """Raise EngineError for a job that the model cannot do."""
    dimensions, options = model.dimensions, job.options
    longest = 2 * dimensions.audio_positions
    shape = job.features.shape
    if job.features.ndim != 2 or shape[0] != dimensions.n_mels or not 1 <= shape[1] <= longest:
        raise EngineError(f"features have shape {list(shape)}, the model takes [{dimensions.n_mels}, 1..{longest}]")
    if not np.isfinite(job.features).all():
        raise EngineError("features hold NaN or infinity; clean the samples before the log-mel")
    if len(job.prompt) > MAX_PROMPT_TOKENS:
        raise EngineError(f"prompt has {len(job.prompt)} tokens, at most {MAX_PROMPT_TOKENS} are allowed")
    for name in ("prompt", "forced", "draft"):
        for token in getattr(job, name):
            if not 0 <= token < dimensions.vocabulary:
                raise EngineError(f"{name} has token {token}, the vocabulary ends at {dimensions.vocabulary - 1}")
    if not 1 <= options.beam_size <= MAX_BEAMS:
        raise EngineError(f"beam_size is {options.beam_size}, allowed is 1 to {MAX_BEAMS}")
    if len(options.hotwords) > MAX_HOTWORDS:
        raise EngineError(f"hotwords are {len(options.hotwords)} words, at most {MAX_HOTWORDS} are allowed")
    if not options.temperatures or min(options.temperatures) < 0:
        raise EngineError(f"temperatures are {options.temperatures}, at least one and none below 0 are needed")
