// Matrix product of bf16 with float sums, and what ends it.
//
// A tile is DIM_M x DIM_K x DIM_N. a: blocks of 4 x 8, b: blocks of 8 x 4, sums: blocks of 4 x 4 (gemm.h).
// Reference: kernels/reference/gemm.py `gemm_bf16`.

#include "epilogue.h"
#include "gemm.h"

static_assert(DIM_M % 4 == 0 && DIM_K % 8 == 0 && DIM_N % 16 == 0, "a tile of bf16 is of blocks of 4, 8 and 16");

constexpr unsigned COLUMNS = 4;
using Unit = unit_for<aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>, aie::mmul<8, 8, 4, bfloat16, bfloat16, accfloat>>;
constexpr unsigned DOWN = 4 / stacked<Unit>, ACROSS = 4;  // 16 accumulators of 512 bits, of 18 that AIE2 has

extern "C" {

void gemm_bf16_zero(float *__restrict sums) {
  set_modes();
  zero_sums<DIM_M * DIM_N>(sums);
}

void gemm_bf16_mac(const bfloat16 *__restrict a, const bfloat16 *__restrict b, float *__restrict sums) {
  set_modes();
  mac_matrix<Unit, DIM_M / 4, DIM_K / 8, DIM_N / 4, DOWN, ACROSS>(a, b, sums);
}
}

// bias: [n]; residual and dst: [m, n] row-major.
template <typename Out>
static inline void end(const float *sums, const float *bias, const float *residual, Out *dst, int32_t mode) {
  set_modes();
  for (unsigned row = 0; row < DIM_M; ++row) {
    const float *block_row = sums + row / BLOCK_ROWS * BLOCK_ROWS * DIM_N;
    for (unsigned j = 0; j < DIM_N; j += LANES)
      finish(gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, j), bias + j, residual + row * DIM_N + j,
             dst + row * DIM_N + j, mode);
  }
}

extern "C" {

void gemm_bf16_finish_bf16(const float *sums, const float *bias, const float *residual, bfloat16 *dst, int32_t mode) {
  end(sums, bias, residual, dst, mode);
}

void gemm_bf16_finish_f32(const float *sums, const float *bias, const float *residual, float *dst, int32_t mode) {
  end(sums, bias, residual, dst, mode);
}
}
