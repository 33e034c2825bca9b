// DIM_M rows of DIM_N bf16 to int8, each by its largest magnitude, into the blocks of 4 x 8 that gemm_int8 reads.
// Reference: kernels/reference/requantise.py `quantise_rows`.

#include "core.h"

static_assert(DIM_M % 4 == 0 && DIM_N % 16 == 0, "quantised are blocks of 4 rows and vectors of 16");

constexpr unsigned BLOCK_ROWS = 4, BLOCK_COLUMNS = 8;
constexpr float FULL_RANGE = 127.0f;  // int8 without -128

static inline floats smoothed(const bfloat16 *__restrict src, const float *__restrict smooth, int32_t smoothing) {
  const floats values = widened(aie::load_v<LANES>(src));
  return smoothing ? product(values, aie::load_v<LANES>(smooth)) : values;
}

static inline float largest_of(const bfloat16 *__restrict row, const float *__restrict smooth, int32_t smoothing) {
  floats highest = all(0.0f), lowest = all(0.0f);
  for (unsigned j = 0; j < DIM_N; j += LANES) {
    const floats values = smoothed(row + j, smooth + j, smoothing);
    highest = aie::max(highest, values);
    lowest = aie::min(lowest, values);
  }
  return aie::reduce_max(aie::max(highest, aie::sub(all(0.0f), lowest)));
}

// smooth: [n], read if `smoothing` is not 0; scales: [m].
extern "C" void quantise_rows(const bfloat16 *__restrict src, const float *__restrict smooth, int8_t *__restrict dst,
                              float *__restrict scales, int32_t smoothing) {
  set_modes();
  for (unsigned i = 0; i < DIM_M; i += BLOCK_ROWS) {
    floats factors[BLOCK_ROWS];
    for (unsigned row = 0; row < BLOCK_ROWS; ++row) {
      const float largest = largest_of(src + (i + row) * DIM_N, smooth, smoothing);
      // Two quotients a row, in the compiler's own arithmetic, so that they are rounded as the reference's are; aie_api
      // does the same for a scalar inv on AIE2.
      factors[row] = all(largest > 0 ? FULL_RANGE / largest : 0.0f);
      scales[i + row] = largest / FULL_RANGE;
    }
    for (unsigned j = 0; j < DIM_N; j += LANES) {
      aie::vector<int8, BLOCK_ROWS * LANES> rows;
      for (unsigned row = 0; row < BLOCK_ROWS; ++row) {
        const floats values = smoothed(src + (i + row) * DIM_N + j, smooth + j, smoothing);
        rows.insert(row, aie::to_fixed<int8>(product(values, factors[row])));
      }
      int8_t *block = dst + i * DIM_N + j * BLOCK_ROWS;
      aie::store_v(block, aie::filter_even(rows, BLOCK_COLUMNS));
      aie::store_v(block + BLOCK_ROWS * BLOCK_COLUMNS, aie::filter_odd(rows, BLOCK_COLUMNS));
    }
  }
}
