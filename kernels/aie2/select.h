// What select keeps of a row while the vocabulary passes, and where things lie in its records (in words of 32 bits).
//
// Half 0 is text, ids below the first timestamp; half 1 is timestamps. In each half every lane keeps a maximum, a sum of
// exp below it and a best draw of the ids that passed it; the best ids of all lanes are one sorted list.
#pragma once

#include "core.h"
#include "seen.h"

constexpr unsigned TOP_K = 24, MAX_BONUSES = 256;

// RULES of kernels/records.py.
enum rules_word : unsigned {
  RULE_MASK, RULE_TEXT, RULE_EOT, RULE_TIME_FROM, RULE_TIME_TO, RULE_WANTED, RULE_TEMPERATURE, RULE_SEED, RULE_POSITION,
  RULE_N_BONUSES, RULE_TAG, RULE_BONUS_IDS = 16, RULE_BONUS_LOGITS = RULE_BONUS_IDS + MAX_BONUSES,
  RULES_WORDS = RULE_BONUS_LOGITS + MAX_BONUSES
};

// SCORES: for each half ids and logits, then its sum; then draws.
enum scores_word : unsigned {
  SCORE_LISTS, SCORE_LSE = 4 * TOP_K, SCORE_WANTED = SCORE_LSE + 2, SCORE_DRAWN, SCORE_NO_SPEECH = SCORE_DRAWN + 6,
  SCORE_TAG, SCORE_RESERVED, SCORE_WORDS = SCORE_RESERVED + 5
};

// What a core is told of the vocabulary and of the suppress bitmaps in its memory. Bitmap b begins at byte b * SLOT +
// (b * SKEW) % 4. Whole bitmaps one after the other: SLOT is their bytes, SKEW 0, and MOVES 0. Those bytes of each that
// belong to the tile, fetched in whole words: SLOT is the room for one, SKEW the bytes of a whole one, MOVES 1. Those
// bytes that belong to all tiles of this core, fetched and kept likewise: MOVES 0, and BITS says of which id they begin.
enum places_word : unsigned {
  PLACE_SIZE,             // ids from here on do not count
  PLACE_TIMESTAMP_BEGIN,  // at most the size
  PLACE_EOT,
  PLACE_NO_SPEECH,        // or -1
  PLACE_SLOT,
  PLACE_SKEW,
  PLACE_MOVES,
  PLACE_FIRST,            // id of the first logit of the first tile, a multiple of 32
  PLACE_BITS,             // id of the first bit of a bitmap, a multiple of 32
};

// The state: a list of the best for each half, lanes for each half and for all raw logits, then single words.
enum half_word : unsigned {  // within a half
  HALF_KEYS, HALF_BROKEN = TOP_K, HALF_IDS = 32, HALF_HIGHEST = 64, HALF_SUMS = 80, HALF_DRAWN_SCORES = 96,
  HALF_DRAWN_IDS = 112, HALF_DRAWN_LOGITS = 128, HALF_WORDS = 144
};
enum state_word : unsigned {
  STATE_RAW_HIGHEST = 2 * HALF_WORDS, STATE_RAW_SUMS = STATE_RAW_HIGHEST + LANES, STATE_FIRST = STATE_RAW_SUMS + LANES,
  STATE_KEY, STATE_WANTED, STATE_NO_SPEECH, STATE_WORDS = STATE_FIRST + LANES
};

constexpr int32_t HIDDEN_BITS = int32_t(0xFF61B1E6);  // HIDDEN
constexpr int32_t NEVER_BITS = int32_t(0xFF800000);   // minus infinity, for the host
constexpr int32_t NO_ID = -1;

using ints = aie::vector<int32, LANES>;

static inline ints all_ints(int32_t value) { return aie::broadcast<int32, LANES>(value); }
static inline floats load_floats(const int32_t *from) { return aie::load_v<LANES>(from).cast_to<float>(); }
static inline void store_bits(int32_t *to, const floats &v) { aie::store_v(to, v.cast_to<int32>()); }

// Whole numbers in the order of the floats, -0 aside; its own inverse. A core has no scalar floats.
static inline int32_t ordered(int32_t bits) { return bits ^ ((bits >> 31) & 0x7FFFFFFF); }

static inline int32_t id_at(int32_t first, unsigned j) { return int32_t(uint32_t(first) + j); }
static inline uint32_t distance(int32_t id, int32_t first) { return uint32_t(id) - uint32_t(first); }  // huge if below

// Of 16 ids from `base` on, those below `limit`: bit i for id base + i.
static inline uint32_t ids_below(int32_t limit, int32_t base) {
  if (limit <= base) return 0;
  const uint32_t count = distance(limit, base);
  return count >= LANES ? 0xFFFFu : (1u << count) - 1;
}

// Puts an id at its place among the best, behind those of the same logit.
static inline void insert(int32_t *half, int32_t bits, int32_t id) {
  const int32_t key = ordered(bits);
  unsigned place = TOP_K;
  while (place > 0 && half[HALF_KEYS + place - 1] < key) {
    --place;
    if (place + 1 < TOP_K) {
      half[HALF_KEYS + place + 1] = half[HALF_KEYS + place];
      half[HALF_IDS + place + 1] = half[HALF_IDS + place];
    }
  }
  if (place == TOP_K) return;
  half[HALF_KEYS + place] = key;
  half[HALF_IDS + place] = id;
}
