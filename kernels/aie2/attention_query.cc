// Takes a part of 32 rows of q from a stream that all cores of a column see, if it is one of this core's.
//
// part: blocks of 4 x 8, [8][d / 8]; q: blocks of 4 x 8, [m / 4][d / 8], the parts one after another, the last one perhaps
// cut. A number below 0 or past the last part changes nothing.

#include "core.h"

static_assert(DIM_M % 4 == 0 && DIM_D % 16 == 0, "q is of blocks of 4 rows and vectors of 16");

constexpr int32_t PART_ROWS = 32;  // as many as a block has keys: both go over one stream

extern "C" {

void attention_query(const bfloat16 *__restrict part, bfloat16 *__restrict q, int32_t number) {
  const int32_t left = int32_t(DIM_M) - number * PART_ROWS;
  if (number < 0 || left <= 0) return;
  const unsigned elements = unsigned(left < PART_ROWS ? left : PART_ROWS) * DIM_D;
  bfloat16 *to = q + number * PART_ROWS * int32_t(DIM_D);
  for (unsigned i = 0; i < elements; i += LANES) aie::store_v(to + i, aie::load_v<LANES>(part + i));
}
}
