// GELU, x * Phi(x), with Phi as the polynomial of kernels/reference/gelu.py: error at most 6e-5 up to |x| = 32.
#pragma once

#include "core.h"

constexpr float GELU_LIMIT = 4.5f;  // where Phi is 0 or 1
constexpr unsigned GELU_TERMS = 9;
static const float GELU_COEFFICIENTS[GELU_TERMS] = {  // highest power first
    3.0000047585021505e-11f, -3.2839102548365418e-09f, 1.5802564234945748e-07f,
    -4.431683009897824e-06f, 8.120969141600654e-05f,   -1.0362531756982207e-03f,
    9.58065316081047e-03f,   -6.597726792097092e-02f,  3.987085819244385e-01f};

static inline floats gelu_of(const floats &x) {
  const floats inside = aie::min(aie::max(x, all(-GELU_LIMIT)), all(GELU_LIMIT));
  const floats square = product(inside, inside);
  floats total = all(GELU_COEFFICIENTS[0]);
  for (unsigned i = 1; i < GELU_TERMS; ++i) total = multiply_add(total, square, all(GELU_COEFFICIENTS[i]));
  const floats phi = multiply_add(total, inside, all(0.5f));
  return product(x, aie::min(aie::max(phi, all(0.0f)), all(1.0f)));
}
