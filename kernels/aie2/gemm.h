// The inner loop of a matrix product on packed blocks: c += a * b.
//
// a: blocks of R x S, [m / R][k / S]; b: blocks of S x T, [k / S][n / T]; c: blocks of R x T, [m / R][n / T]; each block
// row-major and all in row-major order. As many blocks of c are held in accumulators at a time as there are of these.
#pragma once

#include "core.h"

constexpr unsigned whole_part(unsigned blocks, unsigned most) {
  return blocks % most == 0 ? most : whole_part(blocks, most / 2);
}

template <typename Unit, typename A, typename Sum, unsigned KBlocks, unsigned NBlocks, unsigned Down, unsigned Across>
static inline void mac_blocks(const A *__restrict a, const A *__restrict b, Sum *__restrict c) {
  Unit sums[Down][Across];
  for (unsigned i = 0; i < Down; ++i)
    for (unsigned j = 0; j < Across; ++j)
      sums[i][j] = Unit(aie::load_v<Unit::size_C>(c + (i * NBlocks + j) * Unit::size_C));
  for (unsigned k = 0; k < KBlocks; ++k) {
    aie::vector<A, Unit::size_B> right[Across];
    for (unsigned j = 0; j < Across; ++j) right[j] = aie::load_v<Unit::size_B>(b + (k * NBlocks + j) * Unit::size_B);
    for (unsigned i = 0; i < Down; ++i) {
      const aie::vector<A, Unit::size_A> left = aie::load_v<Unit::size_A>(a + (i * KBlocks + k) * Unit::size_A);
      for (unsigned j = 0; j < Across; ++j) sums[i][j].mac(left, right[j]);
    }
  }
  for (unsigned i = 0; i < Down; ++i)
    for (unsigned j = 0; j < Across; ++j)
      aie::store_v(c + (i * NBlocks + j) * Unit::size_C, sums[i][j].template to_vector<Sum>());
}

template <typename Unit, unsigned MBlocks, unsigned KBlocks, unsigned NBlocks, unsigned Down, unsigned Across, typename A,
          typename Sum>
static inline void mac_matrix(const A *__restrict a, const A *__restrict b, Sum *__restrict c) {
  constexpr unsigned down = whole_part(MBlocks, Down), across = whole_part(NBlocks, Across);
  for (unsigned i = 0; i < MBlocks; i += down)
    for (unsigned j = 0; j < NBlocks; j += across)
      mac_blocks<Unit, A, Sum, KBlocks, NBlocks, down, across>(
          a + i * KBlocks * Unit::size_A, b + j * Unit::size_B, c + (i * NBlocks + j) * Unit::size_C);
}

template <unsigned Size, typename Sum>
static inline void zero_sums(Sum *__restrict c) {
  for (unsigned i = 0; i < Size; i += LANES) aie::store_v(c + i, aie::zeros<Sum, LANES>());
}
