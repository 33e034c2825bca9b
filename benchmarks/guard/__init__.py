"""The regression guard: counts of what the pipeline does for a fixed sample, and ratios of times, held to accepted."""
