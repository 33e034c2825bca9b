// Tiles of matrix products in the configuration `products`: control, and what ends a tile.
//
// A tile of sums is 64 x 64, in blocks of 4 x 8 (int8) or 4 x 4 (bf16). Reference: kernels/reference/gemm.py,
// kernels/reference/requantise.py.

#include "products.h"

extern "C" {

// Spreads the words of the sequence.
void products_begin(const int32_t *__restrict control, int32_t *__restrict state) {
  for (unsigned i = 0; i < STATE_WORDS; ++i) state[i] = 0;
  const unsigned kind = bits(control[0], 0, 8), flags = bits(control[0], 8, 8);
  state[KIND] = kind;
  state[FLAGS] = flags;
  if (kind == INT8 || kind == BF16 || kind == REQUANTISE) {
    state[ACTIVE] = bits(control[0], 16, 8);
    state[IDLE] = bits(control[0], 24, 8);
    state[STEPS] = bits(control[1], 0, 16);
    state[GROUPS] = bits(control[1], 16, 8);
    state[TILE_AT] = state[ACTIVE] - 1;
    state[LAST_K] = bits(control[1], 24, 8);
    state[LAST_OUTS] = bits(control[2], 0, 8);
    state[LAST_ROWS] = bits(control[2], 8, 8);
    state[LAST_QUAD] = bits(control[2], 16, 8);
    state[LAST_ROW] = bits(control[2], 24, 8);
    state[SHIFT] = bits(control[3], 0, 8);
    state[B_KEPT] = state[ACTIVE] > 0;
    state[A_KEPT] = kind == INT8;
    state[RESIDUALS] = flags & RESIDUAL ? quads_out(state) : 0;
  } else {
    state[EXTRAS] = bits(control[0], 16, 16);
    state[ROUNDS] = bits(control[1], 0, 16);
    state[CHUNKS] = bits(control[1], 16, 16);
    state[ROWS] = bits(control[2], 0, 8);
    state[LAST_QUAD] = bits(control[2], 8, 8);
    state[GIVES] = bits(control[2], 16, 16);
    state[WIDTH] = bits(control[3], 0, 16);
    state[SCALE_WORDS] = bits(control[3], 16, 16);
    if (kind == NORM) state[A_KEPT] = (2 * state[WIDTH] + OBJECT_WORDS - 1) / OBJECT_WORDS;
    if (flags & SMOOTH) state[A_KEPT] = (state[WIDTH] + OBJECT_WORDS - 1) / OBJECT_WORDS;
  }
  state[SIDE] = state[STEPS] ? TILE * TILE : HELD_WORDS - state[A_KEPT] * OBJECT_WORDS;
  state[GROUP] = state[ROUND] = -1;
}

// Keeps an object beside the others: of b first, so that scales of rows, which a brings, lie at ROW_SCALES.
void products_keep(const int32_t *__restrict object, int32_t *__restrict held, int32_t *__restrict state) {
  int32_t *to = held + state[SIDE] + state[KEPT]++ * OBJECT_WORDS;
  for (unsigned i = 0; i < OBJECT_WORDS; i += LANES) aie::store_v(to + i, aie::load_v<LANES>(object + i));
}

// Begins a tile, and before the first of a group of rows the group; the last one may have fewer rows.
void products_clear(int32_t *__restrict sums, int32_t *__restrict state) {
  zero_sums<TILE * TILE>(sums);
  if (++state[TILE_AT] == state[ACTIVE]) {
    const bool last = ++state[GROUP] == state[GROUPS] - 1;
    state[TILE_AT] = 0;
    state[OUTS] = last ? state[LAST_OUTS] : QUADS / quads_out(state);
    state[ROWS_NOW] = last ? state[LAST_ROWS] : TILE;
  }
  state[STEP] = state[OUT] = state[PART] = 0;
}
}

template <unsigned Times, typename Part>
static inline floats repeated(const Part &part) {
  if constexpr (Times == 2) return aie::concat(part, part);
  else return aie::concat(part, part, part, part);
}

static inline floats ended(floats values, const floats &bias, int32_t flags) {
  if (flags & BIAS) values = aie::add(values, bias);
  return flags & GELU ? gelu_of(values) : values;
}

static inline float row_scale(const int32_t *side, const int32_t *state, unsigned row) {
  const bool there = row < unsigned(state[ROWS_NOW]);
  return as_float(side[ROW_SCALES + (there ? SCALES_BEFORE + state[GROUP] * TILE + row : 0)]);
}

static inline void finish_int8(int32_t *sums, const int32_t *side, const int32_t *__restrict state) {
  const float *scales = floats_of(side) + state[TILE_AT] * TILE, *biases = scales + state[ACTIVE] * TILE;
  for (unsigned pair = 0; pair < 2 * QUADS; ++pair) {  // two rows
    const floats rows = aie::concat(aie::broadcast<float, 8>(row_scale(side, state, 2 * pair)),
                                    aie::broadcast<float, 8>(row_scale(side, state, 2 * pair + 1)));
    int32_t *at = sums + pair / 2 * BLOCK_ROWS * TILE + pair % 2 * LANES;
    for (unsigned j = 0; j < TILE; j += 8) {
      int32_t *block = at + j * BLOCK_ROWS;
      const floats values = product(product(aie::to_float(aie::load_v<LANES>(block)), rows),
                                    repeated<2>(aie::load_v<8>(scales + j)));
      aie::store_v(floats_of(block), ended(values, repeated<2>(aie::load_v<8>(biases + j)), state[FLAGS]));
    }
  }
}

static inline void finish_bf16(int32_t *sums, const int32_t *side, const int32_t *__restrict state) {
  const float *biases = floats_of(side) + state[TILE_AT] * TILE;
  for (unsigned j = 0; j < TILE; j += 4) {
    const floats bias = repeated<4>(aie::load_v<4>(biases + j));
    for (unsigned quad = 0; quad < QUADS; ++quad) {
      float *block = floats_of(sums) + quad * BLOCK_ROWS * TILE + j * BLOCK_ROWS;
      aie::store_v(block, ended(aie::load_v<LANES>(block), bias, state[FLAGS]));
    }
  }
}
extern "C" {

// Beside the sums: of this column's tiles, scales (int8 only) and then biases, 64 a tile. Sums become floats in place,
// but for a requantisation.
void products_finish(int32_t *sums, const int32_t *__restrict state) {
  set_modes();
  if (state[KIND] == INT8) finish_int8(sums, beside(sums, state), state);
  if (state[KIND] == BF16) finish_bf16(sums, beside(sums, state), state);
}
}

// Row of the residual's object that belongs to a row of a quad of results, -1 if it is in another object. Surplus rows
// repeat the last one.
static inline int residual_row(const int32_t *state, unsigned quad, unsigned row, unsigned core_row) {
  const unsigned quads = quads_out(state), slot = state[OUT] * quads + quad;
  const bool there = slot * BLOCK_ROWS + row < unsigned(state[ROWS_NOW]);
  const unsigned at = there ? (core_row * quads + quad) * BLOCK_ROWS + row : state[LAST_ROW];
  return at / 16 == unsigned(state[PART]) ? int(at % 16) : -1;
}

template <unsigned Columns>
static inline aie::vector<float, Columns> residual_part(const float *residual, int row, unsigned column) {
  return row < 0 ? aie::zeros<float, Columns>() : aie::load_v<Columns>(residual + row * TILE + column);
}

extern "C" {

// residual: 16 rows x 64 for the four cores of a column; a core adds those of its object of results.
void products_residual(const int32_t *__restrict residual, int32_t *__restrict sums, int32_t *__restrict state,
                       int32_t core_row) {
  set_modes();
  const float *from = floats_of(residual);
  const unsigned quads = quads_out(state);
  for (unsigned quad = 0; quad < quads; ++quad) {
    int rows[BLOCK_ROWS];
    for (unsigned row = 0; row < BLOCK_ROWS; ++row) rows[row] = residual_row(state, quad, row, core_row);
    float *to = floats_of(sums) + (state[OUT] * quads + quad) * BLOCK_ROWS * TILE;
    for (unsigned i = 0; i < BLOCK_ROWS * TILE; i += LANES) {
      floats more;
      if (state[KIND] == INT8) {
        const unsigned pair = i / LANES % 2 * 2, column = i / 32 * 8;
        more = aie::concat(residual_part<8>(from, rows[pair], column), residual_part<8>(from, rows[pair + 1], column));
      } else {
        const unsigned column = i / LANES * 4;
        more = aie::concat(residual_part<4>(from, rows[0], column), residual_part<4>(from, rows[1], column),
                           residual_part<4>(from, rows[2], column), residual_part<4>(from, rows[3], column));
      }
      aie::store_v(to + i, aie::add(aie::load_v<LANES>(to + i), more));
    }
  }
  ++state[PART];
}
}

template <unsigned Columns>
static inline void store_rows(const float *sums, int32_t *out, const int32_t *state) {
  const unsigned quads = quads_out(state);
  for (unsigned row = 0; row < quads * BLOCK_ROWS; ++row) {
    const unsigned at = state[OUT] * quads * BLOCK_ROWS + row;  // of the tile
    const float *block_row = sums + at / BLOCK_ROWS * BLOCK_ROWS * TILE;
    const unsigned from = at < unsigned(state[ROWS_NOW]) ? at % BLOCK_ROWS : state[LAST_QUAD] - 1;
    for (unsigned j = 0; j < TILE; j += LANES) {
      const floats values = gather_row<Columns>(block_row, from, j);
      if (state[FLAGS] & F32) aie::store_v(floats_of(out) + row * TILE + j, values);
      else aie::store_v(reinterpret_cast<bfloat16 *>(out) + row * TILE + j, narrowed(values));
    }
  }
}

// Two rows of a block, in 64 bits; the sum with the bias is saturated to int32. Not inlined: it is large.
__attribute__((noinline)) static aie::vector<int32, LANES> multiplied(const int32_t *sums, const int32_t *multipliers,
                                                                      const int32_t *biases, int32_t shift) {
  const auto multiplier = aie::load_v<8>(multipliers);
  auto values = aie::load_v<LANES>(sums);
  if (biases) {
    const auto bias = aie::load_v<8>(biases);
    values = aie::add(aie::accum<acc64, LANES>(values), aie::concat(bias, bias)).to_vector<int32>();
  }
  return aie::mul(values, aie::concat(multiplier, multiplier)).to_vector<int32>(shift);
}

// Saturated integers of 4 quads, in blocks; rows that fill up the last quad are zero.
static inline void store_integers(const int32_t *sums, const int32_t *side, int32_t *out, const int32_t *state) {
  const int32_t *multipliers = side + state[TILE_AT] * TILE, *biases = multipliers + state[ACTIVE] * TILE;
  for (unsigned block = 0; block < 4 * TILE / 8; ++block) {
    const unsigned quad = state[OUT] * 4 + block / 8, j = block % 8 * 8;
    const int32_t *from = sums + quad * BLOCK_ROWS * TILE + j * BLOCK_ROWS;
    const int32_t *bias = state[FLAGS] & BIAS ? biases + j : nullptr;
    const auto low = multiplied(from, multipliers + j, bias, state[SHIFT]);
    const auto high = multiplied(from + LANES, multipliers + j, bias, state[SHIFT]);
    const aie::accum<acc32, 2 * LANES> whole(aie::concat(low, high));
    auto words = whole.to_vector<int8>().cast_to<int32>();
    for (unsigned row = state[LAST_QUAD]; row < BLOCK_ROWS; ++row)
      if (quad * BLOCK_ROWS + row >= unsigned(state[ROWS_NOW])) {
        words.set(0, 2 * row);
        words.set(0, 2 * row + 1);
      }
    aie::store_v(out + block * 8, words);
  }
}

extern "C" {

// The next object of results.
void products_store(const int32_t *__restrict sums, int32_t *__restrict out, int32_t *__restrict state) {
  set_modes();
  if (state[KIND] == REQUANTISE) store_integers(sums, beside(sums, state), out, state);
  else if (state[KIND] == INT8) store_rows<8>(floats_of(sums), out, state);
  else store_rows<4>(floats_of(sums), out, state);
  ++state[OUT];
  state[PART] = 0;
}
}
