// Attention of DIM_M rows of one head of DIM_D, key block by key block, with a running maximum m, sum l and result o.
//
// q: blocks of 4 x 8, [m / 4][d / 8]; k: 32 keys in blocks of 4 x 8, [8][d / 8], which the core transposes, since no DMA
// can; v: 32 keys in blocks of 8 x 4, [4][d / 4]; o: blocks of 4 x 4, [m / 4][d / 4]; state: m [m], then l [m]. Of a
// block row i sees the first min(seen + i * step, keys) keys, perhaps none; those not seen must be finite numbers.
// Reference: kernels/reference/attention.py `attention_streaming`, `probabilities`.

#include "epilogue.h"
#include "exp.h"
#include "reciprocal.h"
#include "seen.h"

static_assert(DIM_M % 4 == 0 && DIM_D % 16 == 0, "attention is of blocks of 4 rows and vectors of 16");

constexpr unsigned KEYS = 32;  // of a block: KEY_BLOCK of the reference
constexpr unsigned COLUMNS = 4;
using Unit = aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>;
constexpr unsigned Q_BLOCKS = DIM_D / 8, K_BLOCKS = KEYS / 4, O_BLOCKS = DIM_D / 4, P_BLOCKS = KEYS / 8;
constexpr unsigned ROW_BLOCKS = DIM_M / BLOCK_ROWS;

constexpr float inverse_root(double n) {
  double root = n;
  for (unsigned step = 0; step < 64; ++step) root = 0.5 * (root + n / root);
  return float(1.0 / root);
}
constexpr float SCALE = inverse_root(DIM_D);

static inline int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

// scores: q k^T of all rows, blocks of 4 x 4, [m / 4][8]; a block of k is transposed once for up to 4 blocks of rows.
static inline void score(const bfloat16 *__restrict q, const bfloat16 *__restrict k, float *__restrict scores) {
  constexpr unsigned down = ROW_BLOCKS % 4 == 0 ? 4 : ROW_BLOCKS % 2 == 0 ? 2 : 1;
  for (unsigned i = 0; i < ROW_BLOCKS; i += down)
    for (unsigned j = 0; j < K_BLOCKS; ++j) {
      Unit sums[down];
      for (unsigned b = 0; b < Q_BLOCKS; ++b) {
        const auto keys = aie::load_v<Unit::size_B>(k + (j * Q_BLOCKS + b) * Unit::size_B);
        const auto right = aie::transpose(keys, 4, 8);
        for (unsigned row = 0; row < down; ++row)
          sums[row].mac(aie::load_v<Unit::size_A>(q + ((i + row) * Q_BLOCKS + b) * Unit::size_A), right);
      }
      for (unsigned row = 0; row < down; ++row)
        aie::store_v(scores + ((i + row) * K_BLOCKS + j) * Unit::size_C, sums[row].to_vector<float>());
    }
}

// 16 scaled scores of a row; hidden ones are lowest.
static inline floats scaled_scores(const float *scores, unsigned row, unsigned first, const aie::mask<LANES> &seen) {
  const float *block_row = scores + row / BLOCK_ROWS * BLOCK_ROWS * KEYS;
  const floats raw = gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, first);
  return aie::select(all(HIDDEN), product(raw, all(SCALE)), seen);
}

// Weights the scores of a row under the new maximum, puts them into the blocks of `p`, and brings the state up to date.
// Returns what the row's old result is to be multiplied by.
static inline floats weigh(const float *scores, unsigned row, int32_t seen, float *__restrict state,
                           bfloat16 *__restrict p) {
  const aie::mask<LANES> masks[2] = {first_lanes(seen), first_lanes(seen - int32_t(LANES))};
  floats parts[2];
  for (unsigned h = 0; h < 2; ++h) parts[h] = scaled_scores(scores, row, h * LANES, masks[h]);
  const floats old = all(state[row]);
  const floats highest = aie::max(old, all(aie::reduce_max(aie::max(parts[0], parts[1]))));
  floats sums = all(0.0f);
  for (unsigned h = 0; h < 2; ++h) {
    const floats power = exp_of(aie::sub(parts[h], highest));
    const bfloats weights = narrowed(aie::select(all(0.0f), power, masks[h]));
    sums = aie::add(sums, widened(weights));
    bfloat16 *blocks = p + 2 * h * Unit::size_A + row % BLOCK_ROWS * 8;
    aie::store_v(blocks, weights.extract<8>(0));
    aie::store_v(blocks + Unit::size_A, weights.extract<8>(1));
  }
  // Of a block of which the row sees nothing everything stays as it is: exp_of(0) is a little less than 1.
  const floats correction = seen > 0 ? exp_of(aie::sub(old, highest)) : all(1.0f);
  state[DIM_M + row] = multiply_add(correction, all(state[DIM_M + row]), all(aie::reduce_add(sums)))[0];
  state[row] = highest[0];
  return correction;
}

// o = correction * o + p v, for 4 rows.
static inline void add_values(const bfloat16 *__restrict p, const bfloat16 *__restrict v, const floats &correction,
                              float *__restrict o) {
  for (unsigned j = 0; j < O_BLOCKS; ++j) {
    Unit sums(product(aie::load_v<Unit::size_C>(o + j * Unit::size_C), correction));
    for (unsigned b = 0; b < P_BLOCKS; ++b)
      sums.mac(aie::load_v<Unit::size_A>(p + b * Unit::size_A),
               aie::load_v<Unit::size_B>(v + (b * O_BLOCKS + j) * Unit::size_B));
    aie::store_v(o + j * Unit::size_C, sums.to_vector<float>());
  }
}

extern "C" {

void attention_begin(float *__restrict state, float *__restrict o) {
  set_modes();
  for (unsigned row = 0; row < DIM_M; ++row) {
    state[row] = HIDDEN;
    state[DIM_M + row] = 0;
  }
  for (unsigned i = 0; i < DIM_M * DIM_D; i += LANES) aie::store_v(o + i, all(0.0f));
}

// scores: room for [m, 32] floats.
void attention_block(const bfloat16 *__restrict q, const bfloat16 *__restrict k, const bfloat16 *__restrict v,
                     float *__restrict scores, float *__restrict state, float *__restrict o, int32_t seen, int32_t step,
                     int32_t keys) {
  set_modes();
  score(q, k, scores);
  for (unsigned i = 0; i < ROW_BLOCKS; ++i) {
    alignas(aie::vector_decl_align) bfloat16 p[BLOCK_ROWS * KEYS];
    aie::vector<float, BLOCK_ROWS * COLUMNS> correction;
    for (unsigned r = 0; r < BLOCK_ROWS; ++r, seen += step)
      correction.insert(r, weigh(scores, i * BLOCK_ROWS + r, least(seen, keys), state, p).extract<COLUMNS>(0));
    add_values(p, v, correction, o + i * BLOCK_ROWS * DIM_D);
  }
}

// dst: [m, d] row-major.
void attention_finish(const float *__restrict state, const float *__restrict o, bfloat16 *__restrict dst) {
  set_modes();
  for (unsigned row = 0; row < DIM_M; ++row) {
    const floats inverse = inverse_of(all(state[DIM_M + row]));
    const float *block_row = o + row / BLOCK_ROWS * BLOCK_ROWS * DIM_D;
    for (unsigned j = 0; j < DIM_D; j += LANES)
      aie::store_v(dst + row * DIM_D + j,
                   narrowed(product(gather_row<COLUMNS>(block_row, row % BLOCK_ROWS, j), inverse)));
  }
}

// The weights of a block of keys once the state is final: dst: [m, 32] row-major, 0 where not seen.
void attention_weights(const bfloat16 *__restrict q, const bfloat16 *__restrict k, const float *__restrict state,
                       float *__restrict scores, float *__restrict dst, int32_t seen, int32_t step, int32_t keys) {
  set_modes();
  score(q, k, scores);
  for (unsigned row = 0; row < DIM_M; ++row, seen += step) {
    const floats inverse = inverse_of(all(state[DIM_M + row]));
    for (unsigned j = 0; j < KEYS; j += LANES) {
      const aie::mask<LANES> mask = first_lanes(least(seen, keys) - int32_t(j));
      const floats power = exp_of(aie::sub(scaled_scores(scores, row, j, mask), all(state[row])));
      aie::store_v(dst + row * KEYS + j, aie::select(all(0.0f), product(power, inverse), mask));
    }
  }
}
}
