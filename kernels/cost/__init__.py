"""What operators would take on the device: a model with bands, calibrated on published figures, not a measurement."""
