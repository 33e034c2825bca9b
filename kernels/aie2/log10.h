// Powers as log10 with Whisper's floor under them, and back. Source: openai/whisper `audio.py`.
#pragma once

#include "log.h"

constexpr float POWER_FLOOR = 1e-10f;
constexpr float LOG10_FLOOR = -10.0f;
constexpr float LN_10 = 2.30258509f, PER_LN_10 = 0.434294482f;

static inline floats log10_of(const floats &x) { return product(log_of(x), all(PER_LN_10)); }
static inline floats log10_power(const floats &power) { return log10_of(aie::max(power, all(POWER_FLOOR))); }
