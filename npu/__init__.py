"""Models on devices: weights, tokeniser, log-mel, encoder and decoder sessions, the engine process."""
