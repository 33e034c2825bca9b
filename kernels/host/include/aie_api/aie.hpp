// Our stand-in for the part of aie_api that the kernels use, so that they run on this machine.
//
// Names, parameters and semantics follow Xilinx/aie_api as published (jgmelber/aie_api commit 2b7eedf, read, not
// copied); tests/data/aie_api_subset.json lists what is here. It is stricter than a core where a core would compute
// nonsense: unaligned addresses end the process, and illegal widths and shapes do not compile. It differs from a core
// in the last bits of float products, which a core makes out of bfloat16 parts.
#pragma once

#include "types.hpp"
#include "vector.hpp"
#include "accum.hpp"
#include "memory.hpp"
#include "arithmetic.hpp"
#include "compare.hpp"
#include "permute.hpp"
#include "elementary.hpp"
#include "mmul.hpp"

inline void event0() {}  // trace marks of a core
inline void event1() {}
