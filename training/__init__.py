"""Training of the built-in model from synthetic speech."""
