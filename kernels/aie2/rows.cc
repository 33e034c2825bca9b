// Sums and copies of DIM_N values: positions onto rows, rows into the KV cache. Reference: kernels/reference/embed.py
// `add_rows`, kernels/reference/kv.py.

#include "core.h"

static_assert(DIM_N % 32 == 0, "values come in vectors of 32");

extern "C" {

// dst may be src.
void add_rows(const float *src, const float *__restrict table, float *dst) {
  set_modes();
  for (unsigned j = 0; j < DIM_N; j += LANES)
    aie::store_v(dst + j, aie::add(aie::load_v<LANES>(src + j), aie::load_v<LANES>(table + j)));
}

// Bytes.
void copy_rows(const int8_t *__restrict src, int8_t *__restrict dst) {
  for (unsigned j = 0; j < DIM_N; j += 32) aie::store_v(dst + j, aie::load_v<32>(src + j));
}
}
