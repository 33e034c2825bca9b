"""The kernels of the cores, built for this machine's CPU."""
