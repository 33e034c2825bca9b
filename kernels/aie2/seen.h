// Which of 16 neighbours count.
#pragma once

#include "core.h"

constexpr float HIDDEN = -3.0e38f;  // stands for minus infinity, and its differences stay finite

// The first `count` lanes: none below 1, all from 16 on.
static inline aie::mask<LANES> first_lanes(int32_t count) {
  const uint32_t within = count < 0 ? 0 : count > int32_t(LANES) ? LANES : uint32_t(count);
  return aie::mask<LANES>::from_uint32((uint32_t(1) << within) - 1);
}
