// The functions that kernels share, 16 values at a time.
#include "exp.h"
#include "gelu.h"
#include "reciprocal.h"
#include "seen.h"

extern "C" {
void powers(const float *x, float *y) { aie::store_v(y, exp_of(aie::load_v<LANES>(x))); }
void gelus(const float *x, float *y) { aie::store_v(y, gelu_of(aie::load_v<LANES>(x))); }
void inverses(const float *x, float *y) { aie::store_v(y, inverse_of(aie::load_v<LANES>(x))); }
void inverse_roots(const float *x, float *y) { aie::store_v(y, inverse_root_of(aie::load_v<LANES>(x))); }
void lanes(const float *x, float *y, int32_t count) {
  aie::store_v(y, aie::select(all(0.0f), aie::load_v<LANES>(x), first_lanes(count)));
}
}
