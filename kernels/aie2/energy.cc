// Energy in dB and spectral flatness of DIM_M frames of DIM_N mel bins. Reference: kernels/reference/energy.py.

#include "exp.h"
#include "log10.h"

static_assert(DIM_N % 16 == 0, "a frame is of vectors of 16");

constexpr float PER_WIDTH = 1.0f / DIM_N;

// What log10 of the powers is: of powers, or of Whisper's features, which are (log10 + 4) / 4.
static inline floats logs_of(const float *from, int32_t powers) {
  const floats given = aie::load_v<LANES>(from);
  const floats logs = powers ? log10_power(given) : multiply_add(given, all(4.0f), all(-4.0f));
  return aie::max(logs, all(LOG10_FLOOR));
}

static inline float lane(const floats &v) { return v[0]; }

// dst: [m, 2]; powers: 1 if src holds powers, 0 if features.
extern "C" void energy(const float *__restrict src, float *__restrict dst, int32_t powers) {
  set_modes();
  const floats log_width = log10_of(all(float(DIM_N)));
  for (unsigned i = 0; i < DIM_M; ++i) {
    const float *row = src + i * DIM_N;
    floats highest = all(LOG10_FLOOR), sums = all(0.0f), total = all(0.0f);
    for (unsigned j = 0; j < DIM_N; j += LANES) {
      const floats logs = logs_of(row + j, powers);
      highest = aie::max(highest, logs);
      sums = aie::add(sums, logs);
    }
    const floats above = all(aie::reduce_max(highest));  // powers relative to the highest: no overflow
    for (unsigned j = 0; j < DIM_N; j += LANES)
      total = aie::add(total, exp_of(product(aie::sub(logs_of(row + j, powers), above), all(LN_10))));
    const floats log_sum = aie::add(above, log10_of(all(aie::reduce_add(total))));
    const floats below = multiply_add(all(aie::reduce_add(sums)), all(PER_WIDTH), aie::sub(log_width, log_sum));
    dst[2 * i] = lane(product(log_sum, all(10.0f)));
    dst[2 * i + 1] = lane(exp_of(product(below, all(LN_10))));
  }
}
