// What every kernel begins with, and the sizes that it is built for.
#pragma once

#include <stdint.h>

#include <aie_api/aie.hpp>

// A core starts with rounding to the floor and without saturation, and keeps what the last kernel set.
static inline void set_modes() {
  aie::set_rounding(aie::rounding_mode::conv_even);
  aie::set_saturation(aie::saturation_mode::saturate);
}

constexpr unsigned LANES = 16;  // floats in a vector register of 512 bits
using floats = aie::vector<float, LANES>;
using float_sums = aie::accum<accfloat, LANES>;
using bfloats = aie::vector<bfloat16, LANES>;

static inline floats product(const floats &a, const floats &b) { return aie::mul(a, b).to_vector<float>(); }

// c + a * b
static inline floats multiply_add(const floats &a, const floats &b, const floats &c) {
  return aie::mac(float_sums(c), a, b).to_vector<float>();
}

static inline floats widened(const bfloats &v) { return float_sums(v).to_vector<float>(); }

static inline bfloats narrowed(const floats &v) { return float_sums(v).to_vector<bfloat16>(); }

static inline floats all(float value) { return aie::broadcast<float, LANES>(value); }
