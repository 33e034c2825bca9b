"""The NPU through pyxrt, or through its emulator."""
