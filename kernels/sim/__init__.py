"""Simulation of IRON designs: the surface they are written against, their plan on the array, its limits, its execution.

`iron` has the names of `aie.iron`; `check` holds a plan to the limits of the device; `run.simulate` executes it.
Nothing here has been compared with a real array.
"""
