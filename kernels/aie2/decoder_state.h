// What the cores of the array configuration `decoder` share: the words of an order, and what an operator keeps in a core.
//
// A core has one loop for all operators (kernels/designs/decoder_array.py): it loads objects of 512 bytes, takes blocks
// of 8 KB and gives objects of 128 bytes. Which operator that is says its order; sizes are not compiled in.
#pragma once

#include "epilogue.h"

constexpr unsigned CORES = 4;        // of a column; they share its objects
constexpr unsigned LOAD_WORDS = 128;
constexpr unsigned GIVEN_WORDS = 32;

enum Mode : int32_t { PRODUCT_INT8, PRODUCT_BF16, NORM, QUANTISE, ATTENTION, PROBABILITIES, COPY, EMBED };

// Words of an order once it is unpacked: what counts the loops of the core's program, then what the kernels read.
enum OrderWord : unsigned { TILES, ONCE, LOADS, BLOCKS, STEPS, GIVEN, SCALES, MODE, FLAGS, ROWS, WIDTH, KEYS, FIRST, SCALE, PASSES };

// The sequence writes few words, since each costs it time: kernels/designs/decoder_array.py `FIELDS`.
static inline void unpack_order(const int32_t *packed, int32_t *order) {
  const uint32_t counts = packed[0], objects = packed[1], inner = packed[2], sizes = packed[3], keys = packed[4];
  order[TILES] = counts & 0xFFFF;
  order[ONCE] = counts >> 16;
  order[LOADS] = objects & 0xFFFF;
  order[GIVEN] = objects >> 16;
  order[BLOCKS] = inner & 0xFFFF;
  order[STEPS] = inner >> 16 & 31;
  order[SCALES] = inner >> 21 & 7;
  order[MODE] = inner >> 24 & 15;
  order[PASSES] = inner >> 28;
  order[FLAGS] = sizes & 0xFF;
  order[ROWS] = sizes >> 8 & 0xFF;
  order[WIDTH] = sizes >> 16;
  order[KEYS] = keys & 0xFFFF;
  order[FIRST] = keys >> 16;
  order[SCALE] = packed[5];
}

constexpr int32_t FLAG_GELU = 1, FLAG_RESIDUAL = 2, FLAG_F32 = 4, FLAG_BIAS = 8, FLAG_BIAS_FIRST = 16;
constexpr int32_t FLAG_SMOOTH = 32, FLAG_CAUSAL = 64, FLAG_NARROW = 128;

static inline float as_float(int32_t bits) {
  return aie::broadcast<int32, LANES>(bits).cast_to<float>()[0];
}

static inline void copy_words(const int32_t *__restrict from, int32_t *__restrict to, unsigned words) {
  for (unsigned i = 0; i < words; i += LANES) aie::store_v(to + i, aie::load_v<LANES>(from + i));
}

// Rows of 8 neighbours, `stride` apart: the operand of a matrix unit from a matrix that is not in blocks.
static inline aie::vector<bfloat16, 32> four_rows(const bfloat16 *from, unsigned stride) {
  return aie::concat(aie::load_v<8>(from), aie::load_v<8>(from + stride), aie::load_v<8>(from + 2 * stride),
                     aie::load_v<8>(from + 3 * stride));
}
