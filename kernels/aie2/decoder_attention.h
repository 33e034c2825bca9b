// Attention of up to 32 rows, a head a core, 32 keys a block, with a running maximum m, sum l and result o.
//
// Queries, keys and values come as rows of 64; the core makes operands of them, since a DMA cannot move less than a word.
// Reference: kernels/reference/attention.py `attention_streaming`, `probabilities`.
#pragma once

#include "decoder_state.h"
#include "exp.h"
#include "reciprocal.h"
#include "seen.h"

constexpr unsigned HEAD = 64, BLOCK_KEYS = 32, QUERY_ROWS = 32;
using HeadUnit = aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>;

struct AttentionState {
  bfloat16 q[QUERY_ROWS * HEAD];
  float m[QUERY_ROWS], l[QUERY_ROWS];
  float o[QUERY_ROWS * HEAD];             // blocks of 4 x 4, [8][16]
  float scores[QUERY_ROWS * BLOCK_KEYS];  // blocks of 4 x 4, [8][8]
  float weights[QUERY_ROWS * BLOCK_KEYS]; // row-major
  bfloat16 p[BLOCK_ROWS * BLOCK_KEYS];    // blocks of 4 x 8
  bfloat16 keys[BLOCK_KEYS * HEAD];
};

static inline int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

// How many of the keys from `start` on row r sees.
static inline int32_t seen_of(const int32_t *order, int32_t row, int32_t start) {
  const int32_t keys = order[KEYS];
  return (order[FLAGS] & FLAG_CAUSAL ? least(order[FIRST] + row + 1, keys) : keys) - start;
}

static inline int32_t row_blocks(const int32_t *order) { return (order[ROWS] + 3) >> 2; }

static inline void begin_attention(AttentionState *state) {
  for (unsigned i = 0; i < QUERY_ROWS; i += LANES) {
    aie::store_v(state->m + i, all(HIDDEN));
    aie::store_v(state->l + i, all(0.0f));
  }
  for (unsigned i = 0; i < QUERY_ROWS * HEAD; i += LANES) aie::store_v(state->o + i, all(0.0f));
}

static inline void score(AttentionState *state, const bfloat16 *keys, int32_t blocks) {
  constexpr unsigned across = BLOCK_KEYS / 4;
  for (int32_t i = 0; i < blocks; ++i)
    for (unsigned j = 0; j < across; ++j) {
      HeadUnit sums;
      for (unsigned d = 0; d < HEAD; d += 8)
        sums.mac(four_rows(state->q + i * BLOCK_ROWS * HEAD + d, HEAD),
                 aie::transpose(four_rows(keys + j * 4 * HEAD + d, HEAD), 4, 8));
      aie::store_v(state->scores + (i * across + j) * HeadUnit::size_C, sums.to_vector<float>());
    }
}

// 16 scaled scores of a row; those of keys that it does not see are lowest.
static inline floats scaled_scores(const AttentionState *state, const int32_t *order, int32_t row, unsigned j,
                                   const aie::mask<LANES> &seen) {
  const float *block_row = state->scores + row / 4 * 4 * BLOCK_KEYS;
  return aie::select(all(HIDDEN), product(gather_row<4>(block_row, row & 3, j), all(as_float(order[SCALE]))), seen);
}

// Weights a row's scores under the new maximum; returns what its old result is to be multiplied by.
static inline float weigh(AttentionState *state, const int32_t *order, int32_t row, int32_t seen) {
  const aie::mask<LANES> masks[2] = {first_lanes(seen), first_lanes(seen - int32_t(LANES))};
  floats parts[2];
  for (unsigned h = 0; h < 2; ++h) parts[h] = scaled_scores(state, order, row, h * LANES, masks[h]);
  const floats old = all(state->m[row]);
  const floats highest = aie::max(old, all(aie::reduce_max(aie::max(parts[0], parts[1]))));
  floats sums = all(0.0f);
  for (unsigned h = 0; h < 2; ++h) {
    const bfloats weights = narrowed(aie::select(all(0.0f), exp_of(aie::sub(parts[h], highest)), masks[h]));
    sums = aie::add(sums, widened(weights));
    bfloat16 *blocks = state->p + 2 * h * HeadUnit::size_A + (row & 3) * 8;
    aie::store_v(blocks, weights.extract<8>(0));
    aie::store_v(blocks + HeadUnit::size_A, weights.extract<8>(1));
  }
  // Of a block of which the row sees nothing everything stays as it is: exp_of(0) is a little less than 1.
  const floats correction = seen > 0 ? exp_of(aie::sub(old, highest)) : all(1.0f);
  state->l[row] = multiply_add(correction, all(state->l[row]), all(aie::reduce_add(sums)))[0];
  state->m[row] = highest[0];
  return correction[0];
}

// o = correction * o + p v for 4 rows; 8 rows and columns of v are two operands.
static inline void add_values(AttentionState *state, const bfloat16 *values, const floats &correction, int32_t block) {
  for (unsigned d = 0; d < HEAD; d += 8) {
    float *o = state->o + block * BLOCK_ROWS * HEAD + d * 4;
    HeadUnit left(product(aie::load_v<16>(o), correction)), right(product(aie::load_v<16>(o + 16), correction));
    for (unsigned b = 0; b < BLOCK_KEYS / 8; ++b) {
      const bfloat16 *rows = values + b * 8 * HEAD + d;
      const auto both = aie::concat(four_rows(rows, HEAD), four_rows(rows + 4 * HEAD, HEAD));
      const auto p = aie::load_v<HeadUnit::size_A>(state->p + b * HeadUnit::size_A);
      left.mac(p, aie::filter_even(both, 4));
      right.mac(p, aie::filter_odd(both, 4));
    }
    aie::store_v(o, left.to_vector<float>());
    aie::store_v(o + 16, right.to_vector<float>());
  }
}

// Brings maxima and sums up to date with a block of keys, and with values also the results. What lies beyond the last
// key may be anything, so its values become zero first.
static inline void attend(AttentionState *state, const int32_t *order, const bfloat16 *keys, bfloat16 *values,
                          int32_t start) {
  const int32_t blocks = row_blocks(order), left = order[KEYS] - start;
  if (values != nullptr && left < int32_t(BLOCK_KEYS))
    for (unsigned i = (left < 0 ? 0 : left) * HEAD; i < BLOCK_KEYS * HEAD; i += LANES)
      aie::store_v(values + i, aie::zeros<bfloat16, LANES>());
  score(state, keys, blocks);
  for (int32_t i = 0; i < blocks; ++i) {
    aie::vector<float, 16> correction;
    for (int32_t r = 0; r < 4; ++r) {
      const int32_t row = 4 * i + r;
      correction.insert(r, aie::broadcast<float, 4>(weigh(state, order, row, seen_of(order, row, start))));
    }
    if (values != nullptr) add_values(state, values, correction, i);
  }
}

static inline void end_attention(int32_t *to, const AttentionState *state, int32_t row) {
  const floats inverse = inverse_of(all(state->l[row]));
  const float *block_row = state->o + row / 4 * 4 * HEAD;
  for (unsigned j = 0; j < HEAD; j += LANES)
    aie::store_v((bfloat16 *)to + j, narrowed(product(gather_row<4>(block_row, row & 3, j), inverse)));
}

// Once: the rows of one head for all cores, then its keys, four an object.
static inline void load_probabilities(const int32_t *from, AttentionState *state, const int32_t *order, int32_t i) {
  const int32_t blocks = row_blocks(order), key_block = i - blocks;
  if (key_block < 0) return copy_words(from, (int32_t *)state->q + i * LOAD_WORDS, LOAD_WORDS);
  constexpr int32_t objects = BLOCK_KEYS / 4;
  if (key_block == 0) begin_attention(state);
  copy_words(from, (int32_t *)state->keys + key_block % objects * LOAD_WORDS, LOAD_WORDS);
  if (key_block % objects == objects - 1) attend(state, order, state->keys, nullptr, key_block / objects * BLOCK_KEYS);
}

// The weights of a block of keys once sums and maxima are final; 0 where not seen.
static inline void weigh_finally(AttentionState *state, const int32_t *order, const bfloat16 *keys, int32_t start) {
  score(state, keys, row_blocks(order));
  for (int32_t row = 0; row < order[ROWS]; ++row) {
    const floats inverse = inverse_of(all(state->l[row]));
    for (unsigned j = 0; j < BLOCK_KEYS; j += LANES) {
      const aie::mask<LANES> mask = first_lanes(seen_of(order, row, start) - int32_t(j));
      const floats power = exp_of(aie::sub(scaled_scores(state, order, row, j, mask), all(state->m[row])));
      aie::store_v(state->weights + row * BLOCK_KEYS + j, aie::select(all(0.0f), product(power, inverse), mask));
    }
  }
}
