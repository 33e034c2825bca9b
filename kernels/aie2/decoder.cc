// What a core of the array configuration `decoder` does with an object, by its order (decoder_state.h): begin,
// load, block, step, end, scale. One core program serves every operator of a decoder layer.

#include "decoder_attention.h"
#include "decoder_product.h"
#include "decoder_rows.h"

union State {
  ProductState product;
  NormState norm;
  QuantiseState quantise;
  AttentionState attention;
  CopyState copy;
  EmbedState embed;
};
static_assert(sizeof(State) <= STATE_BYTES, "the design gives a core's operators less memory than they need");

extern "C" {

// Unpacks what the sequence wrote: [6] words to [16].
void decoder_begin(const int32_t *__restrict packed, int32_t *__restrict order) { unpack_order(packed, order); }

// Takes the i-th object of a stage: 0 once for an operator, 1 for each tile. from: [128] words.
void decoder_load(const int32_t *__restrict from, int32_t *__restrict memory, const int32_t *order, int32_t core,
                  int32_t stage, int32_t i) {
  set_modes();
  State *state = (State *)memory;
  switch (order[MODE]) {
    case PRODUCT_INT8:
    case PRODUCT_BF16: return load_product(from, &state->product, order, core, stage, i);
    case NORM: return load_norm(from, &state->norm, stage, i);
    case QUANTISE: return load_quantise(from, &state->quantise, order, core, stage, i);
    case ATTENTION:
      if ((i & 3) == core) copy_words(from, (int32_t *)state->attention.q + (i >> 2) * LOAD_WORDS, LOAD_WORDS);
      return;
    case PROBABILITIES: return load_probabilities(from, &state->attention, order, i);
    case COPY: return copy_words(from + core * GIVEN_WORDS, state->copy.words, GIVEN_WORDS);
    case EMBED: return load_embed(from, &state->embed, order, core, i);
  }
}

// Takes the s-th block of a tile, [2048] words: clears sums before weights, attends to keys and values.
void decoder_block(int32_t *__restrict block, int32_t *__restrict memory, const int32_t *order, int32_t core,
                   int32_t tile, int32_t s) {
  set_modes();
  State *state = (State *)memory;
  bfloat16 *keys = (bfloat16 *)block;
  switch (order[MODE]) {
    case PRODUCT_INT8:
    case PRODUCT_BF16:
      if (s == 0) clear_sums(&state->product);
      return;
    case ATTENTION:
      if (s == 0) begin_attention(&state->attention);
      return attend(&state->attention, order, keys, keys + BLOCK_KEYS * HEAD, s * BLOCK_KEYS);
    case PROBABILITIES:
      return weigh_finally(&state->attention, order, keys, (tile * int32_t(CORES) + core) * int32_t(BLOCK_KEYS));
  }
}

// Multiplies the r-th block of 4 rows by a block of weights.
void decoder_step(const int32_t *__restrict a, const int32_t *__restrict b, int32_t *__restrict memory,
                  const int32_t *order, int32_t r) {
  set_modes();
  step_product(a, b, &((State *)memory)->product, order, r);
}

// Gives the e-th object of a tile, [32] words.
void decoder_end(int32_t *__restrict to, int32_t *__restrict memory, const int32_t *order, int32_t core, int32_t e) {
  set_modes();
  State *state = (State *)memory;
  switch (order[MODE]) {
    case PRODUCT_INT8:
    case PRODUCT_BF16: return end_product(to, &state->product, order, core, e);
    case NORM: return end_norm(to, &state->norm, order, core, e);
    case QUANTISE: return end_quantise(to, &state->quantise, order, core, e);
    case ATTENTION: return end_attention(to, &state->attention, e);
    case PROBABILITIES: return copy_words((const int32_t *)state->attention.weights + e * GIVEN_WORDS, to, GIVEN_WORDS);
    case COPY: return copy_words(state->copy.words, to, GIVEN_WORDS);
    case EMBED: return end_embed(to, &state->embed, e);
  }
}

// Gives the scale of the r-th row of a quantised block, [1] float.
void decoder_scale(float *__restrict to, const int32_t *__restrict memory, int32_t r) {
  set_modes();
  *to = ((const State *)memory)->quantise.scales[r];
}
}
