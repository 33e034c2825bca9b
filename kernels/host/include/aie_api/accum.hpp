// Accumulator registers. Integer lanes wrap around at 32 or 64 bits; they are rounded and saturated on the way out.
#pragma once

#include "vector.hpp"

namespace aie {

template <typename Tag, unsigned Elems>
class accum {
  using lane_t = typename detail::lane<Tag>::type;
  static constexpr unsigned width = sizeof(lane_t) * 8 * Elems;
  static_assert(width >= 256 && width <= 4096 && std::has_single_bit(width), "an accumulator has 256 to 4096 bits");

 public:
  using value_type = Tag;
  static constexpr unsigned size() { return Elems; }

  accum() = default;
  template <typename T>
  __aie_inline explicit accum(const vector<T, Elems> &v, int shift = 0) {
    from_vector(v, shift);
  }

  // Takes a vector, integers shifted left.
  template <typename T>
  __aie_inline void from_vector(const vector<T, Elems> &v, int shift = 0) {
    static_assert(detail::is_float<T> == std::is_same_v<Tag, accfloat>, "this accumulator takes other elements");
    for (unsigned i = 0; i < Elems; ++i) {
      if constexpr (detail::is_float<T>) data_[i] = v[i];
      else data_[i] = lane_t(uint64_t(int64_t(v[i])) << shift);
    }
  }

  // Gives a vector: integers shifted right, rounded and saturated; floats rounded to bfloat16.
  template <typename T>
  __aie_inline vector<T, Elems> to_vector(int shift = 0) const {
    static_assert(detail::is_float<T> == std::is_same_v<Tag, accfloat>, "this accumulator gives other elements");
    vector<T, Elems> out;
    for (unsigned i = 0; i < Elems; ++i) {
      if constexpr (detail::is_float<T>) out[i] = T(data_[i]);
      else out[i] = detail::saturate<T>(detail::round_shift(data_[i], shift));
    }
    return out;
  }

  template <unsigned Out>
  __aie_inline accum<Tag, Out> extract(unsigned part) const {
    accum<Tag, Out> out;
    std::memcpy(out.data(), data_ + part * Out, sizeof(out));
    return out;
  }
  template <unsigned In>
  __aie_inline accum &insert(unsigned part, const accum<Tag, In> &other) {
    std::memcpy(data_ + part * In, other.data(), sizeof(other));
    return *this;
  }

  // Of this stand-in only: the lanes.
  __aie_inline lane_t *data() { return data_; }
  __aie_inline const lane_t *data() const { return data_; }

 private:
  alignas(32) lane_t data_[Elems];
};

template <typename Tag, unsigned Elems>
  requires(!detail::is_element<Tag>)
__aie_inline accum<Tag, Elems> zeros() {
  accum<Tag, Elems> out;
  for (unsigned i = 0; i < Elems; ++i) out.data()[i] = 0;
  return out;
}

}  // namespace aie
