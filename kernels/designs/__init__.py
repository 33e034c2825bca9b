"""IRON designs: which tiles do what, and how data comes to them. Written for the new generation of the API (1.4.x).

No design here has been compiled by the real toolchain or run on an NPU; the simulator of `kernels/sim` runs them.
"""
