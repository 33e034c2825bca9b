// Products of up to 32 rows: 64 columns a core, sums over blocks of 128 (int8) or 64 (bf16) of k; or, narrow, 32 columns
// over blocks of twice as much k, so that few columns of a result keep all columns of the array busy.
#pragma once

#include "decoder_state.h"

constexpr unsigned N = 64, ROW_LIMIT = 32, INT8_K = 128, BF16_K = 64;
constexpr int32_t HALF_BLOCK_WORDS = 1024;

struct ProductState {
  int32_t sums[ROW_LIMIT * N];      // int32 in blocks of 4 x 8, or float in blocks of 4 x 4
  float row_scales[LOAD_WORDS];
  float columns[2 * N];
  float residual[ROW_LIMIT * N];
};

static inline unsigned columns_of(const int32_t *order) { return order[FLAGS] & FLAG_NARROW ? N / 2 : N; }

// Once: scales of rows. For each tile: scales and bias of each core's columns, then rows of the residual of all cores.
static inline void load_product(const int32_t *from, ProductState *state, const int32_t *order, int32_t core,
                                int32_t stage, int32_t i) {
  const int32_t j = i - int32_t(CORES), columns = columns_of(order);
  int32_t *residual = (int32_t *)state->residual;
  if (stage == 0) copy_words(from, (int32_t *)state->row_scales, LOAD_WORDS);
  else if (i == core) copy_words(from, (int32_t *)state->columns, LOAD_WORDS);
  else if (j >= 0 && columns < int32_t(N)) copy_words(from + core * columns, residual + j * columns, columns);
  else if (j >= 0 && (j & 1) == core >> 1) copy_words(from + (core & 1) * columns, residual + (j >> 1) * columns, columns);
}

static inline void clear_sums(ProductState *state) {  // zero is the same word as an integer and as a float
  for (unsigned i = 0; i < ROW_LIMIT * N; i += LANES) aie::store_v(state->sums + i, aie::zeros<int32, LANES>());
}

// Sums of 4 rows over `k_blocks` of 8, for all columns of b.
template <typename Unit, typename A, typename Sum, typename Left>
static inline void multiply(const A *b, Sum *c, unsigned k_blocks, unsigned n_blocks, const Left &left_of) {
  constexpr unsigned across = 4;
  for (unsigned j = 0; j < n_blocks; j += across) {
    Unit units[across];
    for (unsigned x = 0; x < across; ++x) units[x] = Unit(aie::load_v<Unit::size_C>(c + (j + x) * Unit::size_C));
    for (unsigned k = 0; k < k_blocks; ++k) {
      const auto left = left_of(k);
      for (unsigned x = 0; x < across; ++x)
        units[x].mac(left, aie::load_v<Unit::size_B>(b + (k * n_blocks + j + x) * Unit::size_B));
    }
    for (unsigned x = 0; x < across; ++x)
      aie::store_v(c + (j + x) * Unit::size_C, units[x].template to_vector<Sum>());
  }
}

// The r-th object of activations: 4 rows after the other, of a narrow block's first half and then of its second.
static inline void step_product(const int32_t *a, const int32_t *b, ProductState *state, const int32_t *order,
                                int32_t r) {
  const int32_t blocks = (order[ROWS] + 3) >> 2, second = r >= blocks, columns = columns_of(order);
  const int32_t *weights = b + second * HALF_BLOCK_WORDS;
  int32_t *sums = state->sums + (r - (second ? blocks : 0)) * int32_t(BLOCK_ROWS) * columns;
  if (order[MODE] == PRODUCT_INT8) {
    using Unit = aie::mmul<4, 8, 8, int8, int8, acc32>;
    multiply<Unit>((const int8_t *)weights, sums, INT8_K / 8, columns / 8,
                   [a](unsigned k) { return aie::load_v<Unit::size_A>((const int8_t *)a + k * Unit::size_A); });
  } else {
    using Unit = aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>;
    multiply<Unit>((const bfloat16 *)weights, (float *)sums, BF16_K / 8, columns / 4,
                   [a](unsigned k) { return four_rows((const bfloat16 *)a + k * 8, BF16_K); });
  }
}

// 16 columns of a row from the j-th on, scaled and ended.
static inline floats ended(const ProductState *state, const int32_t *order, unsigned row, unsigned j) {
  const int32_t flags = order[FLAGS];
  const unsigned columns = columns_of(order), at = row / BLOCK_ROWS * BLOCK_ROWS * columns, inside = row % BLOCK_ROWS;
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
  if (flags & FLAG_RESIDUAL) values = aie::add(values, aie::load_v<LANES>(state->residual + row * columns + j));
  return values;
}

// An object is a row of bf16 or half a row of float (narrow: a row of float). A core that passes gives the residual as it is: its columns were
// made before, as part of another tile.
static inline void end_product(int32_t *to, const ProductState *state, const int32_t *order, int32_t core, int32_t e) {
  if (order[FLAGS] & FLAG_F32) {
    for (unsigned j = 0; j < GIVEN_WORDS; j += LANES) {
      const bool narrow = order[FLAGS] & FLAG_NARROW;
      const unsigned row = narrow ? e : e >> 1, column = (narrow ? 0 : (e & 1) * GIVEN_WORDS) + j;
      const floats passed = aie::load_v<LANES>(state->residual + row * columns_of(order) + column);
      aie::store_v((float *)to + j, core < order[PASSES] ? passed : ended(state, order, row, column));
    }
  } else {
    for (unsigned j = 0; j < N; j += LANES) aie::store_v((bfloat16 *)to + j, narrowed(ended(state, order, e, j)));
  }
}
