// GELU of DIM_N values. Reference: kernels/reference/gelu.py `gelu_device`.

#include "gelu.h"

static_assert(DIM_N % 16 == 0, "values come in vectors of 16");

extern "C" void gelu(const bfloat16 *__restrict src, bfloat16 *__restrict dst) {
  set_modes();
  for (unsigned j = 0; j < DIM_N; j += LANES)
    aie::store_v(dst + j, narrowed(gelu_of(widened(aie::load_v<LANES>(src + j)))));
}
