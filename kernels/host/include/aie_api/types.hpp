// Element types, accumulator tags, and the widths that registers have. Part of our x86 stand-in for aie_api.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "modes.hpp"

#ifndef __AIEARCH__
#define __AIEARCH__ 20  // Peano defines it for its target: 20 is AIE2 (npu1), 21 is AIE2P (npu2)
#endif
static_assert(__AIEARCH__ == 20 || __AIEARCH__ == 21, "__AIEARCH__ must be 20 (AIE2) or 21 (AIE2P)");
#define __aie_inline inline __attribute__((always_inline))

using int8 = int8_t;
using uint8 = uint8_t;
using int16 = int16_t;
using uint16 = uint16_t;
using int32 = int32_t;
using uint32 = uint32_t;

// Two bytes; a float is rounded by the rounding mode of the core, as its conversion instruction does.
class bfloat16 {
 public:
  bfloat16() = default;
  __aie_inline bfloat16(float value) : bits_(aie::detail::bf16_bits(value)) {}
  __aie_inline operator float() const { return std::bit_cast<float>(uint32_t(bits_) << 16); }

 private:
  uint16_t bits_;
};

struct acc32 {};
struct acc64 {};
struct accfloat {};

namespace aie {
namespace detail {

template <typename T>
inline constexpr bool is_element = std::is_same_v<T, int8> || std::is_same_v<T, uint8> || std::is_same_v<T, int16> ||
                                   std::is_same_v<T, uint16> || std::is_same_v<T, int32> || std::is_same_v<T, uint32> ||
                                   std::is_same_v<T, bfloat16> || std::is_same_v<T, float>;

template <typename T>
inline constexpr bool is_float = std::is_same_v<T, bfloat16> || std::is_same_v<T, float>;

constexpr bool is_register_width(unsigned bits) { return bits == 128 || bits == 256 || bits == 512 || bits == 1024; }

template <typename Tag>
struct lane;
template <>
struct lane<acc32> {
  using type = int32_t;
};
template <>
struct lane<acc64> {
  using type = int64_t;
};
template <>
struct lane<accfloat> {
  using type = float;
};

// The accumulator of a product of two element types.
template <typename A, typename B>
struct product {
  static_assert(is_float<A> == is_float<B>, "a product of an integer and a floating-point vector does not exist");
  static constexpr bool wide = sizeof(A) + sizeof(B) > 4;
  using tag = std::conditional_t<is_float<A>, accfloat, std::conditional_t<wide, acc64, acc32>>;
};

// What wraps around instead of overflowing.
template <typename L>
struct wrapping : std::make_unsigned<L> {};
template <>
struct wrapping<float> {
  using type = float;
};

// Integer lanes wrap around; done unsigned, where C++ allows it.
template <typename L>
__aie_inline L wrap_add(L a, L b) {
  if constexpr (std::is_floating_point_v<L>) return a + b;
  else return L(std::make_unsigned_t<L>(a) + std::make_unsigned_t<L>(b));
}
template <typename L>
__aie_inline L wrap_sub(L a, L b) {
  if constexpr (std::is_floating_point_v<L>) return a - b;
  else return L(std::make_unsigned_t<L>(a) - std::make_unsigned_t<L>(b));
}
template <typename L>
__aie_inline L wrap_mul(L a, L b) {
  if constexpr (std::is_floating_point_v<L>) return a * b;
  else return L(std::make_unsigned_t<L>(a) * std::make_unsigned_t<L>(b));
}

}  // namespace detail

inline constexpr unsigned vector_decl_align = __AIEARCH__ == 20 ? 32 : 64;  // bytes: the width of a load

template <typename T, unsigned Elems>
inline constexpr unsigned vector_ldst_align_v = sizeof(T) * Elems < vector_decl_align ? sizeof(T) * Elems
                                                                                      : vector_decl_align;

}  // namespace aie
