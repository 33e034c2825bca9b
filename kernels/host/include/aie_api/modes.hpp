// Rounding and saturation: state of a core, which a kernel must set and which outlives it.
//
// A core starts with floor and no saturation (aie_api `set_rounding`, `set_saturation`), so a kernel that forgets to
// set them gives wrong answers here as it does there.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace aie {

enum class rounding_mode : unsigned {
  floor,
  ceil,
  positive_inf,    // the others: to nearest, and ties as they say
  negative_inf,
  symmetric_inf,
  symmetric_zero,
  conv_even,
  conv_odd,
  symmetric_floor,  // towards zero
  symmetric_ceil,   // away from it
};
enum class saturation_mode : unsigned { none = 0, saturate = 1, symmetric = 3 };

namespace detail {

struct core_modes {
  rounding_mode rounding = rounding_mode::floor;
  saturation_mode saturation = saturation_mode::none;
};
inline thread_local core_modes modes;  // each simulated core that runs on a thread of its own has its own

// Whether to go up from the floor, by what was cut off: `rest` out of two `half`.
inline bool rounds_up(uint64_t rest, uint64_t half, bool odd, bool negative) {
  switch (modes.rounding) {
    case rounding_mode::floor: return false;
    case rounding_mode::ceil: return rest != 0;
    case rounding_mode::positive_inf: return rest >= half;
    case rounding_mode::negative_inf: return rest > half;
    case rounding_mode::symmetric_inf: return negative ? rest > half : rest >= half;
    case rounding_mode::symmetric_zero: return negative ? rest >= half : rest > half;
    case rounding_mode::conv_even: return rest > half || (rest == half && odd);
    case rounding_mode::symmetric_floor: return rest != 0 && negative;
    case rounding_mode::symmetric_ceil: return rest != 0 && !negative;
    case rounding_mode::conv_odd: return rest > half || (rest == half && !odd);
  }
  return false;
}

inline int64_t round_shift(int64_t value, int shift) {
  if (shift <= 0) return int64_t(uint64_t(value) << -shift);
  const int64_t quotient = value >> shift;
  const uint64_t rest = uint64_t(value) - (uint64_t(quotient) << shift);
  return quotient + rounds_up(rest, uint64_t(1) << (shift - 1), quotient & 1, value < 0);
}

template <typename T>
inline T saturate(int64_t value) {
  constexpr int64_t high = std::numeric_limits<T>::max();
  constexpr int64_t low = std::numeric_limits<T>::min();
  if (modes.saturation == saturation_mode::none) return T(uint64_t(value));
  const int64_t bottom = std::is_signed_v<T> && modes.saturation == saturation_mode::symmetric ? -high : low;
  return T(value < bottom ? bottom : value > high ? high : value);
}

// The upper half of a float, rounded; floor and ceil are towards the infinities.
inline uint16_t bf16_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t upper = bits >> 16, rest = bits & 0xFFFF;
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return uint16_t(upper | 0x40);  // a NaN stays one
  if (modes.rounding == rounding_mode::conv_even) return uint16_t((bits + 0x7FFF + (upper & 1)) >> 16);
  const bool negative = bits >> 31;
  const uint64_t cut = negative && rest ? 0x10000 - rest : rest;  // above the floor of a negative number
  const bool odd_floor = (upper & 1) != (negative && rest);
  const bool up = rounds_up(cut, 0x8000, odd_floor, negative);
  const bool away = negative ? rest && !up : up;  // one more in magnitude
  return uint16_t(upper + away);
}

}  // namespace detail

inline void set_rounding(rounding_mode mode) { detail::modes.rounding = mode; }
inline rounding_mode get_rounding() { return detail::modes.rounding; }
inline void set_saturation(saturation_mode mode) { detail::modes.saturation = mode; }

}  // namespace aie

// Of this stand-in only: set the modes of the calling thread's core; 0, 0 is the state after power-up.
extern "C" inline __attribute__((used)) void shim_set_modes(unsigned rounding, unsigned saturation) {
  aie::detail::modes = {aie::rounding_mode(rounding), aie::saturation_mode(saturation)};
}
