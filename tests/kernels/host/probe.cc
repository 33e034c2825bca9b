// Single operations of the shim, so that tests can compare them with what aie_api says of them.
#include <aie_api/aie.hpp>

using ints = aie::vector<int32, 16>;
using floats = aie::vector<float, 16>;

static void modes(int32_t rounding, int32_t saturation) {
  aie::set_rounding(aie::rounding_mode(rounding));
  aie::set_saturation(aie::saturation_mode(saturation));
}

template <typename T, unsigned N, typename F>
static void both(const T *a, const T *b, T *out, F f) {
  aie::store_v(out, f(aie::load_v<N>(a), aie::load_v<N>(b)));
}

extern "C" {

// Accumulators of 64 bits, made of two int32 each, to int16.
void narrow(const int32_t *value, int16_t *out, int32_t left, int32_t right, int32_t rounding, int32_t saturation) {
  modes(rounding, saturation);
  const aie::accum<acc64, 16> acc(aie::load_v<16>(value), left);
  aie::store_v(out, acc.to_vector<int16>(right));
}
// By the modes that the core is in.
void narrow_as_found(const int32_t *value, int16_t *out, int32_t right) {
  aie::store_v(out, aie::accum<acc64, 16>(aie::load_v<16>(value)).to_vector<int16>(right));
}
void to_bf16(const float *value, bfloat16 *out, int32_t rounding) {
  modes(rounding, 0);
  aie::store_v(out, aie::accum<accfloat, 16>(aie::load_v<16>(value)).to_vector<bfloat16>());
}
void to_int8(const float *value, int8_t *out, int32_t shift) { aie::store_v(out, aie::to_fixed<int8>(aie::load_v<16>(value), shift)); }
void to_int32(const float *value, int32_t *out) { aie::store_v(out, aie::to_fixed<int32>(aie::load_v<16>(value))); }
void from_int32(const int32_t *value, float *out, int32_t shift) { aie::store_v(out, aie::to_float(aie::load_v<16>(value), shift)); }
void inverse(const float *value, float *out) { aie::store_v(out, aie::inv(aie::load_v<16>(value))); }
void inverse_root(const float *value, float *out) { aie::store_v(out, aie::invsqrt(aie::load_v<16>(value))); }

void add_int8(const int8_t *a, const int8_t *b, int8_t *out) {
  both<int8_t, 16>(a, b, out, [](auto x, auto y) { return aie::add(x, y); });
}
void larger(const float *a, const float *b, float *out) {
  both<float, 16>(a, b, out, [](auto x, auto y) { return aie::max(x, y); });
}
void smaller(const float *a, const float *b, float *out) {
  both<float, 16>(a, b, out, [](auto x, auto y) { return aie::min(x, y); });
}
// Where a < b, b, else a: select takes its second where the mask is set.
void chosen(const int32_t *a, const int32_t *b, int32_t *out) {
  both<int32_t, 16>(a, b, out, [](auto x, auto y) { return aie::select(x, y, aie::lt(x, y)); });
}
void masked(const int32_t *a, const int32_t *b, int32_t *out, int32_t word) {
  both<int32_t, 16>(a, b, out, [=](auto x, auto y) { return aie::select(x, y, aie::mask<16>::from_uint32(word)); });
}
void transposed(const int16_t *a, int16_t *out, int32_t rows) {
  aie::store_v(out, aie::transpose(aie::load_v<32>(a), rows, 32 / rows));
}
void filtered(const int16_t *a, int16_t *even, int16_t *odd, int32_t chunk) {
  aie::store_v(even, aie::filter_even(aie::load_v<32>(a), chunk));
  aie::store_v(odd, aie::filter_odd(aie::load_v<32>(a), chunk));
}
void zipped(const int16_t *a, const int16_t *b, int16_t *low, int16_t *high, int32_t chunk) {
  const auto [x, y] = aie::interleave_zip(aie::load_v<16>(a), aie::load_v<16>(b), chunk);
  aie::store_v(low, x);
  aie::store_v(high, y);
}
void unzipped(const int16_t *a, const int16_t *b, int16_t *even, int16_t *odd, int32_t chunk) {
  const auto [x, y] = aie::interleave_unzip(aie::load_v<16>(a), aie::load_v<16>(b), chunk);
  aie::store_v(even, x);
  aie::store_v(odd, y);
}
void sums(const float *a, float *out) { out[0] = aie::reduce_add(aie::load_v<16>(a)); }
void extremes(const int32_t *a, int32_t *out) {
  out[0] = aie::reduce_max(aie::load_v<16>(a));
  out[1] = aie::reduce_min(aie::load_v<16>(a));
}
void wrapped(const int32_t *a, int32_t *out) {
  aie::accum<acc32, 16> acc(aie::load_v<16>(a));
  acc = aie::add(acc, aie::load_v<16>(a));
  aie::store_v(out, acc.to_vector<int32>());
}
}
