// Stable softmax of DIM_M rows of DIM_N scores, of which row i counts the first `seen + i * step`, at least one.
// Reference: kernels/reference/softmax.py `softmax_device`.

#include "exp.h"
#include "reciprocal.h"
#include "seen.h"

static_assert(DIM_N % 16 == 0, "a row is of vectors of 16");

static inline floats highest_of(const bfloat16 *__restrict row, int32_t seen) {
  floats highest = all(HIDDEN);
  for (unsigned j = 0; j < DIM_N; j += LANES) {
    const floats scores = widened(aie::load_v<LANES>(row + j));
    highest = aie::max(highest, aie::select(all(HIDDEN), scores, first_lanes(seen - int32_t(j))));
  }
  return all(aie::reduce_max(highest));
}

// powers: room for a row of floats.
extern "C" void softmax(const bfloat16 *__restrict src, float *__restrict powers, bfloat16 *__restrict dst, int32_t seen,
                        int32_t step) {
  set_modes();
  for (unsigned i = 0; i < DIM_M; ++i, seen += step) {
    const bfloat16 *row = src + i * DIM_N;
    const floats highest = highest_of(row, seen);
    floats sums = all(0.0f);
    for (unsigned j = 0; j < DIM_N; j += LANES) {
      const floats power = exp_of(aie::sub(widened(aie::load_v<LANES>(row + j)), highest));
      const floats counted = aie::select(all(0.0f), power, first_lanes(seen - int32_t(j)));
      sums = aie::add(sums, counted);
      aie::store_v(powers + j, counted);
    }
    const floats inverse = inverse_of(all(aie::reduce_add(sums)));
    for (unsigned j = 0; j < DIM_N; j += LANES)
      aie::store_v(dst + i * DIM_N + j, narrowed(product(aie::load_v<LANES>(powers + j), inverse)));
  }
}
