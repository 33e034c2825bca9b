// What ends a matrix product, in float and in this order: bias, GELU, residual, rounding to what is stored.
//
// Sums lie in blocks of 4 rows and as many columns as the matrix unit makes at a time; results leave row-major.
#pragma once

#include "core.h"
#include "gelu.h"

constexpr int32_t MODE_GELU = 1;
constexpr int32_t MODE_RESIDUAL = 2;
constexpr unsigned BLOCK_ROWS = 4;

static inline void store_floats(float *to, const floats &v) { aie::store_v(to, v); }
static inline void store_floats(bfloat16 *to, const floats &v) { aie::store_v(to, narrowed(v)); }

// 16 neighbours of a row, of sums in blocks of 4 rows and Columns columns.
template <unsigned Columns, typename T>
static inline aie::vector<T, LANES> gather_row(const T *block_row, unsigned row, unsigned column) {
  static_assert(Columns == 4 || Columns == 8, "blocks are 4 or 8 columns wide");
  constexpr unsigned size = BLOCK_ROWS * Columns;
  const T *first = block_row + column / Columns * size + row * Columns;
  const auto left = aie::load_v<Columns>(first), right = aie::load_v<Columns>(first + size);
  if constexpr (Columns == 8) return aie::concat(left, right);
  else return aie::concat(left, right, aie::load_v<Columns>(first + 2 * size), aie::load_v<Columns>(first + 3 * size));
}

// The last steps for 16 values; `residual` is read only if the mode asks for it.
template <typename Out>
static inline void finish(floats values, const float *bias, const float *residual, Out *to, int32_t mode) {
  values = aie::add(values, aie::load_v<LANES>(bias));
  if (mode & MODE_GELU) values = gelu_of(values);
  if (mode & MODE_RESIDUAL) values = aie::add(values, aie::load_v<LANES>(residual));
  store_floats(to, values);
}
