// Energy in dB and spectral flatness of frames of mel bins. Reference: kernels/reference/energy.py.

#include "exp.h"
#include "log10.h"

static_assert(DIM_N % 16 == 0, "a frame is of vectors of 16");

// What log10 of the powers is: of powers, or of Whisper's features, which are (log10 + 4) / 4.
static inline floats logs_of(const float *from, int32_t powers) {
  const floats given = aie::load_v<LANES>(from);
  const floats logs = powers ? log10_power(given) : multiply_add(given, all(4.0f), all(-4.0f));
  return aie::max(logs, all(LOG10_FLOOR));
}

static inline float lane(const floats &v) { return v[0]; }

// dst: two floats. width is a multiple of 16, per_width 1 / width in all lanes.
static inline void measure(const float *row, float *dst, unsigned width, const floats &per_width, int32_t powers) {
  floats highest = all(LOG10_FLOOR), sums = all(0.0f), total = all(0.0f);
  for (unsigned j = 0; j < width; j += LANES) {
    const floats logs = logs_of(row + j, powers);
    highest = aie::max(highest, logs);
    sums = aie::add(sums, logs);
  }
  const floats above = all(aie::reduce_max(highest));  // powers relative to the highest: no overflow
  for (unsigned j = 0; j < width; j += LANES)
    total = aie::add(total, exp_of(product(aie::sub(logs_of(row + j, powers), above), all(LN_10))));
  const floats log_sum = aie::add(above, log10_of(all(aie::reduce_add(total))));
  const floats log_mean = aie::add(log_sum, log10_of(per_width));
  const floats below = multiply_add(all(aie::reduce_add(sums)), per_width, aie::sub(all(0.0f), log_mean));
  dst[0] = lane(product(log_sum, all(10.0f)));
  dst[1] = lane(exp_of(product(below, all(LN_10))));
}

extern "C" {

// dst: [m, 2]; powers: 1 if src holds powers, 0 if features.
void energy(const float *__restrict src, float *__restrict dst, int32_t powers) {
  set_modes();
  for (unsigned i = 0; i < DIM_M; ++i) measure(src + i * DIM_N, dst + 2 * i, DIM_N, all(1.0f / DIM_N), powers);
}

// As many frames as src holds of a width that is known at run time, with 1 / width as the bits of a float. dst: [m, 2],
// of which the first of these frames is the first-th; those beyond m are left out.
void energy_frames(const float *__restrict src, float *__restrict dst, int32_t powers, int32_t width,
                   int32_t per_width_bits, int32_t first) {
  set_modes();
  const floats per_width = aie::broadcast<int32, LANES>(per_width_bits).cast_to<float>();
  for (int32_t at = 0; at + width <= DIM_N && first < DIM_M; at += width, ++first)
    measure(src + at, dst + 2 * first, unsigned(width), per_width, powers);
}
}
