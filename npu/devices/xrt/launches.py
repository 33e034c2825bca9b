"""All that the engine dispatches of a model, for compiling it ahead: sequences, run-time parameters, sizes of buffers.

Beam searches (steps of several beams, copies of caches) are left out: one sequence for each number of beams and window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

from amanuensis.kernels.compile.work import Dispatched, Work
from amanuensis.kernels.operands import Buffer, Parameter, Region
from amanuensis.kernels.operators import Operator
from amanuensis.npu.calibration import Precision
from amanuensis.npu.calibration_sound import demo_windows
from amanuensis.npu.device_weights import WeightMap, device_weights
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.decoder_streams import DecoderStreams, Vocabulary
from amanuensis.npu.devices.xrt.encoder_streams import EncoderStreams
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS, Memory, aligned
from amanuensis.npu.devices.xrt.stream_parts import Piece
from amanuensis.npu.model_files import ModelFiles
from amanuensis.npu.row_rules import N_MASKS
from amanuensis.npu.tokenizer import Tokenizer


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
    streams = EncoderStreams(memory, weights), DecoderStreams(memory, weights, words, heads)
    return Work(name, tuple(_sequences(memory, *streams)), _buffer_bytes(memory, weights))


def _sequences(memory: Memory, encoder: EncoderStreams, decoder: DecoderStreams) -> Iterator[Dispatched]:
    for bucket in memory.buckets:
        values = _values(memory, bucket)
        yield Dispatched("encoder", (tuple(encoder.encoding(bucket)),), values)
        yield Dispatched("encoder", (tuple(encoder.crossing(bucket)),), values)
        layers = decoder.pieces(bucket, Parameter(par.ROWS, BLOCK_ROWS))
        yield Dispatched("decoder", _by_layer(decoder.forward(bucket), 1, layers), values)
        for rows in range(2, memory.encodings + 1):
            layers = decoder.pieces(bucket, rows, own_windows=True)
            yield Dispatched("decoder", _by_layer(decoder.step_together(bucket, rows), rows, layers), values)
    yield Dispatched("decoder", (tuple(decoder.score_again()),), _values(memory, memory.buckets[-1]))


def _by_layer(
    operators: Sequence[Operator], embeddings: int, layers: Iterable[Piece]
) -> tuple[tuple[Operator, ...], ...]:
    """Return a forward of the decoder in pieces: the embeddings, each layer, and what makes scores of the last."""
    ends = list(accumulate((embeddings, *(len(layer) for _, layer in layers))))
    return tuple(tuple(operators[start:stop]) for start, stop in pairwise([0, *ends, len(operators)]))


def _values(memory: Memory, bucket: int) -> Mapping[int, int]:
    """Return the parameters of a whole window and a block of tokens at the beginning of a cache."""
    values = {par.ROWS: BLOCK_ROWS, par.KEYS: BLOCK_ROWS, par.WANTED: BLOCK_ROWS}
    values |= {par.FRAMES: bucket, par.MEL_FRAMES: 2 * bucket}
    for row in range(memory.encodings):
        values |= {par.KEYS_OF_ROWS + row: 1, par.FRAMES_OF_ROWS + row: bucket}
    return values


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
    return (
        aligned(weights.n_bytes) + aligned(masks),
        memory.scratch().n_bytes,
        memory.cache().n_bytes,
        max(area.n_bytes for area in inputs),
        max(area.n_bytes for area in outputs),
    )
