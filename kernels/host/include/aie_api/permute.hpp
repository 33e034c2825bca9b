// Lanes in another order.
#pragma once

#include <utility>

#include "vector.hpp"

namespace aie {

// A matrix of rows x columns, row-major in the lanes, transposed.
template <typename T, unsigned N>
__aie_inline vector<T, N> transpose(const vector<T, N> &v, unsigned rows, unsigned columns) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i % columns * rows + i / columns] = v[i];
  return out;
}

// Chunks 0, 2, 4 ... of a vector, and chunks 1, 3, 5 ...
template <typename T, unsigned N>
__aie_inline vector<T, N / 2> filter_even(const vector<T, N> &v, unsigned chunk = 1) {
  vector<T, N / 2> out;
  for (unsigned i = 0; i < N / 2; ++i) out[i] = v[i / chunk * 2 * chunk + i % chunk];
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N / 2> filter_odd(const vector<T, N> &v, unsigned chunk = 1) {
  vector<T, N / 2> out;
  for (unsigned i = 0; i < N / 2; ++i) out[i] = v[(i / chunk * 2 + 1) * chunk + i % chunk];
  return out;
}

// Chunks of a and b in turn: the lower and the upper half of the result.
template <typename T, unsigned N>
__aie_inline std::pair<vector<T, N>, vector<T, N>> interleave_zip(const vector<T, N> &a, const vector<T, N> &b,
                                                                  unsigned chunk) {
  vector<T, N> halves[2];
  for (unsigned i = 0; i < 2 * N; ++i) {
    const unsigned from = i / chunk / 2 * chunk + i % chunk;
    halves[i / N][i % N] = i / chunk % 2 ? b[from] : a[from];
  }
  return {halves[0], halves[1]};
}
template <typename T, unsigned N>
__aie_inline std::pair<vector<T, N>, vector<T, N>> interleave_unzip(const vector<T, N> &a, const vector<T, N> &b,
                                                                    unsigned chunk) {
  vector<T, N> even, odd;
  even.insert(0, filter_even(a, chunk)).insert(1, filter_even(b, chunk));
  odd.insert(0, filter_odd(a, chunk)).insert(1, filter_odd(b, chunk));
  return {even, odd};
}

// Lane i moves to lane i + n (up) or i - n (down); lanes left free are undefined on a core, and zero here.
template <typename T, unsigned N>
__aie_inline vector<T, N> shuffle_up(const vector<T, N> &v, unsigned n) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = i < n ? T(0) : v[i - n];
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N> shuffle_down(const vector<T, N> &v, unsigned n) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = i + n < N ? v[i + n] : T(0);
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N> shuffle_up_rotate(const vector<T, N> &v, unsigned n) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[(i + n) % N] = v[i];
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N> shuffle_down_rotate(const vector<T, N> &v, unsigned n) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = v[(i + n) % N];
  return out;
}
template <typename T, unsigned N>
__aie_inline vector<T, N> reverse(const vector<T, N> &v) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = v[N - 1 - i];
  return out;
}

}  // namespace aie
