// Matrix product of int8 with exact int32 sums, and what ends it.
//
// A tile is DIM_M x DIM_K x DIM_N. a: blocks of 4 x 8, b: blocks of 8 x 8, sums: blocks of 4 x 8 (gemm.h).
// Reference: kernels/reference/gemm.py `gemm_int8`, kernels/reference/requantise.py `requantise`.

#include "epilogue.h"
#include "gemm.h"

static_assert(DIM_M % 4 == 0 && DIM_K % 8 == 0 && DIM_N % 16 == 0, "a tile of int8 is of blocks of 4, 8 and 16");

constexpr unsigned COLUMNS = 8;
using Unit = unit_for<aie::mmul<4, 8, 8, int8, int8, acc32>, aie::mmul<8, 8, 8, int8, int8, acc32>>;
constexpr unsigned DOWN = 4 / stacked<Unit>, ACROSS = 2;  // 8 accumulators of 1024 bits, of 9 that AIE2 has

extern "C" {

void gemm_int8_zero(int32_t *__restrict sums) {
  set_modes();
  zero_sums<DIM_M * DIM_N>(sums);
}

void gemm_int8_mac(const int8_t *__restrict a, const int8_t *__restrict b, int32_t *__restrict sums) {
  set_modes();
  mac_matrix<Unit, DIM_M / 4, DIM_K / 8, DIM_N / 8, DOWN, ACROSS>(a, b, sums);
}
}

// row_scales: [m]; columns: scales [n], then bias [n]; residual and dst: [m, n] row-major.
template <typename Out>
static inline void scale(const int32_t *sums, const float *row_scales, const float *columns, const float *residual, Out *dst,
                         int32_t mode) {
  set_modes();
  for (unsigned row = 0; row < DIM_M; ++row) {
    const int32_t *block_row = sums + row / BLOCK_ROWS * BLOCK_ROWS * DIM_N;
    const floats row_scale = all(row_scales[row]);
    for (unsigned j = 0; j < DIM_N; j += LANES) {
      const floats values = aie::to_float(gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, j));
      const floats scaled = product(product(values, row_scale), aie::load_v<LANES>(columns + j));
      finish(scaled, columns + DIM_N + j, residual + row * DIM_N + j, dst + row * DIM_N + j, mode);
    }
  }
}

extern "C" {

void gemm_int8_finish_bf16(const int32_t *sums, const float *row_scales, const float *columns, const float *residual,
                           bfloat16 *dst, int32_t mode) {
  scale(sums, row_scales, columns, residual, dst, mode);
}

void gemm_int8_finish_f32(const int32_t *sums, const float *row_scales, const float *columns, const float *residual,
                          float *dst, int32_t mode) {
  scale(sums, row_scales, columns, residual, dst, mode);
}

// columns: bias [n], then multipliers [n]; dst: blocks of 4 x 8, the a of the next product. The sum with the bias is
// saturated to int32; products have 64 bits; shift is 0 to 62.
void gemm_int8_requantise(const int32_t *__restrict sums, const int32_t *__restrict columns, int8_t *__restrict dst,
                          int32_t shift) {
  set_modes();
  for (unsigned j = 0; j < DIM_N; j += COLUMNS) {
    const auto bias = aie::load_v<COLUMNS>(columns + j), multiplier = aie::load_v<COLUMNS>(columns + DIM_N + j);
    const auto biases = aie::concat(bias, bias), multipliers = aie::concat(multiplier, multiplier);  // for two rows
    for (unsigned i = 0; i < DIM_M; i += BLOCK_ROWS) {
      const unsigned block = i * DIM_N + j * BLOCK_ROWS;
      aie::vector<int32, LANES> scaled[2];
      for (unsigned half = 0; half < 2; ++half) {
        const aie::accum<acc64, LANES> wide(aie::load_v<LANES>(sums + block + half * LANES));
        const auto biased = aie::add(wide, biases).to_vector<int32>();
        scaled[half] = aie::mul(biased, multipliers).to_vector<int32>(shift);
      }
      const aie::accum<acc32, 2 * LANES> whole(aie::concat(scaled[0], scaled[1]));
      aie::store_v(dst + block, whole.to_vector<int8>());
    }
  }
}
}
