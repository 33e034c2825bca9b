// Row by row: layer norm, quantisation, copies, embeddings. All cores of a column see a row; each gives its columns.
// References: kernels/reference/layer_norm.py, requantise.py `quantise_rows`, kv.py, embed.py.
#pragma once

#include "decoder_state.h"
#include "reciprocal.h"

constexpr unsigned NORM_WIDTH = 1280, QUANTISED_WIDTH = 5120;  // of Whisper's largest: width, and that between its products
constexpr float EPSILON = 1e-5f, FULL_RANGE = 127.0f;

struct NormState {
  float weights[2 * NORM_WIDTH];  // gain, then bias, [width] each without gaps
  float row[NORM_WIDTH];
  float mean, inverse;
};

static inline void load_norm(const int32_t *from, NormState *state, int32_t stage, int32_t i) {
  copy_words(from, (int32_t *)(stage == 0 ? state->weights : state->row) + i * LOAD_WORDS, LOAD_WORDS);
}

// Two passes: the sum of squares is of what is left after the mean.
static inline void measure(NormState *state, const int32_t *order) {
  const int32_t width = order[WIDTH];
  const floats per_width = all(as_float(order[SCALE]));
  floats sums = all(0.0f), squares = all(0.0f);
  for (int32_t j = 0; j < width; j += LANES) sums = aie::add(sums, aie::load_v<LANES>(state->row + j));
  const floats mean = product(all(aie::reduce_add(sums)), per_width);
  for (int32_t j = 0; j < width; j += LANES) {
    const floats centred = aie::sub(aie::load_v<LANES>(state->row + j), mean);
    squares = multiply_add(centred, centred, squares);
  }
  const floats variance = product(all(aie::reduce_add(squares)), per_width);
  state->mean = mean[0];
  state->inverse = inverse_root_of(aie::add(variance, all(EPSILON)))[0];
}

// Columns 256 e + 64 core to 64 more, as bf16; the last object ends with the row.
static inline void end_norm(int32_t *to, NormState *state, const int32_t *order, int32_t core, int32_t e) {
  if (e == 0) measure(state, order);
  const int32_t width = order[WIDTH], columns = 2 * GIVEN_WORDS, wide = CORES * columns;
  const int32_t first = (e * wide < width - wide ? e * wide : width - wide) + core * columns;
  for (int32_t j = 0; j < columns; j += LANES) {
    const float *gain = state->weights + first + j;
    const floats centred = aie::sub(aie::load_v<LANES>(state->row + first + j), all(state->mean));
    const floats scaled = product(product(centred, all(state->inverse)), aie::load_v<LANES>(gain));
    aie::store_v((bfloat16 *)to + j, narrowed(aie::add(scaled, aie::load_v<LANES>(gain + width))));
  }
}

constexpr unsigned OWN_COLUMNS = 32;  // of 128, which are two objects of 4 rows x 64 columns

struct QuantiseState {
  float smooth[QUANTISED_WIDTH];
  bfloat16 own[QUANTISED_WIDTH / CORES * BLOCK_ROWS];  // [width / 128][4 rows][32]
  float highest[BLOCK_ROWS * LANES];                   // magnitudes
  float factors[BLOCK_ROWS], scales[BLOCK_ROWS];
};

static inline floats smoothed(const bfloat16 *from, const float *smooth, int32_t flags) {
  const floats values = widened(aie::load_v<LANES>(from));
  return flags & FLAG_SMOOTH ? product(values, aie::load_v<LANES>(smooth)) : values;
}

// Once: the factors of columns. Then 4 rows x 64 columns at a time.
static inline void load_quantise(const int32_t *from, QuantiseState *state, const int32_t *order, int32_t core,
                                 int32_t stage, int32_t i) {
  if (stage == 0) return copy_words(from, (int32_t *)state->smooth + i * LOAD_WORDS, LOAD_WORDS);
  constexpr unsigned columns = 2 * LOAD_WORDS / BLOCK_ROWS;
  const bfloat16 *rows = (const bfloat16 *)from;
  const bool mine = (i & 1) == core >> 1;
  for (unsigned row = 0; row < BLOCK_ROWS; ++row) {
    floats highest = i == 0 ? all(0.0f) : aie::load_v<LANES>(state->highest + row * LANES);
    for (unsigned j = 0; j < columns; j += LANES) {
      const floats values = smoothed(rows + row * columns + j, state->smooth + i * columns + j, order[FLAGS]);
      highest = aie::max(highest, aie::max(values, aie::sub(all(0.0f), values)));
    }
    aie::store_v(state->highest + row * LANES, highest);
    if (mine)
      aie::store_v(state->own + ((i >> 1) * BLOCK_ROWS + row) * OWN_COLUMNS,
                   aie::load_v<OWN_COLUMNS>(rows + row * columns + (core & 1) * OWN_COLUMNS));
  }
}

static inline void find_factors(QuantiseState *state) {
  for (unsigned row = 0; row < BLOCK_ROWS; ++row) {
    const float largest = aie::reduce_max(aie::load_v<LANES>(state->highest + row * LANES));
    // Quotients in the compiler's own arithmetic, rounded as the reference's are.
    state->factors[row] = largest > 0 ? FULL_RANGE / largest : 0.0f;
    state->scales[row] = largest / FULL_RANGE;
  }
}

// Blocks of 4 x 8 of 32 columns; rows beyond the last are zero.
static inline void end_quantise(int32_t *to, QuantiseState *state, const int32_t *order, int32_t core, int32_t e) {
  if (e == 0) find_factors(state);
  constexpr unsigned block_columns = 8;
  const bfloat16 *own = state->own + e * BLOCK_ROWS * OWN_COLUMNS;
  const float *smooth = state->smooth + (e * CORES + core) * OWN_COLUMNS;
  for (unsigned j = 0; j < OWN_COLUMNS; j += LANES) {
    aie::vector<int8, BLOCK_ROWS * LANES> rows;
    for (unsigned row = 0; row < BLOCK_ROWS; ++row) {
      const floats values = smoothed(own + row * OWN_COLUMNS + j, smooth + j, order[FLAGS]);
      const floats scaled = product(values, all(state->factors[row]));
      rows.insert(row, aie::to_fixed<int8>(int32_t(row) < order[ROWS] ? scaled : all(0.0f)));
    }
    int8_t *block = (int8_t *)to + j * BLOCK_ROWS;
    aie::store_v(block, aie::filter_even(rows, block_columns));
    aie::store_v(block + BLOCK_ROWS * block_columns, aie::filter_odd(rows, block_columns));
  }
}

struct CopyState {
  int32_t words[GIVEN_WORDS];
};

struct EmbedState {
  bfloat16 tokens[(NORM_WIDTH + 2 * LOAD_WORDS) / CORES];  // [width / 128][32]
  float positions[NORM_WIDTH / CORES];
};

// A row of bf16, 256 columns an object, then one of float, 128 columns an object.
static inline void load_embed(const int32_t *from, EmbedState *state, const int32_t *order, int32_t core, int32_t i) {
  constexpr int32_t wide = 2 * LOAD_WORDS, half_words = OWN_COLUMNS / 2;
  const int32_t objects = (order[WIDTH] + wide - 1) / wide;
  if (i < objects) {
    for (int32_t h = 0; h < 2; ++h)
      copy_words(from + h * LOAD_WORDS / 2 + core * half_words, (int32_t *)state->tokens + (2 * i + h) * half_words,
                 half_words);
  } else {
    copy_words(from + core * OWN_COLUMNS, (int32_t *)state->positions + (i - objects) * OWN_COLUMNS, OWN_COLUMNS);
  }
}

static inline void end_embed(int32_t *to, const EmbedState *state, int32_t e) {
  for (unsigned j = 0; j < OWN_COLUMNS; j += LANES) {
    const floats token = widened(aie::load_v<LANES>(state->tokens + e * OWN_COLUMNS + j));
    aie::store_v((float *)to + j, aie::add(token, aie::load_v<LANES>(state->positions + e * OWN_COLUMNS + j)));
  }
}
