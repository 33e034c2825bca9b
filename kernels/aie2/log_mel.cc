// Whisper's log-mel features: frames of 400 samples, 16 bins of their Fourier transform at a time as a matrix product,
// powers of these, and, once gemm_bf16 has put the powers through the mel filters, log10, the window's maximum and the
// scale. DIM_M frames at a time, DIM_N mel bins. Reference: kernels/reference/log_mel.py `log_mel_device`; how the
// matrices lie: kernels/mel_layout.py.

#include "epilogue.h"
#include "gemm.h"
#include "log10.h"

static_assert(DIM_M % 4 == 0 && DIM_N % 16 == 0, "frames come in blocks of 4, mel bins in vectors of 16");

constexpr unsigned SAMPLES = 400, STEP_SAMPLES = 40, BINS = 16;  // of a frame; of a step; of a tile
constexpr unsigned COLUMNS = 4, TILE_COLUMNS = 2 * BINS;         // cosines, then sines
constexpr unsigned FRAME_PART = DIM_M * STEP_SAMPLES, MATRIX_PART = STEP_SAMPLES * TILE_COLUMNS;
constexpr float RANGE_LOG10 = 8.0f;
using Unit = unit_for<aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>, aie::mmul<8, 8, 4, bfloat16, bfloat16, accfloat>>;
constexpr unsigned DOWN = 4 / stacked<Unit>, ACROSS = 4;

// What the maximum of a window is kept in: a maximum a lane, as bits, then how many frames still count.
enum window_word : unsigned { WINDOW_HIGHEST, WINDOW_LEFT = LANES };

static inline void add_product(const bfloat16 *__restrict a, const bfloat16 *__restrict b, float *__restrict sums) {
  mac_matrix<Unit, DIM_M / 4, STEP_SAMPLES / 8, TILE_COLUMNS / 4, DOWN, ACROSS>(a, b, sums);
}

extern "C" {

// Four frames, [4, 400], as two bf16 each, x = high + low, into the given block of rows. a: for each step of 40 samples
// the high parts of all frames, then the low ones, in blocks of 4 x 8.
void log_mel_frames(const float *__restrict frames, bfloat16 *__restrict a, int32_t block) {
  set_modes();
  for (unsigned step = 0; step < SAMPLES / STEP_SAMPLES; ++step)
    for (unsigned k = 0; k < STEP_SAMPLES; k += 8)
      for (unsigned row = 0; row < BLOCK_ROWS; row += 2) {
        const float *from = frames + row * SAMPLES + step * STEP_SAMPLES + k;
        const floats samples = aie::concat(aie::load_v<8>(from), aie::load_v<8>(from + SAMPLES));
        const bfloats high = narrowed(samples), low = narrowed(aie::sub(samples, widened(high)));
        bfloat16 *to = a + 2 * step * FRAME_PART + unsigned(block) * BLOCK_ROWS * STEP_SAMPLES + k * BLOCK_ROWS + row * 8;
        aie::store_v(to, high);
        aie::store_v(to + FRAME_PART, low);
      }
}

// Adds a step to the sums of a tile of bins; step 0 begins them. b: the high parts of its rows of the matrix, then the
// low ones, in blocks of 8 x 4; sums: [m, 32] in blocks of 4 x 4. The product of the low parts is left out.
void log_mel_transform(const bfloat16 *__restrict a, const bfloat16 *__restrict b, float *__restrict sums, int32_t step) {
  set_modes();
  if (step == 0) zero_sums<DIM_M * TILE_COLUMNS>(sums);
  const bfloat16 *high = a + 2 * unsigned(step) * FRAME_PART, *low = high + FRAME_PART;
  add_product(high, b, sums);
  add_product(high, b + MATRIX_PART, sums);
  add_product(low, b, sums);
}

// powers: bf16 in blocks of 4 x 8, an a of gemm_bf16.
void log_mel_powers(const float *__restrict sums, bfloat16 *__restrict powers) {
  set_modes();
  for (unsigned row = 0; row < DIM_M; ++row) {
    const float *block_row = sums + row / BLOCK_ROWS * BLOCK_ROWS * TILE_COLUMNS;
    const floats cosine = gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, 0);
    const floats sine = gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, BINS);
    const bfloats squares = narrowed(multiply_add(sine, sine, product(cosine, cosine)));
    bfloat16 *to = powers + row / BLOCK_ROWS * BLOCK_ROWS * BINS + row % BLOCK_ROWS * 8;
    aie::store_v(to, squares.extract<8>(0));
    aie::store_v(to + BLOCK_ROWS * 8, squares.extract<8>(1));
  }
}

// A window of that many frames begins.
void log_mel_begin(int32_t *__restrict window, int32_t frames) {
  set_modes();
  aie::store_v(window + WINDOW_HIGHEST, all(LOG10_FLOOR).cast_to<int32>());
  aie::store_v(window + WINDOW_LEFT, aie::zeros<int32, LANES>());
  window[WINDOW_LEFT] = frames;
}

// sums: mel powers [m, n] in blocks of 4 x 4; logs: [m, n] row-major. Frames beyond those of the window do not count.
void log_mel_logs(const float *__restrict sums, float *__restrict logs, int32_t *__restrict window) {
  set_modes();
  floats highest = aie::load_v<LANES>(window + WINDOW_HIGHEST).cast_to<float>();
  const int32_t left = window[WINDOW_LEFT];
  for (unsigned row = 0; row < DIM_M; ++row) {
    const float *block_row = sums + row / BLOCK_ROWS * BLOCK_ROWS * DIM_N;
    for (unsigned j = 0; j < DIM_N; j += LANES) {
      const floats values = log10_power(gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, j));
      if (int32_t(row) < left) highest = aie::max(highest, values);
      aie::store_v(logs + row * DIM_N + j, values);
    }
  }
  aie::store_v(window + WINDOW_HIGHEST, highest.cast_to<int32>());
  window[WINDOW_LEFT] = left > int32_t(DIM_M) ? left - int32_t(DIM_M) : 0;
}

// (max(x, highest of the window - 8) + 4) / 4.
void log_mel_scale(const float *__restrict logs, const int32_t *__restrict window, float *__restrict features) {
  set_modes();
  const floats highest = aie::load_v<LANES>(window + WINDOW_HIGHEST).cast_to<float>();
  const floats least = aie::sub(all(aie::reduce_max(highest)), all(RANGE_LOG10));
  for (unsigned j = 0; j < DIM_M * DIM_N; j += LANES)
    aie::store_v(features + j, product(aie::add(aie::max(aie::load_v<LANES>(logs + j), least), all(4.0f)), all(0.25f)));
}
}
