"""All that the engine dispatches of a model, for compiling it ahead: streams, rooms of sizes, bytes of buffers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from amanuensis.kernels.compile.lowering import RoomsOf
from amanuensis.kernels.compile.work import Dispatched, Work
from amanuensis.kernels.operands import Buffer, Region
from amanuensis.kernels.operators import Nop
from amanuensis.npu.calibration import Precision
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.device_weights import WeightMap, device_weights
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.cases import cases, filled
from amanuensis.npu.devices.xrt.decoder_streams import DecoderStreams, Vocabulary
from amanuensis.npu.devices.xrt.encoder_streams import EncoderStreams
from amanuensis.npu.devices.xrt.memory import Memory, aligned
from amanuensis.npu.devices.xrt.stream_parts import operators_of
from amanuensis.npu.devices.xrt.timed import BUFFER_BYTES, all_timed
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import N_MASKS
from amanuensis.npu.tokenizer import Tokenizer

ROW_ROOMS: Final = (1, 2, 4, 8, 16, 32)  # rows of tokens, or of logits
KEY_ROOMS: Final = (64, 128, 256)  # positions of a cache, below all of them
BEAMS: Final = 5  # of the widest search that is compiled


def rooms_of(memory: Memory) -> RoomsOf:
    """Return the sizes for which launches are laid out, by run-time parameter; the others have one, their limit."""
    rows = dict.fromkeys((par.ROWS, par.WANTED), ROW_ROOMS)
    keys = dict.fromkeys((par.KEYS, *(par.KEYS_OF_ROWS + row for row in range(memory.encodings))), KEY_ROOMS)
    return rows | keys


def work_of(name: str, files: ModelFiles, precision: Precision = "int8") -> Work:
    """Return what is to be compiled for a model; its weights are prepared where that was not done before.

    Args:
        name: of the model, for people.
        files: the model.
        precision: of the linear layers.

    Raises:
        ModelError: the model's shape does not fit the device.

    """
    tokenizer = Tokenizer(files.folder)
    weights = device_weights(files, precision, lambda: demo_windows(tokenizer, files.dimensions.n_mels)).map
    memory = Memory.plan(files.dimensions, len(files.generation.alignment_heads))
    words = Vocabulary(
        masks=Region(Buffer.WEIGHTS, aligned(weights.n_bytes)),
        n_masks=N_MASKS,
        eot=tokenizer.eot,
        timestamp_begin=tokenizer.timestamp_begin,
        no_speech=tokenizer.no_speech,
    )
    heads = tuple(sorted(files.generation.alignment_heads))
    return work_on(name, memory, EncoderStreams(memory, weights), DecoderStreams(memory, weights, words, heads))


def work_on(name: str, memory: Memory, encoder: EncoderStreams, decoder: DecoderStreams) -> Work:
    """Return what is to be compiled of streams on a memory map, voices, self-test and bench included."""
    sequences = (*_encoder(memory, encoder), *_decoder(memory, decoder), _voices(), *_self_test(), *_timed())
    n_bytes = (max(each, BUFFER_BYTES) for each in _buffer_bytes(memory, encoder.weights))
    return Work(name, sequences, rooms_of(memory), tuple(n_bytes))


def _encoder(memory: Memory, streams: EncoderStreams) -> Iterator[Dispatched]:
    for bucket in memory.buckets:
        yield Dispatched("encoder", tuple(streams.encoding(bucket)))
        yield Dispatched("encoder", tuple(streams.crossing(bucket)))


def _decoder(memory: Memory, streams: DecoderStreams) -> Iterator[Dispatched]:
    for bucket in memory.buckets:
        yield Dispatched("decoder", tuple(streams.forward(bucket)))
        if short := _short(streams):
            yield Dispatched("decoder", tuple(streams.short_step(bucket, short)))
        for rows in range(2, memory.encodings + 1):
            yield Dispatched("decoder", tuple(streams.step_together(bucket, rows)))
        for beams in range(2, BEAMS + 1):
            yield Dispatched("decoder", tuple(streams.step(bucket, beams)))
    for copies in range(1, BEAMS):
        yield Dispatched("decoder", tuple(streams.copy(copies)))
    yield Dispatched("decoder", tuple(streams.score_again()))
    yield Dispatched("decoder", tuple(operators_of([("", [Nop()])])))


def _short(streams: DecoderStreams) -> Vocabulary | None:
    """Return what choosing from the shortlist takes, where the model has one: as `shortlist.Shortlist.load` does."""
    short, words = streams.weights.short_vocabulary, streams.vocabulary
    if short is None or (words.eot, streams.memory.dimensions.vocabulary) != (short.eot, short.size):
        return None
    begin = short.place(words.timestamp_begin, ())
    assert begin is not None
    whole_bytes = aligned(N_MASKS * -(-streams.memory.dimensions.vocabulary // 8))
    masks = Region(Buffer.WEIGHTS, words.masks.offset + whole_bytes)
    return replace(words, masks=masks, eot=short.local_eot, timestamp_begin=begin, no_speech=-1)


def _voices() -> Dispatched:
    """Return the built-in network of speaker embeddings, which lies beside every model."""
    from amanuensis.npu.devices.xrt.voices import VoiceLayout
    from amanuensis.npu.speaker_graph import BUILTIN_NETWORK, read_weights

    return Dispatched("encoder", tuple(VoiceLayout(read_weights(BUILTIN_NETWORK)).operators))


def _self_test() -> Iterator[Dispatched]:
    for case in cases():
        yield Dispatched("any", tuple(filled(case)))


def _timed() -> Iterator[Dispatched]:
    for each in all_timed():
        yield Dispatched(each.part, each.operators)


def _buffer_bytes(memory: Memory, weights: WeightMap) -> tuple[int, ...]:
    """Return the sizes of the buffers; INPUT and OUTPUT as large as the largest of those that take turns."""
    longest = memory.buckets[-1]
    masks = N_MASKS * -(-memory.dimensions.vocabulary // 8)
    inputs = (
        memory.encoder_input(longest),
        memory.states_input(longest),
        memory.decoder_input(),
        memory.together_input(),
    )
    outputs = memory.encoder_output(longest), memory.decoder_output()
    short = weights.short_vocabulary
    more = 0 if short is None else aligned(N_MASKS * -(-short.local_size // 8))
    return (
        aligned(weights.n_bytes) + aligned(masks) + more,
        memory.scratch().n_bytes,
        memory.cache().n_bytes,
        max(area.n_bytes for area in inputs),
        max(area.n_bytes for area in outputs),
    )
