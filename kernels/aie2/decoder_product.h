// Products of up to 32 rows: 64 columns a core, sums over blocks of 128 (int8) or 64 (bf16) of k.
#pragma once

#define DIM_M 4
#include "decoder_state.h"
#include "gemm.h"

constexpr unsigned N = 64, ROW_LIMIT = 32, INT8_K = 128, BF16_K = 64;

struct ProductState {
  int32_t sums[ROW_LIMIT * N];      // int32 in blocks of 4 x 8, or float in blocks of 4 x 4
  float row_scales[LOAD_WORDS];
  float columns[2 * N];
  float residual[ROW_LIMIT * N];
};

// Once: scales of rows. For each tile: scales and bias of each core's columns, then rows of the residual, two objects a
// row and two cores an object.
static inline void load_product(const int32_t *from, ProductState *state, int32_t core, int32_t stage, int32_t i) {
  const int32_t j = i - int32_t(CORES);
  if (stage == 0) copy_words(from, (int32_t *)state->row_scales, LOAD_WORDS);
  else if (i == core) copy_words(from, (int32_t *)state->columns, LOAD_WORDS);
  else if (j >= 0 && (j & 1) == core >> 1)
    copy_words(from + (core & 1) * N, (int32_t *)state->residual + (j >> 1) * int32_t(N), N);
}

static inline void multiply_int8(const int8_t *a, const int8_t *b, int32_t *sums, int32_t row_block) {
  using Unit = aie::mmul<4, 8, 8, int8, int8, acc32>;
  mac_matrix<Unit, 1, INT8_K / 8, N / 8, 1, 8>(a, b, sums + row_block * BLOCK_ROWS * N);
}

static inline void multiply_bf16(const bfloat16 *a, const bfloat16 *b, float *sums, int32_t row_block) {
  using Unit = aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>;
  constexpr unsigned across = 4, blocks = N / 4;
  float *c = sums + row_block * BLOCK_ROWS * N;
  for (unsigned j = 0; j < blocks; j += across) {
    Unit units[across];
    for (unsigned x = 0; x < across; ++x) units[x] = Unit(aie::load_v<Unit::size_C>(c + (j + x) * Unit::size_C));
    for (unsigned k = 0; k < BF16_K / 8; ++k) {
      const auto left = four_rows(a + k * 8, BF16_K);
      for (unsigned x = 0; x < across; ++x)
        units[x].mac(left, aie::load_v<Unit::size_B>(b + (k * blocks + j + x) * Unit::size_B));
    }
    for (unsigned x = 0; x < across; ++x)
      aie::store_v(c + (j + x) * Unit::size_C, units[x].to_vector<float>());
  }
}

// 16 columns of a row from the j-th on, scaled and ended.
static inline floats ended(const ProductState *state, const int32_t *order, unsigned row, unsigned j) {
  const int32_t flags = order[FLAGS];
  const unsigned at = row / BLOCK_ROWS * BLOCK_ROWS * N, inside = row % BLOCK_ROWS;
  const bool bias_first = flags & FLAG_BIAS_FIRST;
  floats values;
  if (order[MODE] == PRODUCT_INT8) {
    values = aie::to_float(gather_row<8>(state->sums + at, inside, j));
    values = product(values, all(state->row_scales[row]));
    values = product(values, aie::load_v<LANES>(state->columns + (bias_first ? N : 0) + j));
  } else {
    values = gather_row<4>((const float *)state->sums + at, inside, j);
  }
  if (flags & FLAG_BIAS) values = aie::add(values, aie::load_v<LANES>(state->columns + (bias_first ? 0 : N) + j));
  if (flags & FLAG_GELU) values = gelu_of(values);
  if (flags & FLAG_RESIDUAL) values = aie::add(values, aie::load_v<LANES>(state->residual + row * N + j));
  return values;
}

// An object is a row of bf16 or half a row of float. A core that passes gives the residual as it is: its columns were
// made before, as part of another tile.
static inline void end_product(int32_t *to, const ProductState *state, const int32_t *order, int32_t core, int32_t e) {
  if (order[FLAGS] & FLAG_F32) {
    for (unsigned j = 0; j < GIVEN_WORDS; j += LANES) {
      const unsigned row = unsigned(e) >> 1, column = (e & 1) * GIVEN_WORDS + j;
      const floats passed = aie::load_v<LANES>(state->residual + row * N + column);
      aie::store_v((float *)to + j, core < order[PASSES] ? passed : ended(state, order, row, column));
    }
  } else {
    for (unsigned j = 0; j < N; j += LANES) aie::store_v((bfloat16 *)to + j, narrowed(ended(state, order, e, j)));
  }
}
