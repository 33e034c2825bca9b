// What decoding needs of the logits of a row, while they pass in tiles of DIM_N: the best allowed ids, sums of exp, draws.
//
// For each row: begin, a tile at a time in the order of the ids, finish. Several cores can share a row, each with a part
// of the ids; the state of the lower part then takes in that of the higher one by merge. DIM_K is the bytes of suppress
// bitmaps. Reference: kernels/reference/select.py, with records as in kernels/records.py.

#include "select.h"
#include "exp.h"
#include "noise.h"
#include "reciprocal.h"

static_assert(RULES_WORDS % LANES == 0, "rules and pieces of bitmaps are of whole vectors");
static_assert(DIM_N % 32 == 0 && DIM_K % 4 == 0, "tiles are of 32 ids, bitmaps of whole words");

alignas(aie::vector_decl_align) static const int32_t LANE_NUMBERS[LANES] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                                            8, 9, 10, 11, 12, 13, 14, 15};
constexpr int32_t INFINITY_BITS = 0x7F800000;

// One more value for each lane: the sums become those of exp(x - highest) for the new highest. Lanes outside the mask
// stay as they are.
static inline void add_power(int32_t *highest_at, int32_t *sums_at, const floats &x, const aie::mask<LANES> &counts) {
  const floats highest = load_floats(highest_at), sums = load_floats(sums_at);
  const floats above = aie::max(highest, x);
  const floats power = exp_of(aie::sub(aie::min(highest, x), above));  // the one of two powers that is not 1
  const floats kept = aie::add(sums, power), raised = multiply_add(sums, power, all(1.0f));
  const floats larger = aie::select(kept, raised, aie::gt(x, highest));
  store_bits(highest_at, aie::select(highest, above, counts));
  store_bits(sums_at, aie::select(sums, larger, counts));
}

static inline void offer_draw(int32_t *half, const floats &scores, const ints &ids, const floats &logits,
                              const aie::mask<LANES> &counts) {
  const floats best = load_floats(half + HALF_DRAWN_SCORES);
  const aie::mask<LANES> better = aie::gt(scores, best) & counts;
  store_bits(half + HALF_DRAWN_SCORES, aie::select(best, scores, better));
  aie::store_v(half + HALF_DRAWN_IDS, aie::select(aie::load_v<LANES>(half + HALF_DRAWN_IDS), ids, better));
  store_bits(half + HALF_DRAWN_LOGITS, aie::select(load_floats(half + HALF_DRAWN_LOGITS), logits, better));
}

static inline void begin_half(int32_t *half) {
  for (unsigned i = 0; i < HALF_IDS; i += LANES) aie::store_v(half + i, all_ints(ordered(HIDDEN_BITS)));
  half[HALF_BROKEN] = 0;
  for (unsigned i = HALF_IDS; i < HALF_HIGHEST; i += LANES) aie::store_v(half + i, all_ints(NO_ID));
  aie::store_v(half + HALF_HIGHEST, all_ints(HIDDEN_BITS));
  aie::store_v(half + HALF_SUMS, all_ints(0));
  aie::store_v(half + HALF_DRAWN_SCORES, all_ints(HIDDEN_BITS));
  aie::store_v(half + HALF_DRAWN_IDS, all_ints(NO_ID));
  aie::store_v(half + HALF_DRAWN_LOGITS, all_ints(HIDDEN_BITS));
}

// Takes the logits over, with 0 for -0, and their sum.
static inline void take_logits(const float *__restrict logits, const int32_t *places, int32_t *work, int32_t *state) {
  const bool summed = places[PLACE_NO_SPEECH] >= 0;
  const int32_t first = state[STATE_FIRST], no_speech = places[PLACE_NO_SPEECH];
  for (unsigned j = 0; j < DIM_N; j += LANES) {
    const floats raw = aie::add(aie::load_v<LANES>(logits + j), all(0.0f));
    store_bits(work + j, raw);
    if (!summed) continue;
    const auto counts = aie::mask<LANES>::from_uint32(ids_below(places[PLACE_SIZE], id_at(first, j)));
    add_power(state + STATE_RAW_HIGHEST, state + STATE_RAW_SUMS, aie::max(raw, all(HIDDEN)), counts);
  }
  if (summed && distance(no_speech, first) < DIM_N) state[STATE_NO_SPEECH] = work[distance(no_speech, first)];
}

static inline void add_bonuses(const int32_t *rules, int32_t first, int32_t *work) {
  const int32_t given = rules[RULE_N_BONUSES], n_bonuses = given > int32_t(MAX_BONUSES) ? int32_t(MAX_BONUSES) : given;
  for (int32_t i = 0; i < n_bonuses; ++i) {
    const uint32_t place = distance(rules[RULE_BONUS_IDS + i], first), lane = place % LANES;
    if (place >= DIM_N) continue;
    int32_t *at = work + (place - lane);
    const floats logits = load_floats(at);
    const floats bonus = all_ints(rules[RULE_BONUS_LOGITS + i]).cast_to<float>();
    store_bits(at, aie::select(logits, aie::add(logits, bonus), aie::mask<LANES>::from_uint32(1u << lane)));
  }
}

// A tile and what rules it.
struct tile {
  const int32_t *rules, *places;
  const int8_t *masks;
  const int32_t *logits;  // with bonuses
  int32_t first;          // id
  uint32_t bitmap;        // byte of its first id
};

static inline tile tile_of(const int8_t *masks, const int32_t *rules, const int32_t *places, const int32_t *work,
                           int32_t first) {
  const uint32_t number = uint32_t(rules[RULE_MASK]);
  const uint32_t start = number * uint32_t(places[PLACE_SLOT]) + number * uint32_t(places[PLACE_SKEW]) % 4;
  const uint32_t before = places[PLACE_MOVES] ? 0 : distance(first, places[PLACE_BITS]) / 8;
  return {rules, places, masks, work, first, start + before};
}

static inline uint32_t bitmap_byte(const tile &t, uint32_t at) {  // what is not there is suppressed
  return at < DIM_K ? uint8_t(t.masks[at]) : 0xFFu;
}

// Of 16 ids from the j-th on, those of a half that are not suppressed and of a kind that the rules allow.
static inline uint32_t allowed_ids(const tile &t, unsigned j, bool time) {
  const int32_t base = id_at(t.first, j), eot = t.places[PLACE_EOT];
  const uint32_t suppressed = bitmap_byte(t, t.bitmap + j / 8) | bitmap_byte(t, t.bitmap + j / 8 + 1) << 8;
  const uint32_t counted = ids_below(t.places[PLACE_SIZE], base) & ~suppressed;
  const uint32_t before_times = ids_below(t.places[PLACE_TIMESTAMP_BEGIN], base);
  if (time) {
    const uint32_t range = ids_below(t.rules[RULE_TIME_TO], base) & ~ids_below(t.rules[RULE_TIME_FROM], base);
    return counted & range & ~before_times;
  }
  const uint32_t words = t.rules[RULE_TEXT] ? 0 : ids_below(eot, base);
  const uint32_t end = !t.rules[RULE_EOT] && distance(eot, base) < LANES ? 1u << distance(eot, base) : 0;
  return counted & before_times & ~words & ~end;
}

static inline bool any_broken(const floats &x, const aie::mask<LANES> &counts) {  // not a number
  const ints bits = x.cast_to<int32>();
  const auto negative = aie::gt(bits, all_ints(NEVER_BITS)) & aie::lt(bits, all_ints(0));
  return !((aie::gt(bits, all_ints(INFINITY_BITS)) | negative) & counts).empty();
}

static inline void offer_best(const tile &t, unsigned j, uint32_t entering, int32_t *half) {
  for (unsigned lane = 0; lane < LANES; ++lane)
    if (entering >> lane & 1) insert(half, t.logits[j + lane], id_at(t.first, j + lane));
}

static inline void take_half(const tile &t, bool time, int32_t *state) {
  int32_t *half = state + time * HALF_WORDS;
  const uint32_t key = uint32_t(state[STATE_KEY]), wanted = distance(t.rules[RULE_WANTED], t.first);
  const bool drawn = t.rules[RULE_TEMPERATURE] > 0;  // as the bits of a float
  const floats per_temperature = inverse_of(all_ints(t.rules[RULE_TEMPERATURE]).cast_to<float>());
  for (unsigned j = 0; j < DIM_N; j += LANES) {
    const auto allowed = aie::mask<LANES>::from_uint32(allowed_ids(t, j, time));
    if (allowed.empty()) continue;
    const floats x = load_floats(t.logits + j);
    if (any_broken(x, allowed)) half[HALF_BROKEN] = 1;
    const auto counts = aie::gt(x, all(HIDDEN)) & allowed;
    if (wanted - j < LANES && counts.to_uint32() >> (wanted - j) & 1) state[STATE_WANTED] = t.logits[wanted];
    add_power(half + HALF_HIGHEST, half + HALF_SUMS, x, counts);
    const floats least = all_ints(ordered(half[HALF_KEYS + TOP_K - 1])).cast_to<float>();
    const uint32_t entering = (aie::gt(x, least) & counts).to_uint32();
    if (entering) offer_best(t, j, entering, half);
    if (!drawn) continue;
    const ints ids = aie::add(aie::load_v<LANES>(LANE_NUMBERS), all_ints(id_at(t.first, j)));
    offer_draw(half, multiply_add(x, per_temperature, gumbel_of(ids, key)), ids, x, counts);
  }
}

static inline void merge_sums(const int32_t *other_highest, const int32_t *other_sums, int32_t *highest_at,
                              int32_t *sums_at) {
  const floats highest = load_floats(highest_at), other = load_floats(other_highest), above = aie::max(highest, other);
  const floats sums = product(load_floats(sums_at), exp_of(aie::sub(highest, above)));
  store_bits(sums_at, multiply_add(load_floats(other_sums), exp_of(aie::sub(other, above)), sums));
  store_bits(highest_at, above);
}

static inline int32_t first_bits(const floats &v) { return v.cast_to<int32>()[0]; }
static inline int32_t for_host(int32_t bits) { return bits == HIDDEN_BITS ? NEVER_BITS : bits; }

static inline floats log_sum(const int32_t *highest_at, const int32_t *sums_at) {
  const floats highest = load_floats(highest_at), above = all(aie::reduce_max(highest));
  const floats sums = product(load_floats(sums_at), exp_of(aie::sub(highest, above)));
  return aie::add(above, log_of(all(aie::reduce_add(sums))));
}

// id, logit and score of the best draw of all lanes, the lower id of equal ones.
static inline void finish_draw(const int32_t *half, int32_t *drawn) {
  const floats scores = load_floats(half + HALF_DRAWN_SCORES), best = all(aie::reduce_max(scores));
  const ints ids = aie::load_v<LANES>(half + HALF_DRAWN_IDS);
  const int32_t id = aie::reduce_min(aie::select(all_ints(0x7FFFFFFF), ids, aie::eq(scores, best)));
  const auto its = aie::eq(ids, all_ints(id));
  drawn[0] = id;
  drawn[1] = for_host(first_bits(all(aie::reduce_max(aie::select(all(HIDDEN), load_floats(half + HALF_DRAWN_LOGITS), its)))));
  drawn[2] = for_host(first_bits(best));
}

static inline void finish_half(const int32_t *half, bool drawn, unsigned number, int32_t *scores) {
  int32_t *ids = scores + SCORE_LISTS + number * 2 * TOP_K, *logits = ids + TOP_K, *draw = scores + SCORE_DRAWN + 3 * number;
  const bool nothing = half[HALF_BROKEN] || half[HALF_IDS] == NO_ID;
  for (unsigned i = 0; i < TOP_K; ++i) {
    const bool there = !nothing && half[HALF_IDS + i] != NO_ID;
    ids[i] = there ? half[HALF_IDS + i] : NO_ID;
    logits[i] = there ? ordered(half[HALF_KEYS + i]) : NEVER_BITS;
  }
  scores[SCORE_LSE + number] = nothing ? NEVER_BITS : first_bits(log_sum(half + HALF_HIGHEST, half + HALF_SUMS));
  draw[0] = NO_ID;
  draw[1] = draw[2] = NEVER_BITS;
  if (drawn && !nothing) finish_draw(half, draw);
}

extern "C" {

// Keeps a piece of suppress bitmaps, RULES_WORDS long, as the number-th of them; what has no room there is left out.
void select_keep(const int32_t *__restrict piece, int8_t *__restrict masks, int32_t number) {
  const uint32_t start = uint32_t(number) * RULES_WORDS * 4;
  for (uint32_t i = 0; i < RULES_WORDS; i += LANES) {
    const uint32_t at = start + 4 * i;
    if (at + 4 * LANES > DIM_K) return;
    aie::store_v(masks + at, aie::load_v<LANES>(piece + i).cast_to<int8>());
  }
}

void select_begin(const int32_t *__restrict rules, const int32_t *__restrict places, int32_t *__restrict state) {
  set_modes();
  begin_half(state);
  begin_half(state + HALF_WORDS);
  aie::store_v(state + STATE_RAW_HIGHEST, all_ints(HIDDEN_BITS));
  aie::store_v(state + STATE_RAW_SUMS, all_ints(0));
  aie::store_v(state + STATE_FIRST, all_ints(0));
  state[STATE_FIRST] = places[PLACE_FIRST];
  state[STATE_KEY] = int32_t(noise_key(uint32_t(rules[RULE_SEED]), uint32_t(rules[RULE_POSITION])));
  state[STATE_WANTED] = state[STATE_NO_SPEECH] = HIDDEN_BITS;
}

// work: room for the tile. The state counts the tiles.
void select_tile(const float *__restrict logits, const int8_t *__restrict masks, const int32_t *__restrict rules,
                 const int32_t *__restrict places, int32_t *__restrict work, int32_t *__restrict state) {
  set_modes();
  const int32_t first = state[STATE_FIRST], begin = places[PLACE_TIMESTAMP_BEGIN];
  take_logits(logits, places, work, state);
  add_bonuses(rules, first, work);
  const tile t = tile_of(masks, rules, places, work, first);
  if (first < begin) take_half(t, false, state);
  if (id_at(first, DIM_N) > begin) take_half(t, true, state);
  state[STATE_FIRST] = id_at(first, DIM_N);
}

// state: of lower ids; other: of higher ones, of the same row.
void select_merge(const int32_t *__restrict other, int32_t *__restrict state) {
  set_modes();
  for (unsigned number = 0; number < 2; ++number) {
    const int32_t *from = other + number * HALF_WORDS;
    int32_t *half = state + number * HALF_WORDS;
    half[HALF_BROKEN] |= from[HALF_BROKEN];
    for (unsigned i = 0; i < TOP_K; ++i) insert(half, ordered(from[HALF_KEYS + i]), from[HALF_IDS + i]);
    merge_sums(from + HALF_HIGHEST, from + HALF_SUMS, half + HALF_HIGHEST, half + HALF_SUMS);
    offer_draw(half, load_floats(from + HALF_DRAWN_SCORES), aie::load_v<LANES>(from + HALF_DRAWN_IDS),
               load_floats(from + HALF_DRAWN_LOGITS), aie::mask<LANES>(true));
  }
  merge_sums(other + STATE_RAW_HIGHEST, other + STATE_RAW_SUMS, state + STATE_RAW_HIGHEST, state + STATE_RAW_SUMS);
  if (other[STATE_WANTED] != HIDDEN_BITS) state[STATE_WANTED] = other[STATE_WANTED];
  if (other[STATE_NO_SPEECH] != HIDDEN_BITS) state[STATE_NO_SPEECH] = other[STATE_NO_SPEECH];
}

void select_finish(const int32_t *__restrict rules, const int32_t *__restrict state, int32_t *__restrict scores) {
  set_modes();
  const bool drawn = rules[RULE_TEMPERATURE] > 0;
  finish_half(state, drawn, 0, scores);
  finish_half(state + HALF_WORDS, drawn, 1, scores);
  scores[SCORE_WANTED] = for_host(state[STATE_WANTED]);
  const floats no_speech = all_ints(state[STATE_NO_SPEECH]).cast_to<float>();
  const floats probability = exp_of(aie::sub(no_speech, log_sum(state + STATE_RAW_HIGHEST, state + STATE_RAW_SUMS)));
  scores[SCORE_NO_SPEECH] = state[STATE_NO_SPEECH] == HIDDEN_BITS ? 0 : first_bits(probability);
  scores[SCORE_TAG] = rules[RULE_TAG];
  for (unsigned i = SCORE_RESERVED; i < SCORE_WORDS; ++i) scores[i] = 0;
}
}
