// Lane by lane arithmetic and reductions. A scalar operand stands for a vector of it.
#pragma once

#include "accum.hpp"

namespace aie {
namespace detail {

template <typename T, unsigned Elems, typename F>
__aie_inline vector<T, Elems> map(const vector<T, Elems> &a, const vector<T, Elems> &b, F f) {
  vector<T, Elems> out;
  for (unsigned i = 0; i < Elems; ++i) out[i] = f(a[i], b[i]);
  return out;
}

template <typename A, typename B>
using product_t = typename product<A, B>::tag;

template <typename Tag>
using lane_t = typename lane<Tag>::type;

template <typename Tag, typename A, typename B>
__aie_inline lane_t<Tag> multiply(A a, B b) {
  return wrap_mul<lane_t<Tag>>(lane_t<Tag>(a), lane_t<Tag>(b));
}

}  // namespace detail

// Integers wrap around; bfloat16 and float round.
template <typename T, unsigned N>
__aie_inline vector<T, N> add(const vector<T, N> &a, const vector<T, N> &b) {
  return detail::map(a, b, [](T x, T y) {
    if constexpr (detail::is_float<T>) return T(float(x) + float(y));
    else return T(detail::wrap_add<int32_t>(x, y));
  });
}
template <typename T, unsigned N>
__aie_inline vector<T, N> add(const vector<T, N> &a, std::type_identity_t<T> b) {
  return add(a, broadcast<T, N>(b));
}
template <typename T, unsigned N>
__aie_inline vector<T, N> sub(const vector<T, N> &a, const vector<T, N> &b) {
  return detail::map(a, b, [](T x, T y) {
    if constexpr (detail::is_float<T>) return T(float(x) - float(y));
    else return T(detail::wrap_sub<int32_t>(x, y));
  });
}
template <typename T, unsigned N>
__aie_inline vector<T, N> sub(const vector<T, N> &a, std::type_identity_t<T> b) {
  return sub(a, broadcast<T, N>(b));
}
template <typename T, unsigned N>
__aie_inline vector<T, N> neg(const vector<T, N> &a) {
  return sub(zeros<T, N>(), a);
}

// Accumulators.
template <typename Tag, unsigned N>
__aie_inline accum<Tag, N> add(const accum<Tag, N> &a, const accum<Tag, N> &b) {
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i) out.data()[i] = detail::wrap_add(a.data()[i], b.data()[i]);
  return out;
}
template <typename Tag, typename T, unsigned N>
__aie_inline accum<Tag, N> add(const accum<Tag, N> &a, const vector<T, N> &b) {
  return add(a, accum<Tag, N>(b));
}
template <typename Tag, typename T, unsigned N>
__aie_inline accum<Tag, N> sub(const accum<Tag, N> &a, const vector<T, N> &b) {
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i) out.data()[i] = detail::wrap_sub(a.data()[i], detail::lane_t<Tag>(b[i]));
  return out;
}

// Products: exact in integers. A core makes a product of two floats out of bfloat16 parts; here it is rounded once.
template <typename A, typename B, unsigned N>
__aie_inline auto mul(const vector<A, N> &a, const vector<B, N> &b) {
  using Tag = detail::product_t<A, B>;
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i) out.data()[i] = detail::multiply<Tag>(a[i], b[i]);
  return out;
}
template <typename T, unsigned N>
__aie_inline auto mul(const vector<T, N> &a, std::type_identity_t<T> b) {
  return mul(a, broadcast<T, N>(b));
}
template <typename T, unsigned N>
__aie_inline auto mul(std::type_identity_t<T> a, const vector<T, N> &b) {
  return mul(broadcast<T, N>(a), b);
}
template <typename A, typename B, unsigned N>
__aie_inline auto negmul(const vector<A, N> &a, const vector<B, N> &b) {
  using Tag = detail::product_t<A, B>;
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i) out.data()[i] = detail::multiply<Tag>(detail::lane_t<Tag>(-a[i]), b[i]);
  return out;
}
template <typename Tag, typename A, typename B, unsigned N>
__aie_inline accum<Tag, N> mac(const accum<Tag, N> &c, const vector<A, N> &a, const vector<B, N> &b) {
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i)
    out.data()[i] = detail::wrap_add(c.data()[i], detail::multiply<Tag>(a[i], b[i]));
  return out;
}
template <typename Tag, typename T, unsigned N>
__aie_inline accum<Tag, N> mac(const accum<Tag, N> &c, const vector<T, N> &a, std::type_identity_t<T> b) {
  return mac(c, a, broadcast<T, N>(b));
}
template <typename Tag, typename A, typename B, unsigned N>
__aie_inline accum<Tag, N> msc(const accum<Tag, N> &c, const vector<A, N> &a, const vector<B, N> &b) {
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i)
    out.data()[i] = detail::wrap_sub(c.data()[i], detail::multiply<Tag>(a[i], b[i]));
  return out;
}

// Shifts of integer vectors; bits that leave are lost.
template <typename T, unsigned N>
__aie_inline vector<T, N> upshift(const vector<T, N> &v, unsigned shift) {
  static_assert(!detail::is_float<T>, "upshift takes integers");
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = T(uint32_t(v[i]) << shift);
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N> downshift(const vector<T, N> &v, unsigned shift) {
  static_assert(!detail::is_float<T>, "downshift takes integers");
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = T(v[i] >> shift);
  return out;
}

template <typename T, unsigned N>
__aie_inline vector<T, N> bit_xor(const vector<T, N> &a, const vector<T, N> &b) {
  static_assert(!detail::is_float<T>, "bit_xor takes integers");
  return detail::map(a, b, [](T x, T y) { return T(x ^ y); });
}

// The sum of all lanes, halves added to halves as a core does it.
template <typename T, unsigned N>
__aie_inline T reduce_add(const vector<T, N> &v) {
  vector<T, N> sums = v;
  for (unsigned half = N / 2; half > 0; half /= 2)
    for (unsigned i = 0; i < half; ++i) {
      if constexpr (detail::is_float<T>) sums[i] = T(float(sums[i]) + float(sums[i + half]));
      else sums[i] = T(detail::wrap_add<int32_t>(sums[i], sums[i + half]));
    }
  return sums[0];
}

}  // namespace aie
