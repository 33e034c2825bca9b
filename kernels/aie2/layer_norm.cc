// Layer norm of DIM_M rows of DIM_N floats, in two passes: the sum of squares is of what is left after the mean.
// Reference: kernels/reference/layer_norm.py.

#include "reciprocal.h"

static_assert(DIM_N % 16 == 0, "a row is of vectors of 16");

constexpr float EPSILON = 1e-5f;
constexpr float PER_WIDTH = 1.0f / DIM_N;

static inline floats mean_of(const float *__restrict row) {
  floats sums = all(0.0f);
  for (unsigned j = 0; j < DIM_N; j += LANES) sums = aie::add(sums, aie::load_v<LANES>(row + j));
  return product(all(aie::reduce_add(sums)), all(PER_WIDTH));
}

static inline floats inverse_deviation(const float *__restrict row, const floats &mean) {
  floats squares = all(0.0f);
  for (unsigned j = 0; j < DIM_N; j += LANES) {
    const floats centred = aie::sub(aie::load_v<LANES>(row + j), mean);
    squares = multiply_add(centred, centred, squares);
  }
  const floats variance = product(all(aie::reduce_add(squares)), all(PER_WIDTH));
  return inverse_root_of(aie::add(variance, all(EPSILON)));
}

// weights: gain [n], then bias [n]; dst: [m, n].
extern "C" void layer_norm(const float *__restrict src, const float *__restrict weights, bfloat16 *__restrict dst) {
  set_modes();
  for (unsigned i = 0; i < DIM_M; ++i) {
    const float *row = src + i * DIM_N;
    const floats mean = mean_of(row), inverse = inverse_deviation(row, mean);
    for (unsigned j = 0; j < DIM_N; j += LANES) {
      const floats normal = product(aie::sub(aie::load_v<LANES>(row + j), mean), inverse);
      const floats scaled = product(normal, aie::load_v<LANES>(weights + j));
      const floats moved = aie::add(scaled, aie::load_v<LANES>(weights + DIM_N + j));
      aie::store_v(dst + i * DIM_N + j, narrowed(moved));
    }
  }
}
