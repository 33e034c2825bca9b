"""A strict stand-in for `pyxrt` on machines without an NPU."""
