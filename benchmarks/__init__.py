"""Measurements, one command each; they may import everything."""
