// A row of tokens as bf16 plus a row of positions as float: DIM_N values. Reference: kernels/reference/embed.py `embed`.

#include "core.h"

static_assert(DIM_N % 16 == 0, "values come in vectors of 16");

extern "C" void embed(const bfloat16 *__restrict token, const float *__restrict position, float *__restrict dst) {
  set_modes();
  for (unsigned j = 0; j < DIM_N; j += LANES)
    aie::store_v(dst + j, aie::add(widened(aie::load_v<LANES>(token + j)), aie::load_v<LANES>(position + j)));
}
