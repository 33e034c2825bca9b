"""The operators of Whisper. The kernels issue fills this folder; nothing of the CPU path needs it."""
