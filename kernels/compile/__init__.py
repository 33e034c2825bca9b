"""From designs to files that an NPU loads: mlir-aie and Peano run on the kernels and designs, where they are installed.

Nothing here has met the real tools yet: command lines are read from their sources, and tests hold them with stand-ins.
"""
