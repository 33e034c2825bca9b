// The noise of kernels/reference/noise.py: bit for bit up to its logarithms, which differ in the last bits of a float.
#pragma once

#include "log.h"

constexpr uint32_t POSITION_STEP = 0x9E3779B9u;
constexpr uint32_t ID_STEP = 0x85EBCA6Bu;

using words = aie::vector<int32, LANES>;

static inline words all_words(uint32_t value) { return aie::broadcast<int32, LANES>(int32_t(value)); }

static inline uint32_t mixed(uint32_t word) {
  word = (word ^ (word >> 16)) * 0x85EBCA6Bu;
  word = (word ^ (word >> 13)) * 0xC2B2AE35u;
  return word ^ (word >> 16);
}

// Of a row: ids are mixed with it.
static inline uint32_t noise_key(uint32_t seed, uint32_t position) { return mixed(mixed(seed) + position * POSITION_STEP); }

// The lower words of the products: what a core gives that does not saturate.
static inline words low_product(const words &a, uint32_t b) { return aie::mul(a, all_words(b)).to_vector<int32>(); }

static inline words shifted_right(const words &v, unsigned shift) {  // zeros come in
  return aie::downshift(v.cast_to<uint32>(), shift).cast_to<int32>();
}

static inline words mixed(const words &v) {
  const words once = low_product(aie::bit_xor(v, shifted_right(v, 16)), 0x85EBCA6Bu);
  const words twice = low_product(aie::bit_xor(once, shifted_right(once, 13)), 0xC2B2AE35u);
  return aie::bit_xor(twice, shifted_right(twice, 16));
}

static inline floats gumbel_of(const words &ids, uint32_t key) {
  aie::set_saturation(aie::saturation_mode::none);
  const words bits = mixed(aie::bit_xor(mixed(low_product(ids, ID_STEP)), all_words(key)));
  const words upper = shifted_right(bits, 9);
  aie::set_saturation(aie::saturation_mode::saturate);
  // 1 to 2 by its bits, less 1, plus 2**-24: (upper + 1/2) / 2**23, and nothing is rounded.
  const floats above_one = aie::add(upper, all_words(0x3F800000u)).cast_to<float>();
  const floats uniform = aie::add(aie::sub(above_one, all(1.0f)), all(5.96046448e-8f));
  const floats once = aie::sub(all(0.0f), log_of(uniform));
  return aie::sub(all(0.0f), log_of(once));
}
