// Loads and stores. A core ignores the low bits of an unaligned address and reads beside it; here the process ends.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "vector.hpp"

namespace aie {
namespace detail {

[[noreturn]] __attribute__((noinline, cold)) inline void misaligned(const char *function, const void *pointer,
                                                                     unsigned bytes) {
  std::fprintf(stderr, "%s: pointer %p is not aligned to %u bytes\n", function, pointer, bytes);
  std::abort();
}

__aie_inline void check_alignment(const char *function, const void *pointer, unsigned bytes) {
  if (reinterpret_cast<uintptr_t>(pointer) % bytes) misaligned(function, pointer, bytes);
}

// A register's worth of memory, element by element so that no alignment of C++ is assumed.
template <typename T, unsigned Elems>
__aie_inline vector<T, Elems> read(const T *pointer) {
  vector<T, Elems> out;
  std::memcpy(out.data(), pointer, sizeof(out));
  return out;
}

}  // namespace detail

template <unsigned Elems, typename T>
__aie_inline vector<T, Elems> load_v(const T *pointer) {
  detail::check_alignment("load_v", pointer, vector_ldst_align_v<T, Elems>);
  return detail::read<T, Elems>(pointer);
}

template <typename T, unsigned Elems>
__aie_inline T *store_v(T *pointer, const vector<T, Elems> &v) {
  detail::check_alignment("store_v", pointer, vector_ldst_align_v<T, Elems>);
  std::memcpy(pointer, v.data(), sizeof(v));
  return pointer;
}

// Slower on a core: aligned to `aligned_elems` elements only.
template <unsigned Elems, typename T>
__aie_inline vector<T, Elems> load_unaligned_v(const T *pointer, unsigned aligned_elems = 1) {
  detail::check_alignment("load_unaligned_v", pointer, sizeof(T) * aligned_elems);
  return detail::read<T, Elems>(pointer);
}

template <typename T, unsigned Elems>
__aie_inline T *store_unaligned_v(T *pointer, const vector<T, Elems> &v, unsigned aligned_elems = 1) {
  detail::check_alignment("store_unaligned_v", pointer, sizeof(T) * aligned_elems);
  std::memcpy(pointer, v.data(), sizeof(v));
  return pointer;
}

}  // namespace aie
