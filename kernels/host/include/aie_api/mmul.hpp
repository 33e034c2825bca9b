// The matrix unit: c (M x N) += a (M x K) * b (K x N), all row-major within their registers.
#pragma once

#include <array>
#include <initializer_list>

#include "accum.hpp"

namespace aie {
namespace detail {

// The shapes that each architecture has (aie_api commit 2b7eedf, `detail/aie2/mmul_*.hpp`, `detail/aie2p/mmul_*.hpp`).
constexpr bool one_of(unsigned m, unsigned k, unsigned n, std::initializer_list<std::array<unsigned, 3>> shapes) {
  for (const auto &s : shapes)
    if (s[0] == m && s[1] == k && s[2] == n) return true;
  return false;
}

template <unsigned M, unsigned K, unsigned N, typename A, typename B>
constexpr bool is_mmul_shape() {
  if constexpr (sizeof(A) == 1 && sizeof(B) == 1) {
#if __AIEARCH__ == 20
    return one_of(M, K, N, {{4, 8, 8}, {8, 8, 8}, {2, 8, 8}, {4, 8, 4}, {4, 16, 4}, {8, 8, 4}, {1, 16, 8}, {2, 16, 8},
                            {4, 16, 8}, {8, 16, 8}, {4, 16, 16}});
#else
    return one_of(M, K, N, {{8, 8, 8}, {4, 8, 8}, {2, 8, 8}, {4, 16, 8}, {8, 16, 8}});
#endif
  } else if constexpr (std::is_same_v<A, bfloat16> && std::is_same_v<B, bfloat16>) {
#if __AIEARCH__ == 20
    return one_of(M, K, N, {{4, 8, 4}, {8, 8, 4}, {4, 8, 8}, {8, 8, 8}, {4, 16, 4}, {4, 16, 8}, {8, 1, 8}});
#else
    return one_of(M, K, N, {{4, 8, 4}, {8, 8, 4}, {4, 8, 8}, {8, 8, 8}, {8, 1, 8}});
#endif
  }
  return false;
}

}  // namespace detail

template <unsigned M, unsigned K, unsigned N, typename TypeA, typename TypeB = TypeA,
          typename AccumTag = typename detail::product<TypeA, TypeB>::tag>
class mmul {
  static_assert(detail::is_mmul_shape<M, K, N, TypeA, TypeB>(), "this core has no matrix product of that shape");

 public:
  static constexpr unsigned size_A = M * K;
  static constexpr unsigned size_B = K * N;
  static constexpr unsigned size_C = M * N;
  using accum_type = accum<AccumTag, size_C>;

  mmul() : sums_(zeros<AccumTag, size_C>()) {}
  __aie_inline mmul(const accum_type &sums) : sums_(sums) {}
  template <typename T>
  __aie_inline mmul(const vector<T, size_C> &v, int shift = 0) : sums_(v, shift) {}

  __aie_inline accum_type to_accum() const { return sums_; }
  template <typename T>
  __aie_inline vector<T, size_C> to_vector(int shift = 0) const {
    return sums_.template to_vector<T>(shift);
  }

  // Overwrites the sums.
  __aie_inline void mul(const vector<TypeA, size_A> &a, const vector<TypeB, size_B> &b) {
    sums_ = zeros<AccumTag, size_C>();
    mac(a, b);
  }

  // Adds to the sums: floats in the order of k, each product rounded to float by itself.
  __aie_inline void mac(const vector<TypeA, size_A> &a, const vector<TypeB, size_B> &b) {
    using stored_t = typename detail::lane<AccumTag>::type;
    using lane_t = typename detail::wrapping<stored_t>::type;
    typedef lane_t row_t __attribute__((vector_size(sizeof(lane_t) * N)));
    row_t rows_b[K];
    for (unsigned k = 0; k < K; ++k)
      for (unsigned j = 0; j < N; ++j) rows_b[k][j] = lane_t(b[k * N + j]);
    for (unsigned i = 0; i < M; ++i) {
      row_t sums;
      std::memcpy(&sums, sums_.data() + i * N, sizeof(sums));
      for (unsigned k = 0; k < K; ++k) sums += lane_t(a[i * K + k]) * rows_b[k];
      std::memcpy(sums_.data() + i * N, &sums, sizeof(sums));
    }
  }

 private:
  accum_type sums_;
};

}  // namespace aie
