"""The golden references: what each operator computes, in float32 and with the arithmetic of the device."""
