// Multiplication of tiles in the configuration `products`.
//
// int8 a: blocks of 4 x 8, b: blocks of 8 x 8; bf16 a: rows, b: blocks of 8 x 4. The last object of a tile may hold
// fewer blocks of k, without gaps. Reference: kernels/reference/gemm.py.

#include "products.h"

using Int8Unit = unit_for<aie::mmul<4, 8, 8, int8, int8, acc32>, aie::mmul<8, 8, 8, int8, int8, acc32>>;
using Bf16Unit =
    unit_for<aie::mmul<4, 8, 4, bfloat16, bfloat16, accfloat>, aie::mmul<8, 8, 4, bfloat16, bfloat16, accfloat>>;

static inline aie::vector<int8, A_BLOCK> left_block(const int8 *a, unsigned quad, unsigned k, unsigned k_blocks) {
  return aie::load_v<A_BLOCK>(a + (quad * k_blocks + k) * A_BLOCK);
}

static inline aie::vector<bfloat16, A_BLOCK> left_block(const bfloat16 *a, unsigned quad, unsigned k,
                                                        unsigned k_blocks) {
  const unsigned pitch = 8 * k_blocks;
  const bfloat16 *row = a + quad * BLOCK_ROWS * pitch + 8 * k;
  return aie::concat(aie::load_v<8>(row), aie::load_v<8>(row + pitch), aie::load_v<8>(row + 2 * pitch),
                     aie::load_v<8>(row + 3 * pitch));
}

// sums += a b over so many blocks of 8 of k; Down x Across units are held at a time.
template <typename Unit, unsigned Down, unsigned Across, typename T, typename Sum>
static inline void multiply(const T *__restrict a, const T *__restrict b, Sum *__restrict sums, unsigned k_blocks) {
  constexpr unsigned high = stacked<Unit>, columns = TILE / (c_block<Unit> / BLOCK_ROWS);
  constexpr unsigned stride = columns * c_block<Unit>;
  for (unsigned i = 0; i < QUADS; i += Down * high)
    for (unsigned j = 0; j < columns; j += Across) {
      Sum *corner = sums + i * stride + j * c_block<Unit>;
      Unit held[Down][Across];
      for (unsigned d = 0; d < Down; ++d)
        for (unsigned x = 0; x < Across; ++x)
          held[d][x] = load_sums<Unit>(corner + d * high * stride + x * c_block<Unit>, stride);
      for (unsigned k = 0; k < k_blocks; ++k) {
        aie::vector<T, Unit::size_B> right[Across];
        for (unsigned x = 0; x < Across; ++x)
          right[x] = aie::load_v<Unit::size_B>(b + (k * columns + j + x) * Unit::size_B);
        for (unsigned d = 0; d < Down; ++d) {
          aie::vector<T, Unit::size_A> left;
          for (unsigned h = 0; h < high; ++h) left.insert(h, left_block(a, i + d * high + h, k, k_blocks));
          for (unsigned x = 0; x < Across; ++x) held[d][x].mac(left, right[x]);
        }
      }
      for (unsigned d = 0; d < Down; ++d)
        for (unsigned x = 0; x < Across; ++x)
          store_sums(corner + d * high * stride + x * c_block<Unit>, stride, held[d][x]);
    }
}

extern "C" void products_mac(const int32_t *__restrict a, const int32_t *__restrict b, int32_t *__restrict sums,
                             int32_t *__restrict state) {
  set_modes();
  const bool rest = ++state[STEP] == state[STEPS];
  if (state[KIND] == BF16)
    multiply<Bf16Unit, 4 / stacked<Bf16Unit>, 4>(reinterpret_cast<const bfloat16 *>(a),
                                                 reinterpret_cast<const bfloat16 *>(b), floats_of(sums),
                                                 rest ? state[LAST_K] : 4);
  else
    multiply<Int8Unit, 4 / stacked<Int8Unit>, 2>(reinterpret_cast<const int8 *>(a), reinterpret_cast<const int8 *>(b),
                                                 sums, rest ? state[LAST_K] : 8);
}
