// exp(x) = 2**n * exp(r) with n = round(x / ln 2), |r| <= ln 2 / 2, and a polynomial for exp(r). No table, no library.
//
// Relative error at most 3e-6 (of the polynomial, fitted to the least largest relative error, 2.7e-6). Below -87, where
// floats end, the result is that of -87: 1.6e-38. x is at most 88.
#pragma once

#include "core.h"

constexpr float EXP_LOWEST = -87.0f;
constexpr float LOG2_E = 1.44269504f;
constexpr float LN2_HIGH = 0.693359375f;  // 9 bits, so that n times it is exact; the rest of ln 2:
constexpr float LN2_LOW = -2.12194442e-4f;
constexpr float ROUNDER = 12582912.0f;  // 1.5 * 2**23: what is added to it is rounded to a whole number
constexpr int32_t ROUNDER_BITS = 0x4B400000;

static inline floats exp_of(const floats &x) {
  const floats inside = aie::max(x, all(EXP_LOWEST));
  const floats shifted = multiply_add(inside, all(LOG2_E), all(ROUNDER));
  const floats n = aie::sub(shifted, all(ROUNDER));
  const floats r = multiply_add(n, all(-LN2_LOW), multiply_add(n, all(-LN2_HIGH), inside));
  floats power = all(0.0414584018f);
  power = multiply_add(power, r, all(0.167910308f));
  power = multiply_add(power, r, all(0.500043690f));
  power = multiply_add(power, r, all(0.999963343f));
  power = multiply_add(power, r, all(0.999999285f));
  const auto whole = aie::sub(shifted.cast_to<int32>(), aie::broadcast<int32, LANES>(ROUNDER_BITS - 127));
  return product(power, aie::upshift(whole, 23).cast_to<float>());
}
