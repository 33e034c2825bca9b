"""The decoder on the device: its caches stay there, and only rules go over and scores and attention come back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from amanuensis.kernels.operands import ALIGNMENT_BYTES
from amanuensis.kernels.records import RULES, SCORES
from amanuensis.npu.devices.api import DecoderOutput
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.decoder_streams import DecoderStreams, Vocabulary
from amanuensis.npu.devices.xrt.dispatcher import Stream
from amanuensis.npu.devices.xrt.encoder import EncoderSession, XrtEncoding
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS
from amanuensis.npu.devices.xrt.records import fill_rules, read_scores
from amanuensis.npu.devices.xrt.resident import Resident
from amanuensis.npu.devices.xrt.shortlist import Shortlist
from amanuensis.npu.model_config import Head
from amanuensis.npu.row_rules import N_MASKS, Row, RowRules, RowScores, Selection

Float32 = NDArray[np.float32]
MAX_TAG = 1 << 30
NOTHING_WANTED = RowRules(candidates=0)


@dataclass(frozen=True, slots=True)
class StreamRow:
    """The next token of one of several streams.

    Attributes:
        encoding: what it hears.
        slot: its cache.
        position: of the token.
        token: the token.
        rules: for what follows it.

    """

    encoding: XrtEncoding
    slot: int
    position: int
    token: int
    rules: RowRules


class DecoderSession:
    """The buffers and streams of the decoder, and its dispatches.

    Attributes:
        openings: how often the caches were given to new decoders.
        shortlist: of the vocabulary, None where that is small.

    """

    def __init__(self, resident: Resident, alignment_heads: Sequence[Head]) -> None:
        memory = resident.memory
        self.memory = memory
        self.n_heads = len(alignment_heads)
        self._tag = 0
        self.openings = 0
        short = resident.weights.short_vocabulary
        self.shortlist = None if short is None else Shortlist(resident, short)
        self._resident = resident
        self._heads = tuple(alignment_heads)
        self._given = resident.input(memory.decoder_input())
        self._together = resident.input(memory.together_input())
        self._together_rules_offset = memory.together_input().offset("rules")
        self._output_area = memory.decoder_output()
        self._output = resident.output(self._output_area)
        self._ids = self._given.view("ids", np.int32)
        self._rules = self._given.view("rules", RULES)
        self._rules_offset = memory.decoder_input().offset("rules")
        self._streams: DecoderStreams | None = None
        self._forward: dict[int, Stream] = {}
        self._short_steps: dict[int, Stream] = {}
        self._steps: dict[tuple[int, int], Stream] = {}
        self._steps_together: dict[tuple[int, int], Stream] = {}
        self._copies: dict[int, Stream] = {}
        self._score_again: Stream | None = None

    @property
    def is_ready(self) -> bool:
        """Whether a selection was loaded."""
        return self._streams is not None

    def load_selection(self, selection: Selection) -> None:
        """Put the bitmaps on the device and build the streams, which depend on the token ids."""
        resident = self._resident
        resident.write_masks(selection)
        short = None if self.shortlist is None else self.shortlist.load(selection)
        words = Vocabulary(
            masks=resident.masks_region,
            n_masks=N_MASKS,
            eot=selection.eot,
            timestamp_begin=selection.timestamp_begin,
            no_speech=selection.no_speech,
        )
        if self._streams is not None and self._streams.vocabulary == words:
            return
        self._streams = streams = DecoderStreams(self.memory, resident.weights, words, self._heads)
        self._forward = {bucket: resident.stream(streams.forward(bucket), "decoder") for bucket in self.memory.buckets}
        self._score_again = resident.stream(streams.score_again(), "decoder")
        self._short_steps.clear()
        if short is not None:
            self._short_steps = {
                bucket: resident.stream(streams.short_step(bucket, short), "decoder") for bucket in self.memory.buckets
            }
        self._steps.clear()
        self._steps_together.clear()

    def forward(
        self, encoding: XrtEncoding, slot: int, first: int, tokens: Sequence[int], rows: Sequence[Row]
    ) -> tuple[list[RowScores], Float32]:
        """Append at most BLOCK_ROWS tokens to a cache.

        Returns:
            The scores of `rows`, and attention float32 [heads, tokens, frames].

        """
        self._set_forward(encoding, slot, first, tokens)
        passes = _passes(rows)
        scores = self._scores(self._forward[encoding.bucket], rows, passes[0])
        attention = self._attention(encoding, self._room(len(tokens)))[:, : len(tokens)]
        for chosen in passes[1:]:
            assert self._score_again is not None
            scores |= self._scores(self._score_again, rows, chosen)
        return [scores[place] for place in range(len(rows))], attention

    def block(self, length: int, left: int) -> int:
        """Return how many of `left` tokens are appended at once to a cache of `length` rows: there is room for them.

        The device may compute surplus rows behind them, which must not lie in the next cache.
        """
        positions = self.memory.dimensions.text_positions
        return next(n for n in range(min(left, BLOCK_ROWS), 0, -1) if n == 1 or length + self._room(n) <= positions)

    def _room(self, rows: int) -> int:
        return self._resident.room(par.ROWS, rows, BLOCK_ROWS)

    def remember(self, tokens: Sequence[int]) -> None:
        """Take note of the text that a window begins with."""
        if self._short_steps and self.shortlist is not None:
            self.shortlist.remember(tokens)

    def step_alone(
        self, encoding: XrtEncoding, slot: int, first: int, token: int, rules: RowRules
    ) -> tuple[RowScores, Float32]:
        """Append one token to a cache, scored by the shortlist where that does; attention as of a forward."""
        short = self.shortlist if self._short_steps else None
        local = None if short is None else short.local(rules)
        if short is None or local is None:
            scores, attention = self.forward(encoding, slot, first, [token], [Row(0, rules)])
            return scores[0], attention
        self._set_forward(encoding, slot, first, [token])
        found = self._scores(self._short_steps[encoding.bucket], [Row(0, local)], [0])[0]
        width = self.memory.dimensions.width
        hidden = self._resident.read(self._output, (width,), ml_dtypes.bfloat16, self._output_area.offset("hidden"))
        attention = self._attention(encoding, self._room(1))[:, :1]
        whole = short.answer(rules, found, hidden.astype(np.float32))
        if whole is None:
            assert self._score_again is not None
            whole = self._scores(self._score_again, [Row(0, rules)], [0])[0]
        return whole, attention

    def step(
        self, encoding: XrtEncoding, slots: Sequence[int], first: int, tokens: Sequence[int], rules: Sequence[RowRules]
    ) -> tuple[list[RowScores], Float32]:
        """Append one token to each of several caches; attention is float32 [heads, beams, frames]."""
        beams = len(tokens)
        key = (encoding.bucket, beams)
        if key not in self._steps:
            assert self._streams is not None
            self._steps[key] = self._resident.stream(self._streams.step(*key), "decoder")
        positions = self.memory.dimensions.text_positions
        words = {par.FIRST: first, par.KEYS: first + 1}
        for beam, slot in enumerate(slots):
            words[par.SLOTS_OF_ROWS + beam] = slot
            words[par.APPENDS_OF_ROWS + beam] = slot * positions + first
        self._set(words, encoding, tokens)
        rows = [Row(beam, each) for beam, each in enumerate(rules)]
        scores = self._scores(self._steps[key], rows, list(range(beams)))
        return [scores[beam] for beam in range(beams)], self._attention(encoding, beams)

    def step_together(self, rows: Sequence[StreamRow]) -> tuple[list[RowScores], list[Float32]]:
        """Append one token to the cache of each of several streams; attention is float32 [heads, frames] of each."""
        bucket, given = max(row.encoding.bucket for row in rows), self._together
        key = (bucket, len(rows))
        if key not in self._steps_together:
            assert self._streams is not None
            self._steps_together[key] = self._resident.stream(self._streams.step_together(*key), "decoder")
        ids, rules, tag = given.view("ids", np.int32), given.view("rules", RULES), self._next_tag(len(rows))
        positions, words = self.memory.dimensions.text_positions, given.parameters
        for place, row in enumerate(rows):
            words[par.SLOTS_OF_ROWS + place] = row.slot
            words[par.APPENDS_OF_ROWS + place] = row.slot * positions + row.position
            words[par.FIRSTS_OF_ROWS + place] = row.position
            words[par.KEYS_OF_ROWS + place] = row.position + 1
            words[par.ENCODINGS_OF_ROWS + place] = row.encoding.place
            words[par.FRAMES_OF_ROWS + place] = row.encoding.n_frames
            ids[place * ALIGNMENT_BYTES // ids.itemsize] = row.token
            fill_rules(rules[place], row.rules, tag + place)
        words[[par.WANTED_FIRST, par.WANTED]] = 0, len(rows)
        n_bytes = self._together_rules_offset + len(rows) * RULES.itemsize
        dispatch = self._resident.start(self._steps_together[key], given, n_bytes, self._output)
        records = self._resident.finish(dispatch, len(rows) * SCORES.itemsize).view(SCORES)
        shape = (len(rows), self.n_heads, bucket)
        attention = np.zeros(shape, np.float32)
        if self.n_heads:
            attention = self._resident.read(self._output, shape, np.float32, self._output_area.offset("attention"))
        scores = [read_scores(records[place], row.rules, tag + place) for place, row in enumerate(rows)]
        return scores, [attention[place, :, : row.encoding.n_frames] for place, row in enumerate(rows)]

    def copy(self, pairs: Sequence[tuple[int, int]], length: int) -> None:
        """Copy the first `length` rows of caches to others, as pairs of source and target; no target is a source."""
        count = len(pairs)
        if count not in self._copies:
            assert self._streams is not None
            self._copies[count] = self._resident.stream(self._streams.copy(count), "decoder")
        parameters = self._given.parameters
        parameters[par.KEYS] = length
        for copy, (source, target) in enumerate(pairs):
            parameters[par.SOURCES + copy], parameters[par.TARGETS + copy] = source, target
        dispatch = self._resident.start(self._copies[count], self._given, parameters.nbytes, self._output)
        self._resident.finish(dispatch)

    def _set_forward(self, encoding: XrtEncoding, slot: int, first: int, tokens: Sequence[int]) -> None:
        """Set what appends tokens to one cache."""
        words = {
            par.ROWS: len(tokens),
            par.FIRST: first,
            par.KEYS: first + len(tokens),
            par.SLOT: slot,
            par.APPEND: slot * self.memory.dimensions.text_positions + first,
        }
        self._set(words, encoding, tokens)

    def _set(self, words: dict[int, int], encoding: XrtEncoding, tokens: Sequence[int]) -> None:
        words |= {par.FRAMES: encoding.n_frames, par.ENCODING: encoding.place}
        self._given.parameters[list(words)] = list(words.values())
        self._ids[: len(tokens)] = tokens

    def _scores(self, stream: Stream, rows: Sequence[Row], chosen: Sequence[int]) -> dict[int, RowScores]:
        """Run a dispatch that scores the rows at `chosen` places of `rows`, no two of them the same row."""
        indices = [rows[place].index for place in chosen]
        first = min(indices, default=0)
        count = max(indices) + 1 - first if indices else 0
        tag = self._next_tag(count)
        for row in range(count):
            fill_rules(self._rules[row], NOTHING_WANTED, tag + row)
        for place in chosen:
            row = rows[place].index - first
            fill_rules(self._rules[row], rows[place].rules, tag + row)
        self._given.parameters[[par.WANTED_FIRST, par.WANTED]] = first, count
        n_bytes = self._rules_offset + count * RULES.itemsize
        dispatch = self._resident.start(stream, self._given, n_bytes, self._output)
        records = self._resident.finish(dispatch, count * SCORES.itemsize).view(SCORES)
        found = {}
        for place in chosen:
            row = rows[place].index - first
            found[place] = read_scores(records[row], rows[place].rules, tag + row)
        return found

    def _next_tag(self, count: int) -> int:
        """Return the first of so many tags that no row of late had."""
        self._tag = self._tag % MAX_TAG + 1
        first, self._tag = self._tag, self._tag + count
        return first

    def _attention(self, encoding: XrtEncoding, rows: int) -> Float32:
        """Return the attention of so many rows, as the device computed them: float32 [heads, rows, frames]."""
        if not self.n_heads:
            return np.zeros((0, rows, encoding.n_frames), np.float32)
        shape = (self.n_heads, rows, encoding.bucket)
        attention = self._resident.read(self._output, shape, np.float32, self._output_area.offset("attention"))
        return attention[:, :, : encoding.n_frames]


def _passes(rows: Sequence[Row]) -> list[list[int]]:
    """Return places of `rows` in groups that hold no row twice; the first group may be empty."""
    passes: list[list[int]] = [[]]
    seen: dict[int, int] = {}  # row: in how many groups it is
    for place, row in enumerate(rows):
        group = seen.get(row.index, 0)
        seen[row.index] = group + 1
        if group == len(passes):
            passes.append([])
        passes[group].append(place)
    return passes


class XrtDecoder:
    """The decoder on one encoding; see `amanuensis.npu.devices.api.Decoder`."""

    def __init__(
        self, session: DecoderSession, encoder: EncoderSession, encoding: XrtEncoding, caches: Sequence[int]
    ) -> None:
        self.length = 0
        self._session = session
        self._opening = session.openings
        self._encoder = encoder
        self._encoding = encoding
        self._caches = caches  # that its beams may use
        self._slots = [caches[0]]  # cache of each beam

    def forward(self, tokens: Sequence[int], rows: Sequence[Row]) -> DecoderOutput:
        """Append tokens of one beam in blocks, and score the given rows of them."""
        self._check(len(tokens))
        if len(self._slots) != 1:
            raise ValueError(f"a forward is of one beam, and there are {len(self._slots)}: reorder to one first")
        if not self.length:
            self._session.remember(tokens)
        scores: dict[int, RowScores] = {}
        parts: list[Float32] = []
        start = 0
        while start < len(tokens):
            block = tokens[start : start + self._session.block(self.length, len(tokens) - start)]
            places = [place for place, row in enumerate(rows) if start <= row.index < start + len(block)]
            own = [Row(rows[place].index - start, rows[place].rules) for place in places]
            found, attention = self._session.forward(self._encoding, self._slots[0], self.length, block, own)
            scores |= zip(places, found, strict=True)
            parts.append(attention)
            self.length += len(block)
            start += len(block)
        joined = np.concatenate(parts, axis=1)[:, None]
        return DecoderOutput(tuple(scores[place] for place in range(len(rows))), joined)

    def step(self, tokens: Sequence[int], rules: Sequence[RowRules]) -> DecoderOutput:
        """Append one token to each beam and score it."""
        self._check(1)
        if not len(tokens) == len(rules) == len(self._slots):
            raise ValueError(f"{len(tokens)} tokens and {len(rules)} rules for {len(self._slots)} beams")
        if len(tokens) == 1:
            slot = self._slots[0]
            row, attention = self._session.step_alone(self._encoding, slot, self.length, tokens[0], rules[0])
            scores, attention = [row], attention[:, None]
        else:
            scores, attention = self._session.step(self._encoding, self._slots, self.length, tokens, rules)
            attention = attention[:, :, None]
        self.length += 1
        return DecoderOutput(tuple(scores), attention)

    def truncate(self, length: int) -> None:
        """Forget the rows from `length` on: they will be written again."""
        if not 0 <= length <= self.length:
            raise ValueError(f"a cache of {self.length} rows cannot be cut to {length}")
        self.length = length

    def reorder(self, sources: Sequence[int]) -> None:
        """Let beam k go on from what is now beam sources[k].

        A cache that goes on once stays where it is; only where it goes on more often is it copied on the device, to
        caches that nobody needs any longer.
        """
        if not 1 <= len(sources) <= len(self._caches):
            raise ValueError(f"{len(sources)} beams; the device has caches for 1 to {len(self._caches)}")
        wanted = [self._slots[source] for source in sources]
        free = (slot for slot in self._caches if slot not in wanted)
        pairs: list[tuple[int, int]] = []
        taken: list[int] = []
        for slot in wanted:
            if slot in taken:
                pairs.append((slot, next(free)))
                slot = pairs[-1][1]  # noqa: PLW2901
            taken.append(slot)
        if pairs and self.length:
            self._session.copy(pairs, self.length)
        self._slots = taken

    def next_row(self, token: int, rules: RowRules) -> StreamRow:
        """Return the token as the next one of its stream; ValueError when it cannot be appended."""
        self._check(1)
        if len(self._slots) != 1:
            raise ValueError(f"a stream in a batch has one beam, and there are {len(self._slots)}")
        return StreamRow(self._encoding, self._slots[0], self.length, token, rules)

    def _check(self, count: int) -> None:
        """Raise ValueError when so many rows cannot be appended, or what they would stand on is gone."""
        if self._opening != self._session.openings:
            raise ValueError("this decoder has ended: another one was opened on the model")
        self._encoder.check(self._encoding)
        positions = self._session.memory.dimensions.text_positions
        if count < 1 or self.length + count > positions:
            raise ValueError(f"{count} tokens after {self.length}: the decoder has {positions} positions")


def step_together(
    session: DecoderSession, decoders: Sequence[XrtDecoder], tokens: Sequence[int], rules: Sequence[RowRules]
) -> list[DecoderOutput]:
    """Append one token to each of several streams in one dispatch; see `XrtModel.step_together`."""
    given = zip(decoders, tokens, rules, strict=True)
    rows = [decoder.next_row(token, each) for decoder, token, each in given]
    if len({row.slot for row in rows}) < len(rows):
        raise ValueError("streams in a batch need caches of their own: open them with `decoders`")
    scores, attention = session.step_together(rows)
    for decoder in decoders:
        decoder.length += 1
    return [DecoderOutput((score,), part[:, None, None]) for score, part in zip(scores, attention, strict=True)]
