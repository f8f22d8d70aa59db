"""Measures of quality, in float64 numpy where they define a protocol."""
