// log(x) = n * ln 2 + log(1 + f) with 1 + f = x / 2**n from sqrt(1/2) to sqrt(2). No table, no library; x is above 0 and
// not denormal.
//
// Relative error at most 1e-7, near 1 too, where f is exact (of the polynomial, fitted to the least largest relative
// error of the whole: 3.1e-8).
#pragma once

#include "core.h"

constexpr float LOG_LN2_HIGH = 0.693359375f;  // 9 bits, so that n times it is exact; the rest of ln 2:
constexpr float LOG_LN2_LOW = -2.12194442e-4f;
constexpr int32_t ROOT_HALF_BITS = 0x3F3504F3;  // sqrt(1/2) as a float

static inline floats log_of(const floats &x) {
  const auto bits = x.cast_to<int32>();
  const auto power = aie::downshift(aie::sub(bits, aie::broadcast<int32, LANES>(ROOT_HALF_BITS)), 23);
  const floats f = aie::sub(aie::sub(bits, aie::upshift(power, 23)).cast_to<float>(), all(1.0f));
  floats tail = all(0.0870043039f);
  tail = multiply_add(tail, f, all(-0.142674863f));
  tail = multiply_add(tail, f, all(0.149147689f));
  tail = multiply_add(tail, f, all(-0.16577585f));
  tail = multiply_add(tail, f, all(0.199630633f));
  tail = multiply_add(tail, f, all(-0.250013381f));
  tail = multiply_add(tail, f, all(0.333339095f));
  const floats square = product(f, f), n = aie::to_float(power);
  floats rest = product(product(tail, square), f);
  rest = multiply_add(n, all(LOG_LN2_LOW), multiply_add(square, all(-0.5f), rest));
  return multiply_add(n, all(LOG_LN2_HIGH), aie::add(f, rest));
}
