// Masks, comparison, selection, maxima and minima.
#pragma once

#include "arithmetic.hpp"

namespace aie {

// One bit a lane.
template <unsigned Elems>
class mask {
  static_assert(Elems <= 64, "masks of up to 64 lanes are here");

 public:
  static constexpr unsigned size() { return Elems; }
  explicit mask(bool initial = false) : bits_(initial ? full : 0) {}

  // Lane i from bit i.
  __aie_inline static mask from_uint32(uint32_t word) {
    static_assert(Elems <= 32, "from_uint32 takes a word for 32 lanes");
    mask out;
    out.bits_ = word & full;
    return out;
  }
  __aie_inline static mask from_uint64(uint64_t word) {
    static_assert(Elems == 64, "from_uint64 makes masks of 64 lanes");
    mask out;
    out.bits_ = word;
    return out;
  }

  __aie_inline bool test(unsigned i) const { return bits_ >> i & 1; }
  __aie_inline void set(unsigned i) { bits_ |= uint64_t(1) << i; }
  __aie_inline void clear(unsigned i) { bits_ &= ~(uint64_t(1) << i); }
  __aie_inline bool empty() const { return bits_ == 0; }
  __aie_inline unsigned count() const { return std::popcount(bits_); }
  __aie_inline uint32_t to_uint32() const { return uint32_t(bits_); }
  __aie_inline mask operator&(const mask &o) const { return of(bits_ & o.bits_); }
  __aie_inline mask operator|(const mask &o) const { return of(bits_ | o.bits_); }
  __aie_inline mask operator~() const { return of(~bits_ & full); }

 private:
  static constexpr uint64_t full = Elems == 64 ? ~uint64_t(0) : (uint64_t(1) << Elems) - 1;
  __aie_inline static mask of(uint64_t bits) {
    mask out;
    out.bits_ = bits;
    return out;
  }
  uint64_t bits_;
};

namespace detail {

template <typename T, unsigned N, typename F>
__aie_inline mask<N> compare(const vector<T, N> &a, const vector<T, N> &b, F f) {
  mask<N> out;
  for (unsigned i = 0; i < N; ++i)
    if (f(a[i], b[i])) out.set(i);
  return out;
}

}  // namespace detail

#define AIE_SHIM_COMPARISON(name, op)                                                   \
  template <typename T, unsigned N>                                                     \
  __aie_inline mask<N> name(const vector<T, N> &a, const vector<T, N> &b) {             \
    return detail::compare(a, b, [](T x, T y) { return x op y; });                      \
  }                                                                                     \
  template <typename T, unsigned N>                                                     \
  __aie_inline mask<N> name(const vector<T, N> &a, std::type_identity_t<T> b) {         \
    return name(a, broadcast<T, N>(b));                                                 \
  }
AIE_SHIM_COMPARISON(lt, <)
AIE_SHIM_COMPARISON(le, <=)
AIE_SHIM_COMPARISON(gt, >)
AIE_SHIM_COMPARISON(ge, >=)
AIE_SHIM_COMPARISON(eq, ==)
AIE_SHIM_COMPARISON(neq, !=)
#undef AIE_SHIM_COMPARISON

// Lanes of a where the mask is 0, of b where it is 1.
template <typename T, unsigned N>
__aie_inline vector<T, N> select(const vector<T, N> &a, const vector<T, N> &b, const mask<N> &m) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = m.test(i) ? b[i] : a[i];
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N> select(std::type_identity_t<T> a, const vector<T, N> &b, const mask<N> &m) {
  return select(broadcast<T, N>(a), b, m);
}
template <typename T, unsigned N>
__aie_inline vector<T, N> select(const vector<T, N> &a, std::type_identity_t<T> b, const mask<N> &m) {
  return select(a, broadcast<T, N>(b), m);
}

template <typename T, unsigned N>
__aie_inline vector<T, N> max(const vector<T, N> &a, const vector<T, N> &b) {
  return detail::map(a, b, [](T x, T y) { return x < y ? y : x; });
}
template <typename T, unsigned N>
__aie_inline vector<T, N> max(const vector<T, N> &a, std::type_identity_t<T> b) {
  return max(a, broadcast<T, N>(b));
}
template <typename T, unsigned N>
__aie_inline vector<T, N> min(const vector<T, N> &a, const vector<T, N> &b) {
  return detail::map(a, b, [](T x, T y) { return y < x ? y : x; });
}
template <typename T, unsigned N>
__aie_inline vector<T, N> min(const vector<T, N> &a, std::type_identity_t<T> b) {
  return min(a, broadcast<T, N>(b));
}
template <typename T, unsigned N>
__aie_inline vector<T, N> abs(const vector<T, N> &v) {
  return max(v, neg(v));
}

template <typename T, unsigned N>
__aie_inline T reduce_max(const vector<T, N> &v) {
  T out = v[0];
  for (unsigned i = 1; i < N; ++i) out = out < v[i] ? v[i] : out;
  return out;
}
template <typename T, unsigned N>
__aie_inline T reduce_min(const vector<T, N> &v) {
  T out = v[0];
  for (unsigned i = 1; i < N; ++i) out = v[i] < out ? v[i] : out;
  return out;
}

}  // namespace aie
