// What the cores of the configuration `products` keep from call to call, and the sizes of its objects.
//
// The sequence writes CONTROL words; `products_begin` spreads them over the state, whose first words are the counts of
// the core's loops. kernels/designs/products_words.py has the same names and says what they mean.
#pragma once

#define DIM_M 64  // rows of a tile, for gemm.h

#include <bit>

#include "epilogue.h"
#include "gemm.h"

constexpr unsigned OBJECT_WORDS = 1024, OUT_WORDS = 256, HELD_WORDS = 10240;
constexpr unsigned TILE = 64, QUADS = TILE / BLOCK_ROWS;  // a tile of sums is 64 x 64; a quad is 4 rows of it
constexpr unsigned ROW_SCALES = 1024, SCALES_BEFORE = 16;  // where scales of rows begin beside; the last row's first
constexpr unsigned FACTORS = 256;                         // where factors of rows begin behind their scales

enum Kind { NOTHING, INT8, BF16, REQUANTISE, NORM, QUANTISE, ADD, COPY, NARROW };
enum Flag { GELU = 1, RESIDUAL = 2, BIAS = 4, F32 = 8, SMOOTH = 16 };
enum State {
  // counts of loops
  B_KEPT, A_KEPT, GROUPS, ACTIVE, IDLE, STEPS, RESIDUALS, OUTS, ROUNDS, CHUNKS, GIVES, EXTRAS,
  // what is being done
  KIND, FLAGS, LAST_K, LAST_OUTS, LAST_ROWS, LAST_QUAD, LAST_ROW, SHIFT, ROWS, WIDTH, SCALE_WORDS, SIDE,
  // where it stands
  KEPT, GROUP, TILE_AT, STEP, OUT, PART, ROWS_NOW, CHUNK, GIVE, ROUND,
  STATE_WORDS
};

static inline unsigned bits(int32_t word, unsigned from, unsigned count) {
  return (uint32_t(word) >> from) & ((1u << count) - 1);
}

static inline float as_float(int32_t word) { return std::bit_cast<float>(word); }

static inline const float *floats_of(const int32_t *words) { return reinterpret_cast<const float *>(words); }
static inline float *floats_of(int32_t *words) { return reinterpret_cast<float *>(words); }

// What is kept beside the sums of a tile, or beside rows.
static inline const int32_t *beside(const int32_t *held, const int32_t *state) { return held + state[SIDE]; }

// Quads in an object of results.
static inline unsigned quads_out(const int32_t *state) {
  return state[KIND] == REQUANTISE ? 4 : state[FLAGS] & F32 ? 1 : 2;
}
