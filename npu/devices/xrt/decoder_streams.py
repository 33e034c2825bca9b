"""The dispatches of the decoder: a forward on one cache, a step of several beams or streams, copies of caches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from amanuensis.kernels.operands import ALIGNMENT_BYTES, Count, Epilogue, Parameter, Region
from amanuensis.kernels.operators import Attention, CopyRows, Embed, Operator, Select
from amanuensis.npu.device_layers import UNEMBEDDING, cross_chunks
from amanuensis.npu.devices.xrt import parameters as par
from amanuensis.npu.devices.xrt.layers import Layers
from amanuensis.npu.devices.xrt.memory import BLOCK_ROWS, F32_BYTES, Area
from amanuensis.npu.devices.xrt.short_vocabulary import EXTRA, N_EXTRAS, SHORT
from amanuensis.npu.devices.xrt.stream_parts import PLAIN, Piece, StreamParts, operators_of
from amanuensis.npu.model_config import Head


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What selecting needs to know.

    Attributes:
        masks: where the bitmaps of suppressed ids lie.
        n_masks: how many there are.
        eot, timestamp_begin, no_speech: token ids.

    """

    masks: Region
    n_masks: int
    eot: int
    timestamp_begin: int
    no_speech: int


@dataclass(frozen=True)
class DecoderStreams(StreamParts):
    """Builds the decoder's sequences.

    Attributes:
        vocabulary: for selecting.
        alignment_heads: whose attention is answered, in order of layer and head.

    """

    vocabulary: Vocabulary
    alignment_heads: tuple[Head, ...]

    def forward(self, bucket: int) -> list[Operator]:
        """Up to BLOCK_ROWS tokens, appended to the cache SLOT; scores of WANTED rows of them."""
        rows = Parameter(par.ROWS, BLOCK_ROWS)
        begin: list[Operator] = [self.embed(rows, step=1)]
        return operators_of([("", begin), *self.pieces(bucket, rows), self._scores(self.memory.decoder_input())])

    def step(self, bucket: int, beams: int) -> list[Operator]:
        """One token of each beam, appended to the beam's own cache; scores of all."""
        begin: list[Operator] = [self.embed(beams, step=0)]
        return operators_of([("", begin), *self.pieces(bucket, beams), self._scores(self.memory.decoder_input())])

    def step_together(self, bucket: int, rows: int) -> list[Operator]:
        """One token of each of several streams, each with a cache, a position and a window of its own."""
        given = self.memory.together_input()
        begin: list[Operator] = [self._embed_stream(given, row) for row in range(rows)]
        return operators_of([("", begin), *self.pieces(bucket, rows, own_windows=True), self._scores(given)])

    def score_again(self) -> list[Operator]:
        """Scores of WANTED rows of the dispatch before, under other rules."""
        return operators_of([self._scores(self.memory.decoder_input())])

    def short_step(self, bucket: int, words: Vocabulary) -> list[Operator]:
        """One token, appended to the cache SLOT; its scores in the shortlist, and the row that was projected.

        Args:
            bucket: of the window.
            words: of the shortlist.

        """
        rows = Parameter(par.ROWS, BLOCK_ROWS)
        begin: list[Operator] = [self.embed(rows, step=1)]
        return operators_of([("", begin), *self.pieces(bucket, rows), ("", self._short_scores(words))])

    def copy(self, copies: int) -> list[Operator]:
        """The first KEYS rows of caches SOURCES to caches TARGETS."""
        positions, row = self.memory.dimensions.text_positions, self.memory.kv_row_bytes
        keys = Parameter(par.KEYS, positions)
        operators: list[Operator] = []
        for copy in range(copies):
            source, target = (
                self.cache.at("self", 0, self._slot(base + copy), positions * row)
                for base in (par.SOURCES, par.TARGETS)
            )
            operators.append(CopyRows(source, target, keys, row, row, row))
        return operators_of([("", operators)])

    def pieces(self, bucket: int, rows: Count, *, own_windows: bool = False) -> Iterator[Piece]:
        """Yield the layers.

        Args:
            bucket: of the window; of the longest one where there are several.
            rows: a parameter for tokens of one cache, a number for rows with a cache each.
            own_windows: the rows have a position and a window each.

        """
        layers = Layers("decoder", self.scratch, self.weights, rows)
        for layer in range(self.memory.dimensions.decoder_layers):
            name = f"decoder.layers.{layer}"
            operators = [
                *self._self_attention(layers, f"{name}.self_attn", layer, own_windows),
                *self._cross_attention(layers, f"{name}.encoder_attn", layer, bucket, own_windows),
                *layers.feed_forward(name),
            ]
            yield name, operators

    def embed(self, rows: Count, step: int) -> Embed:
        """Return the operator that makes the residual of tokens; step 0: all at the same position."""
        dimensions = self.memory.dimensions
        return Embed(
            ids=self.memory.decoder_input().at("ids"),
            table=self.weights.at("embedding"),
            positions=self.weights.at("decoder.positions"),
            dst=self.scratch.at("decoder.residual"),
            rows=rows,
            first=Parameter(par.FIRST, dimensions.text_positions - 1),
            width=dimensions.width,
            vocabulary=dimensions.vocabulary,
            n_positions=dimensions.text_positions,
            step=step,
        )

    def _embed_stream(self, given: Area, row: int) -> Operator:
        residual = self.scratch.at("decoder.residual", row * self.memory.dimensions.width * F32_BYTES)
        first = Parameter(par.FIRSTS_OF_ROWS + row, self.memory.dimensions.text_positions - 1)
        ids = given.at("ids", row * ALIGNMENT_BYTES)
        return replace(self.embed(1, step=0), ids=ids, dst=residual, first=first)

    def _self_attention(self, layers: Layers, name: str, layer: int, own_windows: bool) -> Iterator[Operator]:
        yield layers.norm(f"{name}_layer_norm")
        yield from layers.product(f"{name}.qkv", layers.at("normed"), layers.at("qkv"), PLAIN)
        if isinstance(layers.rows, Parameter):
            yield from self._on_one_cache(layers, layer)
        else:
            for row in range(layers.rows):
                keys = par.KEYS_OF_ROWS + row if own_windows else par.KEYS
                yield from self._on_own_cache(layers, layer, row, keys)
        yield from layers.add_to_residual(f"{name}.out_proj", layers.at("mixed"))

    def _on_one_cache(self, layers: Layers, layer: int) -> Iterator[Operator]:
        """Append the rows to a cache and attend to it, each row to those up to itself."""
        vector, positions = self.vector_bytes, self.memory.dimensions.text_positions
        yield self._append(layers.at("qkv", vector), layers.rows, layer, par.APPEND)
        k, v = self._cached(layer, par.SLOT)
        yield Attention(
            q=layers.at("qkv"),
            k=k,
            v=v,
            dst=layers.at("mixed"),
            rows=layers.rows,
            keys=Parameter(par.KEYS, positions),
            heads=self.memory.dimensions.decoder_heads,
            size=self._head_size,
            causal=True,
            first=Parameter(par.FIRST, positions - 1),
            scale=self._head_size**-0.5,
            q_pitch=3 * vector,
            kv_pitch=self.memory.kv_row_bytes,
        )

    def _on_own_cache(self, layers: Layers, layer: int, row: int, keys: int) -> Iterator[Operator]:
        """Append a row to its cache and attend to all of it."""
        vector = self.vector_bytes
        yield self._append(layers.at("qkv", (3 * row + 1) * vector), 1, layer, par.APPENDS_OF_ROWS + row)
        k, v = self._cached(layer, par.SLOTS_OF_ROWS + row)
        yield Attention(
            q=layers.at("qkv", 3 * row * vector),
            k=k,
            v=v,
            dst=layers.at("mixed", row * vector),
            rows=1,
            keys=Parameter(keys, self.memory.dimensions.text_positions),
            heads=self.memory.dimensions.decoder_heads,
            size=self._head_size,
            causal=False,
            first=0,
            scale=self._head_size**-0.5,
            kv_pitch=self.memory.kv_row_bytes,
        )

    def _cross_attention(
        self, layers: Layers, name: str, layer: int, bucket: int, own_windows: bool
    ) -> Iterator[Operator]:
        """Attend to the sound; rows that hear the same sound are rows of one attention."""
        yield layers.norm(f"{name}_layer_norm")
        yield from layers.product(f"{name}.q_proj", layers.at("normed"), layers.at("qkv"), PLAIN)
        if own_windows:
            assert isinstance(layers.rows, int)
            for row in range(layers.rows):
                hearing = self._hearing(layers, layer, bucket, par.ENCODINGS_OF_ROWS + row)
                yield replace(
                    hearing,
                    q=layers.at("qkv", row * self.vector_bytes),
                    dst=layers.at("mixed", row * self.vector_bytes),
                    rows=1,
                    keys=Parameter(par.FRAMES_OF_ROWS + row, bucket),
                    probabilities=self._answered_stream(layer, row, bucket) if hearing.kept_heads else None,
                )
        else:
            yield self._hearing(layers, layer, bucket, par.ENCODING)
        yield from layers.add_to_residual(f"{name}.out_proj", layers.at("mixed"))

    def _hearing(self, layers: Layers, layer: int, bucket: int, word: int) -> Attention:
        """Return the attention of all rows to the window that a parameter names."""
        chunk = next(layers for layers in cross_chunks(self.memory.dimensions) if layer in layers)
        start = (layer - chunk.start) * self.memory.layer_kv_bytes
        heads = tuple(head for owner, head in self.alignment_heads if owner == layer)
        return Attention(
            q=layers.at("qkv"),
            k=self.cross(chunk, start, word),
            v=self.cross(chunk, start + self.vector_bytes, word),
            dst=layers.at("mixed"),
            rows=layers.rows,
            keys=Parameter(par.FRAMES, bucket),
            heads=self.memory.dimensions.decoder_heads,
            size=self._head_size,
            causal=False,
            first=0,
            scale=self._head_size**-0.5,
            probabilities=self._answered(layer, layers.rows, bucket) if heads else None,
            kept_heads=heads,
            pitch=bucket if heads else 0,
            kv_pitch=len(chunk) * self.memory.layer_kv_bytes,
        )

    def _answered(self, layer: int, rows: Count, bucket: int) -> Region:
        """Return where the attention of a layer's alignment heads goes: after that of the layers before."""
        before = self._heads_before(layer) * bucket * F32_BYTES
        output = self.memory.decoder_output()
        if isinstance(rows, Parameter):
            return output.at("attention", 0, rows, before)
        return output.at("attention", rows * before)

    def _answered_stream(self, layer: int, row: int, bucket: int) -> Region:
        """Return the same for a row of a stream of its own: after all heads of the rows before."""
        place = row * len(self.alignment_heads) + self._heads_before(layer)
        return self.memory.decoder_output().at("attention", place * bucket * F32_BYTES)

    def _heads_before(self, layer: int) -> int:
        return sum(owner < layer for owner, _ in self.alignment_heads)

    def _append(self, source: Region, rows: Count, layer: int, word: int) -> Operator:
        """Copy keys and values, which lie after the queries in `qkv`, to the cache row that a parameter names."""
        row = self.memory.kv_row_bytes
        last = self.memory.slots * self.memory.dimensions.text_positions - 1
        target = self.cache.at("self", layer * self.memory.layer_kv_bytes, Parameter(word, last), row)
        return CopyRows(source, target, rows, self.memory.layer_kv_bytes, 3 * self.vector_bytes, row)

    def _cached(self, layer: int, word: int) -> tuple[Region, Region]:
        """Return keys and values of a layer in the cache that a parameter names."""
        stride = self.memory.dimensions.text_positions * self.memory.kv_row_bytes
        start = layer * self.memory.layer_kv_bytes
        keys, values = (
            self.cache.at("self", skip, self._slot(word), stride) for skip in (start, start + self.vector_bytes)
        )
        return keys, values

    def _slot(self, word: int) -> Parameter:
        return Parameter(word, self.memory.slots - 1)

    @property
    def _head_size(self) -> int:
        return self.memory.dimensions.width // self.memory.dimensions.decoder_heads

    def project(self) -> list[Operator]:
        """Normalise WANTED rows and project them to the vocabulary."""
        layers, norm = self._normed()
        logits = self.scratch.at("logits")
        return [norm, *layers.product(UNEMBEDDING, layers.at("normed"), logits, Epilogue(out="f32"))]

    def _normed(self) -> tuple[Layers, Operator]:
        """Return what normalises WANTED rows, and what builds on them."""
        rows = Parameter(par.WANTED, BLOCK_ROWS)
        layers = Layers("decoder", self.scratch, self.weights, rows)
        first = Parameter(par.WANTED_FIRST, BLOCK_ROWS - 1)
        residual = self.scratch.at("decoder.residual", 0, first, self.memory.dimensions.width * F32_BYTES)
        return layers, layers.norm_of("decoder.layer_norm", residual, layers.at("normed"), rows)

    def _short_scores(self, words: Vocabulary) -> list[Operator]:
        short, ending = self.weights.short_vocabulary, Epilogue(out="f32")
        assert short is not None
        layers, norm = self._normed()
        hidden, rare = layers.at("normed"), self.scratch.at("logits")
        static = self.scratch.at("logits", N_EXTRAS * F32_BYTES)
        *_, extra = layers.product(EXTRA, hidden, rare, ending)  # the row is quantised already
        copied = CopyRows(hidden, self.memory.decoder_output().at("hidden"), 1, *[self.vector_bytes] * 3)
        select = self._select(self.memory.decoder_input(), words, short.local_size, short.pitch)
        return [norm, *layers.product(SHORT, hidden, static, ending), extra, select, copied]

    def _scores(self, given: Area) -> Piece:
        memory = self.memory
        vocabulary, pitch = memory.dimensions.vocabulary, memory.padded_vocabulary
        return "", [*self.project(), self._select(given, self.vocabulary, vocabulary, pitch)]

    def _select(self, given: Area, words: Vocabulary, vocabulary: int, pitch: int) -> Select:
        return Select(
            logits=self.scratch.at("logits"),
            masks=words.masks,
            rules=given.at("rules"),
            answers=self.memory.decoder_output().at("scores"),
            rows=Parameter(par.WANTED, BLOCK_ROWS),
            vocabulary=vocabulary,
            pitch=pitch,
            n_masks=words.n_masks,
            timestamp_begin=words.timestamp_begin,
            eot=words.eot,
            no_speech=words.no_speech,
        )
