// The inner loop of a matrix product on packed blocks: c += a * b.
//
// a: blocks of 4 x 8, [m / 4][k / 8]; b: blocks of 8 x T, [k / 8][n / T]; c: blocks of 4 x T, [m / 4][n / T]; each block
// row-major and all in row-major order. A unit of 8 rows, which AIE2P has, takes two blocks of a and c that lie below
// each other, so that both architectures share one layout. Down x Across units are held in accumulators at a time.
#pragma once

#include <type_traits>

#include "core.h"

constexpr unsigned A_BLOCK = 4 * 8;

// The unit for tiles of DIM_M rows.
template <typename OfFour, typename OfEight>
using unit_for = std::conditional_t<__AIEARCH__ == 21 && DIM_M % 8 == 0, OfEight, OfFour>;

template <typename Unit>
constexpr unsigned stacked = Unit::size_A / A_BLOCK;  // blocks below each other in a unit: 1 or 2
template <typename Unit>
constexpr unsigned c_block = Unit::size_C / stacked<Unit>;

constexpr unsigned whole_part(unsigned blocks, unsigned most) {
  return blocks % most == 0 ? most : whole_part(blocks, most / 2);
}

template <typename Unit, typename Sum>
static inline Unit load_sums(const Sum *__restrict c, unsigned stride) {
  typename Unit::accum_type sums;
  for (unsigned h = 0; h < stacked<Unit>; ++h)
    sums.insert(h, aie::accum<typename Unit::accum_type::value_type, c_block<Unit>>(
                       aie::load_v<c_block<Unit>>(c + h * stride)));
  return Unit(sums);
}

template <typename Unit, typename Sum>
static inline void store_sums(Sum *__restrict c, unsigned stride, const Unit &unit) {
  const auto sums = unit.to_accum();
  for (unsigned h = 0; h < stacked<Unit>; ++h)
    aie::store_v(c + h * stride, sums.template extract<c_block<Unit>>(h).template to_vector<Sum>());
}

template <typename Unit, typename A>
static inline aie::vector<A, Unit::size_A> load_left(const A *__restrict a, unsigned stride) {
  if constexpr (stacked<Unit> == 1) return aie::load_v<A_BLOCK>(a);
  else return aie::concat(aie::load_v<A_BLOCK>(a), aie::load_v<A_BLOCK>(a + stride));
}

template <typename Unit, unsigned KBlocks, unsigned NBlocks, unsigned Down, unsigned Across, typename A, typename Sum>
static inline void mac_blocks(const A *__restrict a, const A *__restrict b, Sum *__restrict c) {
  constexpr unsigned a_stride = KBlocks * A_BLOCK, c_stride = NBlocks * c_block<Unit>;  // from block row to block row
  Unit sums[Down][Across];
  for (unsigned i = 0; i < Down; ++i)
    for (unsigned j = 0; j < Across; ++j)
      sums[i][j] = load_sums<Unit>(c + i * stacked<Unit> * c_stride + j * c_block<Unit>, c_stride);
  for (unsigned k = 0; k < KBlocks; ++k) {
    aie::vector<A, Unit::size_B> right[Across];
    for (unsigned j = 0; j < Across; ++j) right[j] = aie::load_v<Unit::size_B>(b + (k * NBlocks + j) * Unit::size_B);
    for (unsigned i = 0; i < Down; ++i) {
      const auto left = load_left<Unit>(a + i * stacked<Unit> * a_stride + k * A_BLOCK, a_stride);
      for (unsigned j = 0; j < Across; ++j) sums[i][j].mac(left, right[j]);
    }
  }
  for (unsigned i = 0; i < Down; ++i)
    for (unsigned j = 0; j < Across; ++j)
      store_sums(c + i * stacked<Unit> * c_stride + j * c_block<Unit>, c_stride, sums[i][j]);
}

// c += a * b for MBlocks x KBlocks and KBlocks x NBlocks blocks.
template <typename Unit, unsigned MBlocks, unsigned KBlocks, unsigned NBlocks, unsigned Down, unsigned Across,
          typename A, typename Sum>
static inline void mac_matrix(const A *__restrict a, const A *__restrict b, Sum *__restrict c) {
  constexpr unsigned down = whole_part(MBlocks / stacked<Unit>, Down), across = whole_part(NBlocks, Across);
  for (unsigned i = 0; i < MBlocks; i += down * stacked<Unit>)
    for (unsigned j = 0; j < NBlocks; j += across)
      mac_blocks<Unit, KBlocks, NBlocks, down, across>(a + i * KBlocks * A_BLOCK, b + j * Unit::size_B,
                                                       c + (i * NBlocks + j) * c_block<Unit>);
}

template <unsigned Size, typename Sum>
static inline void zero_sums(Sum *__restrict c) {
  for (unsigned i = 0; i < Size; i += LANES) aie::store_v(c + i, aie::zeros<Sum, LANES>());
}
