// Rows in the configuration `products`: layer norm, quantisation, sums and copies, of ROWS rows held in the core.
//
// A chunk is an object of ROWS rows and 1024 / ROWS words of each; an object of results has ROWS rows and 256 / ROWS
// words. Reference: kernels/reference/layer_norm.py, requantise.py `quantise_rows`, embed.py `add_rows`, kv.py.

#include "products.h"
#include "reciprocal.h"

constexpr float EPSILON = 1e-5f, FULL_RANGE = 127.0f;  // int8 without -128
constexpr unsigned STEP_WORDS = 4;                     // copied at a time where there are so many

static inline unsigned words_in_row(const int32_t *state) {
  const unsigned width = state[WIDTH];
  return state[KIND] == QUANTISE ? width / 2 : width;
}

static inline void copy(const int32_t *__restrict from, int32_t *__restrict to, unsigned words) {
  if (words % STEP_WORDS) {
    for (unsigned i = 0; i < words; ++i) to[i] = from[i];
    return;
  }
  for (unsigned i = 0; i < words; i += STEP_WORDS) aie::store_v(to + i, aie::load_v<STEP_WORDS>(from + i));
}

static inline void normalise(float *row, const float *side, unsigned width) {
  const floats per_width = inverse_of(all(float(int32_t(width))));
  floats sums = all(0.0f), squares = all(0.0f);
  for (unsigned j = 0; j < width; j += LANES) sums = aie::add(sums, aie::load_v<LANES>(row + j));
  const floats mean = product(all(aie::reduce_add(sums)), per_width);
  for (unsigned j = 0; j < width; j += LANES) {
    const floats centred = aie::sub(aie::load_v<LANES>(row + j), mean);
    squares = multiply_add(centred, centred, squares);
  }
  const floats variance = product(all(aie::reduce_add(squares)), per_width);
  const floats inverse = inverse_root_of(aie::add(variance, all(EPSILON)));
  for (unsigned j = 0; j < width; j += LANES) {
    const floats normal = product(aie::sub(aie::load_v<LANES>(row + j), mean), inverse);
    aie::store_v(row + j, aie::add(product(normal, aie::load_v<LANES>(side + j)),
                                   aie::load_v<LANES>(side + width + j)));
  }
}

static inline floats smoothed(const bfloat16 *row, const int32_t *side, const int32_t *state, unsigned j) {
  const floats values = widened(aie::load_v<LANES>(row + j));
  return state[FLAGS] & SMOOTH ? product(values, aie::load_v<LANES>(floats_of(side) + j)) : values;
}

static inline float largest_of(const bfloat16 *row, const int32_t *side, const int32_t *state) {
  floats highest = all(0.0f), lowest = all(0.0f);
  for (unsigned j = 0; j < unsigned(state[WIDTH]); j += LANES) {
    const floats values = smoothed(row, side, state, j);
    highest = aie::max(highest, values);
    lowest = aie::min(lowest, values);
  }
  return aie::reduce_max(aie::max(highest, aie::sub(all(0.0f), lowest)));
}

// ROWS rows and 1024 / ROWS columns as blocks of 4 x 8; rows that fill up a quad are zero.
static inline void give_integers(const int32_t *held, const int32_t *side, const int32_t *scales, int8 *out,
                                 const int32_t *state) {
  const unsigned rows = state[ROWS], columns = OBJECT_WORDS / rows, first = state[GIVE] * columns;
  for (unsigned i = 0; i < rows; i += BLOCK_ROWS)
    for (unsigned j = 0; j < columns; j += LANES) {
      aie::vector<int8, BLOCK_ROWS * LANES> quad = aie::zeros<int8, BLOCK_ROWS * LANES>();
      for (unsigned row = 0; row < unsigned(state[LAST_QUAD]); ++row) {
        const bfloat16 *from = reinterpret_cast<const bfloat16 *>(held + (i + row) * words_in_row(state));
        const floats factor = all(as_float(scales[FACTORS + i + row]));
        quad.insert(row, aie::to_fixed<int8>(product(smoothed(from, side, state, first + j), factor)));
      }
      int8 *block = out + i * columns + j * BLOCK_ROWS;
      aie::store_v(block, aie::filter_even(quad, 8));
      aie::store_v(block + BLOCK_ROWS * 8, aie::filter_odd(quad, 8));
    }
}

// ROWS rows and 512 / ROWS columns of what is held as float, as bf16.
static inline void give_narrowed(const int32_t *held, bfloat16 *out, const int32_t *state) {
  const unsigned rows = state[ROWS], columns = 2 * OUT_WORDS / rows;
  for (unsigned i = 0; i < rows; ++i) {
    const float *from = floats_of(held) + i * words_in_row(state);
    if (columns % LANES) {  // half of a vector
      aie::store_v(out + i * columns, narrowed(aie::load_v<LANES>(from)).extract<LANES / 2>(state[GIVE]));
      continue;
    }
    for (unsigned j = 0; j < columns; j += LANES)
      aie::store_v(out + i * columns + j, narrowed(aie::load_v<LANES>(from + state[GIVE] * columns + j)));
  }
}

extern "C" {

// Takes a chunk to its place in the rows; in the second half of a sum it is added there.
void products_take(const int32_t *__restrict object, int32_t *__restrict held, int32_t *__restrict state) {
  set_modes();
  const unsigned rows = state[ROWS], words = OBJECT_WORDS / rows, pitch = words_in_row(state);
  const unsigned halves = state[KIND] == ADD ? state[CHUNKS] / 2 : state[CHUNKS];
  const bool second = state[CHUNK] >= int32_t(halves);
  int32_t *to = held + (state[CHUNK] - (second ? halves : 0)) * words;
  for (unsigned i = 0; i < rows; ++i) {
    if (!second) copy(object + i * words, to + i * pitch, words);
    else
      for (unsigned j = 0; j < words; j += LANES) {
        float *at = floats_of(to) + i * pitch + j;
        aie::store_v(at, aie::add(aie::load_v<LANES>(at), aie::load_v<LANES>(floats_of(object) + i * words + j)));
      }
  }
  ++state[CHUNK];
}

// Works on rows that are complete. Beside them: gain [WIDTH] and bias [WIDTH] of a layer norm, or factors of columns
// before quantisation.
void products_work(int32_t *held, int32_t *__restrict scales, int32_t *__restrict state) {
  set_modes();
  const int32_t *side = beside(held, state);
  const unsigned pitch = words_in_row(state);
  ++state[ROUND];
  state[CHUNK] = 0;
  state[GIVE] = -1;
  if (state[KIND] != NORM && state[KIND] != QUANTISE) return;
  for (unsigned i = 0; i < unsigned(state[ROWS]); ++i) {
    int32_t *row = held + i * pitch;
    if (state[KIND] == NORM) {
      normalise(floats_of(row), floats_of(side), state[WIDTH]);
      continue;
    }
    const float largest = largest_of(reinterpret_cast<const bfloat16 *>(row), side, state);
    scales[FACTORS + i] = std::bit_cast<int32_t>(largest > 0 ? FULL_RANGE / largest : 0.0f);
    scales[state[ROUND] * state[ROWS] + i] = std::bit_cast<int32_t>(largest / FULL_RANGE);
  }
}

// The next object of results.
void products_give(const int32_t *__restrict held, const int32_t *__restrict scales, int32_t *__restrict out,
                   int32_t *__restrict state) {
  set_modes();
  ++state[GIVE];
  const unsigned rows = state[ROWS], words = OUT_WORDS / rows;
  if (state[KIND] == QUANTISE) give_integers(held, beside(held, state), scales, reinterpret_cast<int8 *>(out), state);
  else if (state[KIND] == NORM || state[KIND] == NARROW) give_narrowed(held, reinterpret_cast<bfloat16 *>(out), state);
  else
    for (unsigned i = 0; i < rows; ++i)
      copy(held + i * words_in_row(state) + state[GIVE] * words, out + i * words, words);
}

// Scales of all rounds; behind them the last ones again, 4 at a time, or one if a quad is not full. Zeros if there are
// no scales.
void products_extra(const int32_t *__restrict scales, int32_t *__restrict out, const int32_t *__restrict state) {
  const unsigned count = state[SCALE_WORDS], unit = state[LAST_QUAD] == int32_t(BLOCK_ROWS) ? BLOCK_ROWS : 1;
  for (unsigned i = 0; i < OUT_WORDS; ++i) out[i] = count == 0 ? 0 : i < count ? scales[i] : out[i - unit];
}
}
