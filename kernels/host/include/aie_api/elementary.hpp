// Conversions between integers and floats, and the elementary functions that a core has.
#pragma once

#include <cmath>

#include "arithmetic.hpp"

namespace aie {
namespace detail {

// To the nearest integer, ties to even, whatever the mode (aie_api `aie_doc.hpp`, table of conversions).
template <typename T>
inline T nearest(float value) {
  if (value != value) return 0;
  const float limit = 9.0e18f;
  const float inside = value < -limit ? -limit : value > limit ? limit : value;
  const int64_t whole = int64_t(inside);
  const float rest = inside - float(whole);  // exact: floats above 2**24 are whole
  const float size = rest < 0 ? -rest : rest;
  const bool away = size > 0.5f || (size == 0.5f && (whole & 1));
  const int64_t rounded = whole + (away ? (rest < 0 ? -1 : 1) : 0);
  const int64_t high = std::numeric_limits<T>::max(), low = std::numeric_limits<T>::min();
  return T(rounded < low ? low : rounded > high ? high : rounded);
}

// A power of two, without library maths.
inline float power_of_two(int exponent) { return std::bit_cast<float>(uint32_t(exponent + 127) << 23); }

}  // namespace detail

// Fixed point with `shift` bits after the point; saturated.
template <typename TR = int32, typename T, unsigned N>
__aie_inline vector<TR, N> to_fixed(const vector<T, N> &v, int shift = 0) {
  static_assert(detail::is_float<T>, "to_fixed takes bfloat16 or float");
  vector<TR, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = detail::nearest<TR>(float(v[i]) * detail::power_of_two(shift));
  return out;
}
template <typename TR = int32, unsigned N>
__aie_inline vector<TR, N> to_fixed(const accum<accfloat, N> &acc, int shift = 0) {
  return to_fixed<TR>(acc.template to_vector<float>(), shift);
}
template <typename TR = float, typename T, unsigned N>
__aie_inline vector<TR, N> to_float(const vector<T, N> &v, int shift = 0) {
  static_assert(!detail::is_float<T>, "to_float takes integers");
  vector<TR, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = TR(float(v[i]) * detail::power_of_two(-shift));
  return out;
}

// A core of AIE2 starts from a guess made of the bits and refines it: inv to about 2e-7 of the value for float, invsqrt
// to 7e-4 (constants: aie_api commit 2b7eedf, `detail/aie2/elementary.hpp`; invsqrt after Jan Kadlec,
// http://rrrola.wz.cz/inv_sqrt.html). AIE2P has instructions of which no accuracy is published; the same is done for it.
template <unsigned N>
__aie_inline vector<float, N> inv(const vector<float, N> &v) {
  vector<float, N> out;
  for (unsigned i = 0; i < N; ++i) {
    const float x = v[i];
    const float guess = std::bit_cast<float>(detail::wrap_sub<int32_t>(0x7eb53567, std::bit_cast<int32_t>(x)));
    const float better = (1.436142f - x * guess) * guess * 1.9395974f;
    out[i] = better * (2.0f - better * x);
  }
  return out;
}
template <unsigned N>
__aie_inline vector<float, N> invsqrt(const vector<float, N> &v) {
  vector<float, N> out;
  for (unsigned i = 0; i < N; ++i) {
    const float x = v[i];
    const float guess = std::bit_cast<float>(0x5F1FFFF9 - (std::bit_cast<int32_t>(x) >> 1));
    out[i] = guess * (0.703952253f * 2.38924456f - 0.703952253f * x * (guess * guess));
  }
  return out;
}

#if __AIEARCH__ == 21
// Instructions of AIE2P only.
template <typename TR = bfloat16, unsigned N>
__aie_inline vector<TR, N> exp2(const vector<float, N> &v) {
  vector<TR, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = TR(std::exp2(v[i]));
  return out;
}
template <typename TR = bfloat16, unsigned N>
__aie_inline vector<TR, N> tanh(const vector<float, N> &v) {
  vector<TR, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = TR(std::tanh(v[i]));
  return out;
}
#endif

}  // namespace aie
