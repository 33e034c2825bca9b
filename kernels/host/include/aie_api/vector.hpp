// Vector registers.
#pragma once

#include <bit>
#include <cstring>

#include "types.hpp"

namespace aie {

template <typename T, unsigned Elems>
class vector {
  static_assert(detail::is_element<T>, "not an element type of a vector");
  static_assert(detail::is_register_width(sizeof(T) * 8 * Elems), "a vector has 128, 256, 512 or 1024 bits");

 public:
  using value_type = T;
  static constexpr unsigned size() { return Elems; }
  static constexpr unsigned bits() { return sizeof(T) * 8 * Elems; }

  vector() = default;

  __aie_inline T operator[](unsigned i) const { return data_[i]; }
  __aie_inline T &operator[](unsigned i) { return data_[i]; }
  __aie_inline T get(unsigned i) const { return data_[i]; }
  __aie_inline void set(T value, unsigned i) { data_[i] = value; }

  // Puts a value at lane 0 and moves the others up.
  __aie_inline vector &push(T value) {
    for (unsigned i = Elems - 1; i > 0; --i) data_[i] = data_[i - 1];
    data_[0] = value;
    return *this;
  }

  template <unsigned Out>
  __aie_inline vector<T, Out> extract(unsigned part) const {
    static_assert(Out <= Elems, "extract takes a part");
    vector<T, Out> out;
    std::memcpy(out.data(), data_ + part * Out, sizeof(out));
    return out;
  }

  template <unsigned In>
  __aie_inline vector &insert(unsigned part, const vector<T, In> &v) {
    static_assert(In <= Elems, "insert takes a part");
    std::memcpy(data_ + part * In, v.data(), sizeof(v));
    return *this;
  }

  // A wider vector with this one as one of its parts; the rest is undefined on a core, and zero here.
  template <unsigned Out>
  __aie_inline vector<T, Out> grow(unsigned part = 0) const {
    vector<T, Out> out{};
    out.insert(part, *this);
    return out;
  }

  // The same bits as other elements.
  template <typename U>
  __aie_inline vector<U, Elems * sizeof(T) / sizeof(U)> cast_to() const {
    return std::bit_cast<vector<U, Elems * sizeof(T) / sizeof(U)>>(*this);
  }

  // Integers to twice their width.
  __aie_inline auto unpack() const {
    static_assert(sizeof(T) == 1, "unpack takes 8-bit elements");
    using U = std::conditional_t<std::is_signed_v<T>, int16, uint16>;
    vector<U, Elems> out;
    for (unsigned i = 0; i < Elems; ++i) out[i] = data_[i];
    return out;
  }

  // Integers to half their width, by the saturation mode.
  __aie_inline auto pack() const {
    static_assert(sizeof(T) == 2 && !detail::is_float<T>, "pack takes 16-bit integers");
    using U = std::conditional_t<std::is_signed_v<T>, int8, uint8>;
    vector<U, Elems> out;
    for (unsigned i = 0; i < Elems; ++i) out[i] = detail::saturate<U>(data_[i]);
    return out;
  }

  // Of this stand-in only: the lanes.
  __aie_inline T *data() { return data_; }
  __aie_inline const T *data() const { return data_; }

 private:
  alignas(sizeof(T) * Elems < 64 ? sizeof(T) * Elems : 64) T data_[Elems];
};

template <typename T, unsigned Elems>
__aie_inline vector<T, Elems> broadcast(std::type_identity_t<T> value) {
  vector<T, Elems> out;
  for (unsigned i = 0; i < Elems; ++i) out[i] = value;
  return out;
}

template <typename T, unsigned Elems>
  requires(detail::is_element<T>)
__aie_inline vector<T, Elems> zeros() {
  return broadcast<T, Elems>(T(0));
}

template <typename T, unsigned Elems, typename... More>
__aie_inline vector<T, Elems *(1 + sizeof...(More))> concat(const vector<T, Elems> &first, const More &...more) {
  static_assert((std::is_same_v<More, vector<T, Elems>> && ...), "concat takes vectors of one type and size");
  vector<T, Elems *(1 + sizeof...(More))> out;
  unsigned part = 0;
  out.insert(part++, first);
  (out.insert(part++, more), ...);
  return out;
}

}  // namespace aie
