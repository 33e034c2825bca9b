// 1 / x and 1 / sqrt(x) to the precision of float, for x > 0: Newton steps from what the core gives.
#pragma once

#include "core.h"

static inline floats inverse_of(const floats &x) {
  const floats guess = aie::inv(x);  // to 2e-7 on AIE2, unknown on AIE2P: a step makes it sure
  return product(guess, aie::sub(all(2.0f), product(x, guess)));
}

static inline floats inverse_root_step(const floats &x, const floats &guess) {
  const floats square = product(guess, guess);
  return product(guess, aie::sub(all(1.5f), product(product(all(0.5f), x), square)));
}

static inline floats inverse_root_of(const floats &x) {
  const floats guess = aie::invsqrt(x);  // to about 7e-4: two steps
  return inverse_root_step(x, inverse_root_step(x, guess));
}
