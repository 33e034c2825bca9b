"""The operators of Whisper: references, block layouts, and the programs of the simulated NPU."""
