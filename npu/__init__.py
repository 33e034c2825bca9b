"""Models on devices: weights, tokeniser, log-mel, encoder and decoder sessions, the engine process."""

import os

# ONNX Runtime reads it when it is imported, which is done below this package only. Its official builds (1.32) otherwise
# write a number of this machine into the cache folder and are made to send it, with what they run, to their makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
